"""Hears what each row of a batch says over what stands: acts, stops, reasons. It asks the database nothing.

The same state machine as in `consent.ledger.record` folds the same acts; only the rows of the ledger are
kept as COPY takes them.
"""

import secrets
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from consent import leaf, noes
from consent.imports.errors import RowRefused
from consent.imports.rows import Row, Said
from consent.ledger import Actor
from consent.models import Basis, Kind, Method, Permission, Suppression
from consent.standing import NO, Act, Standing, follow
from contacts.bulk import Held, Person
from contacts.copying import NULL, text
from contacts.models import Channel, Sentence

State = Permission.State
Key = tuple[str | None, str]

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
_COUNTED = {
    Kind.GIVEN.value: "grants",
    Kind.ASSERTED.value: "claims",
    Kind.REQUESTED.value: "requests",
}


class SaidNo(RowRefused):
    """This person said no; only they themselves can say yes again."""


class IsSuppressed(RowRefused):
    """This address is suppressed; only the person can say yes again."""


class IsRestricted(RowRefused):
    """This person asked for restricted processing."""


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


class Moments(dict[datetime | None, str]):
    """As COPY takes them; each is written out once, though it stands in many rows."""

    def __missing__(self, at: datetime | None) -> str:
        self[at] = written = at.isoformat() if at else NULL
        return written


@dataclass(slots=True)
class Stop:
    """A suppression to be written."""

    topic_id: int | None
    cause: str
    since: datetime
    event_id: int | None


@dataclass(slots=True)
class History:
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


class Hearing:
    """One batch: whoever writes it fills in what stands, has each row heard, and takes what came out.

    `histories` and `stops` are what stands, per contact and per address. Out come `events` and `evidence`
    (lines for COPY, which whoever copies them takes away), `noes`, `new_stops`, `reasons` per line, and
    the `tally`; and `histories` with what changed.
    """

    def __init__(
        self,
        *,
        actor: Actor,
        acts: int,
        ids: Iterator[int],
        now: datetime,
        stops: dict[tuple[str, bytes], list[Stop]],
    ) -> None:
        """At most so many `acts`; `ids` are for their events, `now` is the database's time."""
        self.actor_role = actor.role.value
        self.by = f"{actor.role.value}\t{text(actor.pseudonym)}"
        self.ids = ids
        self.now, self.just_before, self.now_text = now, now - _TICK, now.isoformat()
        self.nonces = _nonces(acts)
        self.tally = Tally()
        self.reasons: dict[int, list[Sentence | str]] = defaultdict(list)
        self.histories: dict[int, History] = defaultdict(History)
        self.stops = stops
        self.new_stops: dict[tuple[str, bytes, int | None], Stop] = {}
        self.events: list[str] = []
        self.evidence: list[str] = []
        self.noes: list[noes.Line] = []
        self.moments = Moments()
        self._evident: tuple[Mapping[str, str], int, bytes, str] | None = None

    def take(self, row: Row, person: Person) -> None:
        if row.left_out:
            self.reasons[row.record.line].append(row.left_out)
        if row.is_undeliverable and (address := person.addresses.get(Channel.EMAIL)):
            address.is_undeliverable = True
            self.tally.undeliverable += 1
        for said in row.said:
            try:
                self._say(said, person)
            except RowRefused as reason:
                self.reasons[row.record.line].append(Sentence.of(reason))

    def take_stop(self, row: Row) -> None:
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
            self._stop(channel, fingerprint, Stop(None, Suppression.Cause.LISTED, at, None))

    def take_stop_of_nobody(self, row: Row, reason: ValueError) -> None:
        """Nobody knows whose row this is, or it names another address too: its no stops the addresses."""
        marks = dict(row.arrival.fingerprints())
        against = [said for said in row.said if said.kind in NO and said.kind != Kind.REFUSED]
        for said in against:
            if fingerprint := marks.get(said.channel):
                topic_id = said.topic.pk if said.topic else None
                at = said.occurred_at or self.now
                stop = Stop(topic_id, Suppression.Cause(said.kind), at, None)
                self._stop(said.channel, fingerprint, stop)
        if against:
            self.tally.stops += 1
            self.reasons[row.record.line].append(Sentence("Only the no was taken."))
        self.reasons[row.record.line].append(Sentence.of(reason))

    def _is_stopped(self, mark: tuple[str, bytes], at: datetime | None) -> bool:
        """Whether the whole address is stopped already, and since then or later."""
        return any(
            stop.topic_id is None and (at is None or stop.since >= at)
            for stop in self.stops.get(mark, ())
        )

    def _say(self, said: Said, person: Person) -> None:
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
        act = self._act(said, address, next(self.ids))
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
        if (
            self._evident is None
            or self._evident[0] is not said.details
            or self._evident[1] != place
        ):
            details = dict(said.details)
            if address:
                details["address"] = str(address.id)
                details["fingerprint"] = address.fingerprint.hex()
            canonical = leaf.canonical_details(details)
            self._evident = said.details, place, canonical, text(canonical.decode())
        return self._evident[2:]

    def _stop_addresses(self, said: Said, person: Person, act: Act) -> None:
        address = person.addresses.get(said.channel)
        if address:
            topic_id = said.topic.pk if said.topic else None
            self._stop(
                said.channel,
                address.fingerprint,
                Stop(topic_id, Suppression.Cause(said.kind), act.occurred_at, act.event_id),
            )

    def _stop(self, channel: str, fingerprint: bytes, stop: Stop) -> None:
        self.stops.setdefault((channel, fingerprint), []).append(stop)
        place = (channel, fingerprint, stop.topic_id)
        if earlier := self.new_stops.get(place):
            stop.since = max(stop.since, earlier.since)
            stop.event_id = stop.event_id or earlier.event_id
        self.new_stops[place] = stop


def _line_of(said: Said, person: Person, act: Act) -> noes.Line:
    return {
        "at": noes.moment(act.occurred_at),
        "kind": act.kind,
        "subject": person.subject,
        "topic": said.topic.key if said.topic else None,
        "channel": said.channel,
        "method": act.method,
    }


def _nonces(count: int) -> Iterator[bytes]:
    """Asked of the system once, not once for each event."""
    size = leaf.NONCE_SIZE
    random = secrets.token_bytes(count * size)
    return (random[start : start + size] for start in range(0, count * size, size))
