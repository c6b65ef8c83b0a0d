"""Writes one batch of rows in one transaction: people, events, evidence, permissions, and how far it came.

What comes out is what `consent.ledger.record` would have written row by row: the same state machine folds
the same acts, under the same lock per person, only the rows travel by COPY.
"""

import json
import math
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection

from consent import leaf, noes
from consent.imports.errors import RowRefused
from consent.imports.reading import Record
from consent.imports.rows import Refusal, Row, Said
from consent.ledger import Actor, columns
from consent.models import (
    Basis,
    ImportBatch,
    Kind,
    Method,
    Permission,
    RefusedAddress,
    RefusedRow,
    Suppression,
    Topic,
)
from consent.standing import NO, Act, Standing, follow
from contacts import bulk
from contacts.bulk import Held, Person
from contacts.copying import NULL, Copies, bytea_array, next_ids, text
from contacts.models import Channel, DataField, Sentence

State = Permission.State
Key = tuple[str | None, str]

# The first rows are made while the database waits, so they are few; then ever more, up to as many as keep
# it at work while the next ones are made.
FIRST_ROWS_A_COPY = 125
ROWS_A_COPY = 1000
_TICK = timedelta(microseconds=1)
_IMPORT = Method.IMPORT.value
_CONSENT = Basis.CONSENT.value
_EMAIL = Channel.EMAIL.value
_DATA = Channel.DATA.value
# Permissions for the use of data are tied to the email address.
_REACHED_AT = {_EMAIL: _EMAIL, Channel.SMS.value: Channel.SMS.value, _DATA: _EMAIL}
_GIVEN = Kind.GIVEN.value
_ASSERTED = Kind.ASSERTED.value
_REFUSED = Kind.REFUSED.value


class SaidNo(RowRefused):
    """This person said no; only they themselves can say yes again."""


class IsSuppressed(RowRefused):
    """This address is suppressed; only the person can say yes again."""


class IsRestricted(RowRefused):
    """This person asked for restricted processing."""


class SomebodyKnown(Exception):
    """Somebody in it is known, and an act of theirs would have to wait for too many rows."""


@dataclass(slots=True)
class Tally:
    """What became of the rows of a batch."""

    rows: int = 0
    contacts: int = 0
    known: int = 0
    grants: int = 0
    claims: int = 0
    requests: int = 0
    stops: int = 0
    unchanged: int = 0
    undeliverable: int = 0
    refused: int = 0


_EVENT = """id subject topic_key channel kind basis method occurred_at recorded_at wording_digest
    actor_role actor commitment""".split()
_EVIDENCE = ["event_id", "nonce", "details"]
_PERMISSION = """contact_id topic_id channel state stopped fresh_at since valid_until basis method
    wording_id address_id event_id""".split()
_COUNTED = {
    Kind.GIVEN.value: "grants",
    Kind.ASSERTED.value: "claims",
    Kind.REQUESTED.value: "requests",
}


class _Moments(dict[datetime | None, str]):
    """As COPY takes them; each is written out once, though it stands in many rows."""

    def __missing__(self, at: datetime | None) -> str:
        self[at] = written = at.isoformat() if at else NULL
        return written


@dataclass(slots=True)
class _Stop:
    """A suppression to be written."""

    topic_id: int | None
    cause: str
    since: datetime
    event_id: int | None


@dataclass(slots=True)
class _History:
    """What stands for one person: per topic key and channel, with the keys that have a row already."""

    standings: dict[Key, Standing] = field(default_factory=dict)
    stored: frozenset[Key] = frozenset()
    changed: dict[Key, None] = field(default_factory=dict)

    def at(self, key: Key) -> Standing | None:
        """A topic nobody spoke of yet stands where everything stands."""
        return self.standings.get(key) or self.standings.get((None, key[1]))

    def follow(self, key: Key, act: Act) -> None:
        before = self.at(key)
        after = follow(before, act)
        if after and (after is not before or key not in self.standings):
            self.standings[key] = after
            self.changed[key] = None


