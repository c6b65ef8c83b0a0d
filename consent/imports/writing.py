"""Writes one batch of rows in one transaction: people, events, evidence, permissions, and how far it came.

What comes out is what `consent.ledger.record` would have written row by row: the same state machine folds
the same acts, under the same lock per person, only the rows travel by COPY.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from django.db import connection

from consent import noes
from consent.imports import erased
from consent.imports.hearing import Hearing, Stop, Tally
from consent.imports.reading import Record
from consent.imports.rows import Refusal, Row
from consent.ledger import Actor, columns
from consent.models import ImportBatch, Permission, RefusedAddress, RefusedRow, Topic
from consent.standing import Standing
from contacts import bulk
from contacts.bulk import Person
from contacts.copying import NULL, Copies, bytea_array, next_ids
from contacts.models import Channel, DataField, Sentence

State = Permission.State

# The first rows are made while the database waits, so they are few; then ever more, up to as many as keep
# it at work while the next ones are made.
FIRST_ROWS_A_COPY = 125
ROWS_A_COPY = 1000


class SomebodyKnown(Exception):
    """Somebody in it is known, and an act of theirs would have to wait for too many rows."""


_EVENT = """id subject topic_key channel kind basis method occurred_at recorded_at wording_digest
    actor_role actor commitment""".split()
_EVIDENCE = ["event_id", "nonce", "details"]
_PERMISSION = """contact_id topic_id channel state stopped fresh_at since valid_until basis method
    wording_id address_id event_id""".split()


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
        self.actor = actor
        self.language = language
        self.list_id = list_id
        self.most_among_known = most_among_known

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
        while True:
            people, unclear = _recognize([row for row in rows if not row.is_suppressed])
            if len(rows) > self.most_among_known and not all(
                each.is_new for each in people.values()
            ):
                raise SomebodyKnown
            stops, gone = _stops(rows, people.values())
            if not gone:
                break
            rows, of_erased = erased.without(rows, gone)
            refused = [*refused, *of_erased]
        acts = sum([len(row.said) for row in rows])
        self.heard = heard = Hearing(
            actor=self.actor,
            acts=acts,
            ids=iter(next_ids("consent_consentevent", acts)),
            now=_database_time(),
            stops=stops,
        )
        self._load_standings({each.contact_id for each in people.values() if not each.is_new})
        for row in rows:
            if row.is_suppressed:
                heard.take_stop(row)
        for row, reason in unclear:
            heard.take_stop_of_nobody(row, reason)
        met = list({id(person): person for person in people.values()}.values())
        last_rows = {id(person): row for row, person in people.items()}
        with Copies() as copies:
            for piece in _pieces(rows):
                complete = []
                for row in piece:
                    if person := people.get(id(row)):
                        heard.take(row, person)
                        if last_rows[id(person)] == id(row):
                            complete.append(person)
                self._copy(complete, copies)
            meanwhile()
            copies.settle()
        bulk.complete(met)
        if self.list_id:
            bulk.enlist(met, self.list_id)
        self._update_permissions(met)
        self._suppress()
        noes.note(heard.noes)
        heard.tally.refused = self._refuse(batch, rows, refused)
        heard.tally.rows = len(rows) + len(refused)
        heard.tally.contacts = sum(person.is_new for person in met)
        heard.tally.known = len(met) - heard.tally.contacts
        return heard.tally

    def _load_standings(self, known: set[int]) -> None:
        if not known:
            return
        for permission in Permission.objects.filter(contact__in=known).iterator():
            key = (
                self.keys[permission.topic_id] if permission.topic_id else None,
                permission.channel,
            )
            history = self.heard.histories[permission.contact_id]
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

    # What follows

    def _drop_unpermitted_values(self, people: Iterable[Person]) -> None:
        """A value that depends on a permitted use of data is not kept without that permission."""
        if not self.topic_of_field:
            return
        for person in people:
            standings = self.heard.histories[person.contact_id].standings
            for key, topic_key in self.topic_of_field.items():
                standing = standings.get((topic_key, Channel.DATA))
                is_given = standing and standing.state == State.GRANTED
                if not (is_given and self.topics[topic_key].status == Topic.Status.PUBLISHED):
                    person.facts.attributes.pop(key, None)

    def _copy(self, complete: Sequence[Person], copies: Copies) -> None:
        """The events so far, and those people of whom every row was taken."""
        copies.add("consent_consentevent", _EVENT, self.heard.events)
        copies.add("consent_consentevidence", _EVIDENCE, self.heard.evidence)
        self.heard.events, self.heard.evidence = [], []
        self._drop_unpermitted_values(complete)
        bulk.insert(complete, copies, language=self.language)
        self._copy_permissions(complete, copies)

    def _copy_permissions(self, people: Iterable[Person], copies: Copies) -> None:
        lines = []
        for person in people:
            history = self.heard.histories[person.contact_id]
            for key in history.changed:
                if key not in history.stored:
                    topic_id = self.topics[key[0]].id if key[0] else NULL
                    cells = self._standing_cells(history.standings[key])
                    lines.append(f"{person.contact_id}\t{topic_id}\t{key[1]}\t{cells}")
        copies.add("consent_permission", _PERMISSION, lines)

    def _standing_cells(self, standing: Standing) -> str:
        moments = self.heard.moments
        return (
            f"{standing.state}\t{standing.stopped}\t{moments[standing.fresh_at]}\t"
            f"{moments[standing.since]}\t{moments[standing.valid_until]}\t"
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
            if (history := self.heard.histories[person.contact_id]).stored
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
                self.heard.new_stops.items(),
                key=lambda item: (item[0][1], item[0][0], item[0][2] or 0),
            )
        ]
        if not rows:
            return
        self.heard.noes += [
            noes.stop(
                channel=channel,
                fingerprint=fingerprint,
                topic_key=self.keys[topic_id] if topic_id else None,
                cause=stop.cause,
                since=stop.since,
            )
            for (channel, fingerprint, topic_id), stop in self.heard.new_stops.items()
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

    def _refuse(self, batch: ImportBatch, rows: Sequence[Row], refused: Iterable[Refusal]) -> int:
        taken = {row.record.line: row for row in rows}
        refusals = [*refused]
        for line, reasons in self.heard.reasons.items():
            row = taken[line]
            refusals.append(Refusal(row.record, Sentence.row(reasons), row.arrival))
        # Whoever is known is locked, but who is refused may have been erased by now.
        _rows, kept = erased.without(refusals, erased.among(erased.marks_of(refusals)))
        refused_rows = [_refused(batch, each.record, each.reason) for each in kept]
        RefusedRow.objects.bulk_create(refused_rows, batch_size=1000)
        found = [
            RefusedAddress(row=row, fingerprint=mark)
            for row, each in zip(refused_rows, kept, strict=True)
            for _channel, mark in each.arrival.fingerprints()
        ]
        RefusedAddress.objects.bulk_create(found, batch_size=1000)
        return len(kept)


def _recognize(rows: Sequence[Row]) -> tuple[dict[int, Person], list[tuple[Row, ValueError]]]:
    """Whose row each is, by its `id`; and the rows of nobody in particular, each with the reason."""
    people, unclear = {}, []
    for row, person in zip(rows, bulk.recognize([row.arrival for row in rows]), strict=True):
        if isinstance(person, Person):
            people[id(row)] = person
        else:
            unclear.append((row, person))
    return people, unclear


def _stops(
    rows: Iterable[Row], people: Iterable[Person]
) -> tuple[dict[tuple[str, bytes], list[Stop]], set[bytes]]:
    """What stops any of these addresses, and those of people who were erased and did not come back.

    Asked once known people are locked: nobody of them is erased any more.
    """
    marks = erased.marks_of(rows)
    marks |= {
        address.fingerprint
        for person in people
        if not person.is_new
        for address in person.addresses.values()
    }
    stops: dict[tuple[str, bytes], list[Stop]] = {}
    gone = set()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {erased.IS_GONE}, channel, fingerprint, topic_id, cause, since, event_id"
            " FROM consent_suppression s WHERE fingerprint = ANY(%s::bytea[])",
            [bytea_array(marks)],
        )
        for is_gone, channel, fingerprint, *stop in cursor.fetchall():
            stops.setdefault((channel, bytes(fingerprint)), []).append(Stop(*stop))
            if is_gone:
                gone.add(bytes(fingerprint))
    return stops, gone


def _pieces(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    start, size = 0, FIRST_ROWS_A_COPY
    while start < len(rows):
        yield rows[start : start + size]
        start, size = start + size, min(2 * size, ROWS_A_COPY)


def _refused(batch: ImportBatch, record: Record, reason: Sentence | str) -> RefusedRow:
    return RefusedRow(batch=batch, line=record.line, row=_as_it_stood(record), reason=reason)


def _as_it_stood(record: Record) -> list[str]:
    cells = record.cells or [record.text]
    return [cell.replace("\x00", "\N{REPLACEMENT CHARACTER}") for cell in cells]


def _database_time() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now