class BatchWriter:
    """One batch within one transaction; make a new one for each try.

    The database takes in what was made so far while the rest is made.
    """

    def __init__(
        self,
        *,
        topics: Iterable[Topic],
        fields: Iterable[DataField],
        actor: Actor,
        language: str,
        list_id: int | None = None,
        most_among_known: float = math.inf,
    ) -> None:
        self.topics = {topic.key: topic for topic in topics}
        self.keys = {topic.pk: topic.key for topic in self.topics.values()}
        self.topic_of_field = {each.key: each.topic_key for each in fields if each.topic_key}
        self.actor_role = actor.role.value
        self.by = f"{actor.role.value}\t{text(actor.pseudonym)}"
        self.language = language
        self.list_id = list_id
        self.most_among_known = most_among_known
        self.tally = Tally()
        self.reasons: dict[int, list[Sentence | str]] = defaultdict(list)
        self.histories: dict[int, _History] = defaultdict(_History)
        self.events: list[str] = []
        self.evidence: list[str] = []
        self.noes: list[noes.Line] = []
        self.stops: dict[tuple[str, bytes], list[_Stop]] = {}
        self.moments = _Moments()
        self.evident: tuple[Mapping[str, str], int, bytes, str] | None = None
        self.new_stops: dict[tuple[str, bytes, int | None], _Stop] = {}

    def write(
        self,
        batch: ImportBatch,
        rows: Sequence[Row],
        refused: Sequence[Refusal],
        *,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> Tally:
        """Take the rows, and call `meanwhile` once while the database still writes.

        Nobody becomes a contact for being on a list of suppressions. Raises `SomebodyKnown` where there
        are more rows than `most_among_known`, and not of strangers alone.
        """
        listed = [row for row in rows if row.is_suppressed]
        people = self._recognize([row for row in rows if not row.is_suppressed])
        if len(rows) > self.most_among_known and not all(each.is_new for each in people.values()):
            raise SomebodyKnown
        self._load(list(people.values()), listed)
        self.now = _database_time()
        self.just_before, self.now_text = self.now - _TICK, self.now.isoformat()
        most = sum([len(row.said) for row in rows])
        ids = iter(next_ids("consent_consentevent", most))
        self.nonces = _nonces(most)
        for row in listed:
            self._suppress_by_list(row)
        for row in rows:
            if not row.is_suppressed and id(row) not in people:
                self._suppress_of_nobody(row)
        met = list({id(person): person for person in people.values()}.values())
        last_rows = {id(person): row for row, person in people.items()}
        with Copies() as copies:
            for piece in _pieces(rows):
                heard = []
                for row in piece:
                    if person := people.get(id(row)):
                        self._take(row, person, ids)
                        if last_rows[id(person)] == id(row):
                            heard.append(person)
                self._copy(heard, copies)
            meanwhile()
            copies.settle()
        bulk.complete(met)
        if self.list_id:
            bulk.enlist(met, self.list_id)
        self._update_permissions(met)
        self._suppress()
        noes.note(self.noes)
        self._refuse(batch, rows, refused)
        self.tally.rows = len(rows) + len(refused)
        self.tally.contacts = sum(person.is_new for person in met)
        self.tally.known = len(met) - self.tally.contacts
        return self.tally

    def _recognize(self, rows: Sequence[Row]) -> dict[int, Person]:
        people = {}
        for row, person in zip(rows, bulk.recognize([row.arrival for row in rows]), strict=True):
            if isinstance(person, Person):
                people[id(row)] = person
            else:
                self.reasons[row.record.line].append(Sentence.of(person))
        return people

    def _load(self, people: Sequence[Person], listed: Iterable[Row]) -> None:
        """What stands for the known people, and what stops any of these addresses."""
        known = {person.contact_id for person in people if not person.is_new}
        marks = {address.fingerprint for person in people for address in person.addresses.values()}
        marks |= {mark for row in listed for _channel, mark in row.arrival.fingerprints()}
        if known:
            self._load_standings(known)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT channel, fingerprint, topic_id, cause, since, event_id"
                " FROM consent_suppression WHERE fingerprint = ANY(%s::bytea[])",
                [bytea_array(marks)],
            )
            for channel, fingerprint, *stop in cursor.fetchall():
                self.stops.setdefault((channel, bytes(fingerprint)), []).append(_Stop(*stop))

    def _load_standings(self, known: set[int]) -> None:
        for permission in Permission.objects.filter(contact__in=known).iterator():
            key = (
                self.keys[permission.topic_id] if permission.topic_id else None,
                permission.channel,
            )
            history = self.histories[permission.contact_id]
            history.stored |= {key}
            history.standings[key] = Standing(
                permission.state,
                permission.stopped,
                permission.since,
                permission.event_id,
                basis=permission.basis,
                method=permission.method,
                wording_id=permission.wording_id,
                address_id=permission.address_id,
                valid_until=permission.valid_until,
                fresh_at=permission.fresh_at,
            )

    # Acts

    def _take(self, row: Row, person: Person, ids: Iterator[int]) -> None:
        if row.left_out:
            self.reasons[row.record.line].append(row.left_out)
        if row.is_undeliverable and (address := person.addresses.get(Channel.EMAIL)):
            address.is_undeliverable = True
            self.tally.undeliverable += 1
        for said in row.said:
            try:
                self._say(said, person, ids)
            except RowRefused as reason:
                self.reasons[row.record.line].append(Sentence.of(reason))

    def _suppress_by_list(self, row: Row) -> None:
        if row.left_out:
            self.reasons[row.record.line].append(row.left_out)
        at = row.suppressed_at or self.now
        fresh = [
            mark
            for mark in row.arrival.fingerprints()
            if not self._is_stopped(mark, row.suppressed_at)
        ]
        self.tally.stops += bool(fresh)
        self.tally.unchanged += not fresh
        for channel, fingerprint in fresh:
            self._stop(channel, fingerprint, _Stop(None, Suppression.Cause.LISTED, at, None))

    def _suppress_of_nobody(self, row: Row) -> None:
        """Nobody knows whose row this is, or it names another address too: its no stops the addresses."""
        marks = dict(row.arrival.fingerprints())
        noes = [said for said in row.said if said.kind in NO and said.kind != Kind.REFUSED]
        for said in noes:
            if fingerprint := marks.get(said.channel):
                topic_id = said.topic.pk if said.topic else None
                at = said.occurred_at or self.now
                stop = _Stop(topic_id, Suppression.Cause(said.kind), at, None)
                self._stop(said.channel, fingerprint, stop)
        if noes:
            self.tally.stops += 1
            self.reasons[row.record.line].insert(0, Sentence("Only the no was taken."))

    def _is_stopped(self, mark: tuple[str, bytes], at: datetime | None) -> bool:
        """Whether the whole address is stopped already, and since then or later."""
        return any(
            stop.topic_id is None and (at is None or stop.since >= at)
            for stop in self.stops.get(mark, ())
        )

    def _say(self, said: Said, person: Person, ids: Iterator[int]) -> None:
        history = self.histories[person.contact_id]
        key = (said.topic.key if said.topic else None, said.channel)
        address = person.addresses.get(_REACHED_AT[said.channel])
        standing = history.at(key) if history.standings else None
        is_no = said.kind in NO
        if not is_no and (standing or person.is_restricted or self.stops):
            self._check_open(said, person, address, standing)
        if standing and self._is_known_already(said, person, standing, is_no=is_no):
            self.tally.unchanged += 1
            return
        act = self._act(said, address, next(ids))
        self._record(said, person, address, act)
        if said.topic is None:
            for other in [other for other in history.standings if other[1] == said.channel]:
                if other != key:
                    history.follow(other, act)
        history.follow(key, act)
        if is_no:
            self.tally.stops += 1
            if said.kind != _REFUSED:
                self._stop_addresses(said, person, act)
        else:
            name = _COUNTED[said.kind]
            setattr(self.tally, name, getattr(self.tally, name) + 1)

    def _check_open(
        self, said: Said, person: Person, address: Held | None, standing: Standing | None
    ) -> None:
        """Opt-out wins: no row of a file speaks against a no of the person."""
        if person.is_restricted:
            raise IsRestricted
        fresh_at = None
        if standing:
            everything = self.histories[person.contact_id].standings.get((None, said.channel))
            fresh_at = standing.fresh_at
            if standing.stopped or (
                everything and everything.stopped and not (fresh_at and fresh_at > everything.since)
            ):
                raise SaidNo
        if address is None:
            return
        for stop in self.stops.get((_REACHED_AT[said.channel], address.fingerprint), ()):
            is_about = stop.topic_id is None or (said.topic and stop.topic_id == said.topic.pk)
            is_older = fresh_at is not None and fresh_at > stop.since
            if is_about and not (is_older and stop.cause != Suppression.Cause.LEGAL):
                raise IsSuppressed

    def _is_known_already(
        self, said: Said, person: Person, standing: Standing, *, is_no: bool
    ) -> bool:
        """A row that changes nothing adds no event, so that the same file twice is the same as once."""
        if not is_no:
            return standing.state != State.CLAIMED or said.kind == _ASSERTED
        if said.occurred_at and standing.fresh_at and said.occurred_at < standing.fresh_at:
            return True
        is_stronger = NO[Kind(said.kind)] != standing.state and said.kind != _REFUSED
        return standing.stopped and not is_stronger and self._stops_all_of(said, person)

    def _stops_all_of(self, said: Said, person: Person) -> bool:
        """Whether a no like this one has stopped the address and, for everything, every topic."""
        if (
            said.topic is None
            and (None, said.channel) not in self.histories[person.contact_id].standings
        ):
            return False
        topic_id = said.topic.pk if said.topic else None
        address = person.addresses.get(said.channel)
        return address is None or any(
            stop.topic_id in (None, topic_id)
            for stop in self.stops.get((said.channel, address.fingerprint), ())
        )

    def _act(self, said: Said, address: Held | None, event_id: int) -> Act:
        """An act with a date of its own is never live, as in `ledger.record`."""
        wording = said.wording
        occurred_at = min(said.occurred_at, self.just_before) if said.occurred_at else self.now
        return Act(
            event_id,
            said.kind,
            _IMPORT,
            self.actor_role,
            _CONSENT if said.kind == _GIVEN else "",
            occurred_at,
            self.now,
            None,
            address.id if address else None,
            wording.pk if wording else None,
            occurred_at + wording.valid_for if wording else None,
        )

    def _record(self, said: Said, person: Person, address: Held | None, act: Act) -> None:
        nonce = next(self.nonces)
        canonical, shown = self._evidence(said, address)
        commitment = leaf.commitment_to(nonce, canonical).hex()
        topic = said.topic.key if said.topic else NULL
        wording = said.wording.digest if said.wording else NULL
        self.events.append(
            f"{act.event_id}\t{person.subject}\t{topic}\t{said.channel}\t{act.kind}\t{act.basis}\t"
            f"{act.method}\t{self.moments[act.occurred_at]}\t{self.now_text}\t{wording}\t{self.by}\t"
            f"\\\\x{commitment}"
        )
        self.evidence.append(f"{act.event_id}\t\\\\x{nonce.hex()}\t{shown}")
        if act.kind in NO:
            self.noes.append(_line_of(said, person, act))

    def _evidence(self, said: Said, address: Held | None) -> tuple[bytes, str]:
        """The canonical details, and as COPY takes them: the same for each topic of a row, so made once."""
        place = address.id if address else 0
        if self.evident is None or self.evident[0] is not said.details or self.evident[1] != place:
            details = dict(said.details)
            if address:
                details["address"] = str(address.id)
                details["fingerprint"] = address.fingerprint.hex()
            canonical = leaf.canonical_details(details)
            self.evident = said.details, place, canonical, text(canonical.decode())
        return self.evident[2:]

    # What follows

    def _stop_addresses(self, said: Said, person: Person, act: Act) -> None:
        address = person.addresses.get(said.channel)
        if address:
            topic_id = said.topic.pk if said.topic else None
            self._stop(
                said.channel,
                address.fingerprint,
                _Stop(topic_id, Suppression.Cause(said.kind), act.occurred_at, act.event_id),
            )

    def _stop(self, channel: str, fingerprint: bytes, stop: _Stop) -> None:
        self.stops.setdefault((channel, fingerprint), []).append(stop)
        place = (channel, fingerprint, stop.topic_id)
        if earlier := self.new_stops.get(place):
            stop.since = max(stop.since, earlier.since)
            stop.event_id = stop.event_id or earlier.event_id
        self.new_stops[place] = stop

    def _drop_unpermitted_values(self, people: Iterable[Person]) -> None:
        """A value that depends on a permitted use of data is not kept without that permission."""
        if not self.topic_of_field:
            return
        for person in people:
            standings = self.histories[person.contact_id].standings
            for key, topic_key in self.topic_of_field.items():
                standing = standings.get((topic_key, Channel.DATA))
                is_given = standing and standing.state == State.GRANTED
                if not (is_given and self.topics[topic_key].status == Topic.Status.PUBLISHED):
                    person.facts.attributes.pop(key, None)

    def _copy(self, heard: Sequence[Person], copies: Copies) -> None:
        """The events so far, and those people of whom every row was taken."""
        copies.add("consent_consentevent", _EVENT, self.events)
        copies.add("consent_consentevidence", _EVIDENCE, self.evidence)
        self.events, self.evidence = [], []
        self._drop_unpermitted_values(heard)
        bulk.insert(heard, copies, language=self.language)
        self._copy_permissions(heard, copies)

    def _copy_permissions(self, people: Iterable[Person], copies: Copies) -> None:
        lines = []
        for person in people:
            history = self.histories[person.contact_id]
            for key in history.changed:
                if key not in history.stored:
                    topic_id = self.topics[key[0]].id if key[0] else NULL
                    cells = self._standing_cells(history.standings[key])
                    lines.append(f"{person.contact_id}\t{topic_id}\t{key[1]}\t{cells}")
        copies.add("consent_permission", _PERMISSION, lines)

    def _standing_cells(self, standing: Standing) -> str:
        return (
            f"{standing.state}\t{standing.stopped}\t{self.moments[standing.fresh_at]}\t"
            f"{self.moments[standing.since]}\t{self.moments[standing.valid_until]}\t"
            f"{standing.basis}\t{standing.method}\t{standing.wording_id or NULL}\t"
            f"{standing.address_id or NULL}\t{standing.event_id}"
        )

    def _update_permissions(self, people: Iterable[Person]) -> None:
        changed = [
            {
                "contact_id": person.contact_id,
                "topic_id": self.topics[key[0]].pk if key[0] else None,
                "channel": key[1],
            }
            | columns(history.standings[key])
            for person in people
            if (history := self.histories[person.contact_id]).stored
            for key in history.changed
            if key in history.stored
        ]
        if not changed:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE consent_permission p
                SET state = c.state, stopped = c.stopped, since = c.since, fresh_at = c.fresh_at,
                    valid_until = c.valid_until, basis = c.basis, method = c.method,
                    wording_id = c.wording_id, address_id = c.address_id, event_id = c.event_id
                FROM jsonb_to_recordset(%s::jsonb) AS c(contact_id bigint, topic_id bigint,
                    channel text, state text, stopped boolean, fresh_at timestamptz, since timestamptz,
                    valid_until timestamptz, basis text, method text, wording_id bigint,
                    address_id bigint, event_id bigint)
                WHERE p.contact_id = c.contact_id AND p.topic_id IS NOT DISTINCT FROM c.topic_id
                    AND p.channel = c.channel
                """,
                [json.dumps(changed, default=datetime.isoformat)],
            )

    def _suppress(self) -> None:
        """In one order, so that two imports of the same people wait for each other instead of locking up."""
        rows = [
            {
                "channel": channel,
                "fingerprint": fingerprint.hex(),
                "topic_id": topic_id,
                "cause": stop.cause,
                "since": stop.since.isoformat(),
                "event_id": stop.event_id,
            }
            for (channel, fingerprint, topic_id), stop in sorted(
                self.new_stops.items(), key=lambda item: (item[0][1], item[0][0], item[0][2] or 0)
            )
        ]
        if not rows:
            return
        self.noes += [
            noes.stop(
                channel=channel,
                fingerprint=fingerprint,
                topic_key=self.keys[topic_id] if topic_id else None,
                cause=stop.cause,
                since=stop.since,
            )
            for (channel, fingerprint, topic_id), stop in self.new_stops.items()
        ]
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO consent_suppression (channel, fingerprint, topic_id, cause, since, event_id)
                SELECT channel, decode(fingerprint, 'hex'), topic_id, cause, since, event_id
                FROM jsonb_to_recordset(%s::jsonb) AS new(channel text, fingerprint text,
                    topic_id bigint, cause text, since timestamptz, event_id bigint)
                ON CONFLICT (fingerprint, channel, topic_id) DO UPDATE
                SET since = greatest(consent_suppression.since, excluded.since),
                    event_id = coalesce(excluded.event_id, consent_suppression.event_id),
                    cause = CASE WHEN consent_suppression.cause = 'legal' THEN 'legal'
                        ELSE excluded.cause END
                """,
                [json.dumps(rows)],
            )

    def _refuse(self, batch: ImportBatch, rows: Sequence[Row], refused: Iterable[Refusal]) -> None:
        taken = {row.record.line: row for row in rows}
        kept = [(_refused(batch, each.record, each.reason), each.arrival) for each in refused]
        for line, reasons in self.reasons.items():
            row = taken[line]
            kept.append((_refused(batch, row.record, Sentence.row(reasons)), row.arrival))
        RefusedRow.objects.bulk_create([row for row, _arrival in kept], batch_size=1000)
        found = [
            RefusedAddress(row=row, fingerprint=mark)
            for row, arrival in kept
            for _channel, mark in arrival.fingerprints()
        ]
        RefusedAddress.objects.bulk_create(found, batch_size=1000)
        self.tally.refused = len(kept)


def _pieces(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    start, size = 0, FIRST_ROWS_A_COPY
    while start < len(rows):
        yield rows[start : start + size]
        start, size = start + size, min(2 * size, ROWS_A_COPY)


def _line_of(said: Said, person: Person, act: Act) -> noes.Line:
    return {
        "at": noes.moment(act.occurred_at),
        "kind": act.kind,
        "subject": person.subject,
        "topic": said.topic.key if said.topic else None,
        "channel": said.channel,
        "method": act.method,
    }


def _refused(batch: ImportBatch, record: Record, reason: Sentence | str) -> RefusedRow:
    return RefusedRow(batch=batch, line=record.line, row=_as_it_stood(record), reason=reason)


def _as_it_stood(record: Record) -> list[str]:
    cells = record.cells or [record.text]
    return [cell.replace("\x00", "\N{REPLACEMENT CHARACTER}") for cell in cells]


def _nonces(count: int) -> Iterator[bytes]:
    """Asked of the system once, not once for each event."""
    size = leaf.NONCE_SIZE
    random = secrets.token_bytes(count * size)
    return (random[start : start + size] for start in range(0, count * size, size))


def _database_time() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
