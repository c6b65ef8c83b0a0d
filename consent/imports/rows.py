"""Turns one record of a file into a person and what that person is said to have said.

Nothing is permission without its evidence: a yes needs its date, its source and the words shown; short of
that it is a claim. Every no is taken, with as little as there is.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.text import slugify

from consent.imports import moments, values
from consent.imports.declaration import Declaration
from consent.imports.errors import RowRefused
from consent.imports.mapping import FIELD, plain
from consent.imports.reading import LONGEST_KEPT, Record
from consent.imports.topics import Topics
from consent.models import Kind, Topic, Wording
from contacts import addresses, fields, services
from contacts.bulk import Arrival
from contacts.models import Channel, DataField, Sentence

LONGEST_NAME = 200
LONGEST_EVIDENCE = 4000
MOST_TAGS = 50
MOST_WORDINGS = 10_000
_EMAIL = Channel.EMAIL.value
_SMS = Channel.SMS.value
_DATA = Channel.DATA.value
# Of several columns that speak of a no, the cell that weighs most counts.
_WEIGHED: dict[str, Callable[[str], int]] = {
    "status": values.weight,
    "stopped": values.says_yes,
    "stopped_sms": values.says_yes,
    "stopped_at": values.says_yes,
    "bounced": values.says_yes,
}
_NOES = {
    values.WITHDRAWN: Kind.WITHDRAWN,
    values.OBJECTED: Kind.OBJECTED,
    values.COMPLAINED: Kind.COMPLAINED,
    values.REFUSED: Kind.REFUSED,
}
_GIVEN = Kind.GIVEN.value
_ASSERTED = Kind.ASSERTED.value
_BETWEEN_CELLS = re.compile(r"[,;|\t\"]")
_DIGEST = re.compile(r"[0-9a-f]{64}")


Cells = dict[str, str]


@dataclass(slots=True)
class Said:
    """One act that a row reports; `topic` None is every topic, `occurred_at` None not known."""

    kind: str
    topic: Topic | None
    channel: str
    occurred_at: datetime | None
    wording: Wording | None
    details: Mapping[str, str]


@dataclass(slots=True)
class Row:
    """One row that can be taken: the person, and what the person is said to have said.

    `left_out` says what of it could not be taken, and why.
    """

    record: Record
    arrival: Arrival
    said: list[Said] = field(default_factory=list)
    is_undeliverable: bool = False
    suppressed_at: datetime | None = None
    is_suppressed: bool = False
    left_out: Sentence | str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that cannot be taken, why, and what could be read of its addresses."""

    record: Record
    reason: Sentence | str
    arrival: Arrival


@dataclass(frozen=True, slots=True)
class Registry:
    """What rows are read against, loaded once: registered fields, topics and published wordings."""

    fields: Mapping[str, DataField]
    topics: Topics
    wordings: Mapping[tuple[int, str, str], Wording]
    digests: frozenset[str]

    @classmethod
    def load(cls) -> "Registry":
        wordings = list(Wording.objects.published().order_by("version"))
        return cls(
            fields.registered(),
            Topics(Topic.objects.all()),
            {
                (each.topic_id, each.channel, name): each
                for each in wordings
                for name in (" ".join(each.text.split()), str(each.digest))
            },
            frozenset(str(each.digest) for each in wordings),
        )

    def topic(self, name: str) -> Topic:
        found = self.topics.find(name)
        if found is None:
            raise RowRefused(Sentence("There is no topic “%s”.") % name[:60])
        return found


class RowReader:
    """Reads the records of one batch; `read` raises `RowRefused` with the sentence for the report."""

    def __init__(
        self,
        *,
        columns: Sequence[str],
        mapping: Mapping[str, str],
        declaration: Declaration,
        registry: Registry,
        batch_id: int,
    ) -> None:
        self.width = len(columns)
        self.declaration = declaration
        self.registry = registry
        self.batch_id = str(batch_id)
        self.latest = moments.latest_moment()
        self.fingerprint = addresses.fingerprinter()
        self.offered = {topic.key: topic.channels for topic in registry.topics}
        self.known_topics: dict[str, Sequence[Topic]] = {}
        self.known_wordings: dict[tuple[int, str, str], Wording | None] = {}
        self.known_asked: dict[tuple[str, str, bool, bool], Sequence[tuple[Topic, str]]] = {}
        # Backwards: the first column of a meaning is the one that stays.
        self.places = [
            (place, target)
            for place, column in reversed(list(enumerate(columns)))
            if (target := mapping.get(column, ""))
        ]
        self.weighed = [
            (target, places)
            for target in _WEIGHED
            if len(places := [place for place, meant in self.places[::-1] if meant == target]) > 1
        ]
        self.declares_no = values.is_no(declaration.status)
        self.left_out: Sentence | str = ""
        # Brevo writes every number in full, without the plus.
        self.has_full_numbers = any(
            target == "phone" and plain(columns[place]) == "sms" for place, target in self.places
        )
        self.fields = {
            target: registry.fields[target.removeprefix(FIELD)]
            for _place, target in self.places
            if target.startswith(FIELD)
        }

    def read(self, record: Record) -> Row:
        cells = record.cells
        if len(record.text) == LONGEST_KEPT:
            raise RowRefused(Sentence("This line is too long: a cell has at most 131,072 letters."))
        if not cells:
            raise RowRefused(Sentence("This line cannot be read: a quotation mark is missing."))
        if len(cells) != self.width:
            raise RowRefused(
                Sentence("This row has %(count)d cells where the header has %(width)d.")
                % {"count": len(cells), "width": self.width}
            )
        if "\x00" in "".join(cells):
            raise RowRefused(Sentence("This row has characters that are no text."))
        named = self._name(cells)
        self.left_out = ""
        row = Row(record, self._arrival(named), left_out=self.left_out)
        self._read_consent(row, named)
        return row

    def read_no(self, record: Record, reason: RowRefused) -> Row | None:
        """Of a row that cannot be taken the no alone, if it says one: nobody is mailed for a bad date.

        None where it says none, or where nobody knows whose it is.
        """
        cells = self._name(record.cells) if len(record.cells) == self.width else {}
        row = Row(record, Arrival(), left_out=Sentence("Only the no was taken. %s") % reason)
        row.arrival = self._arrival_alone(record, cells)
        if not (row.arrival.email or row.arrival.phone):
            return None
        with suppress(RowRefused):
            self._read_bare_no(row, cells)
        return row if row.said or row.is_suppressed else None

    def _read_bare_no(self, row: Row, cells: Cells) -> None:
        """Its date cannot be relied on: it counts as of now. On a topic that is not here nobody is mailed."""
        word = self._status(cells)
        status = ""
        with suppress(RowRefused):
            status = values.status(word) if word else ""
        at = cells.get("stopped_at", "")
        if status == values.SUPPRESSED:
            row.is_suppressed = True
        elif status in _NOES or _says_yes(cells, "stopped") or (at and not values.is_never(at)):
            kind = _NOES.get(status, Kind.WITHDRAWN)
            is_of_topics = status in (values.WITHDRAWN, values.REFUSED)
            names = self._topic_names(cells) if is_of_topics else ()
            topics = [topic for name in names if (topic := self.registry.topics.find(name))]
            if topics or (kind != Kind.REFUSED and not names):
                self._stop(row, {}, kind, None, topics=topics)
        if _says_yes(cells, "stopped_sms"):
            self._stop_texts(row, cells)

    def refuse(self, record: Record, reason: RowRefused) -> Refusal:
        """The row as it is kept, to be found again when its person is erased."""
        cells = self._name(record.cells) if len(record.cells) == self.width else {}
        return Refusal(record, Sentence.of(reason), self._arrival_alone(record, cells))

    def _arrival_alone(self, record: Record, cells: Cells) -> Arrival:
        """Whatever can be read of the addresses, each by itself."""
        arrival = Arrival()
        for kind in ("email", "phone"):
            with suppress(RowRefused):
                self._read_addresses({kind: cells.get(kind, "")}, arrival)
        return arrival if arrival.email or arrival.phone else self._any_address(record)

    def _any_address(self, record: Record) -> Arrival:
        """Of a row whose cells are not where they belong."""
        for cell in record.cells or _BETWEEN_CELLS.split(record.text):
            if "@" in cell:
                with suppress(addresses.AddressError):
                    email = _email(cell.strip())
                    return Arrival(email=email, email_fingerprint=self.fingerprint(email))
        return Arrival()

    def _name(self, cells: Sequence[str]) -> Cells:
        """The filled cells by what they mean; of several with one meaning the first that is filled.

        Of several that ask whether somebody said no, the first that says so.
        """
        named = {target: cell for place, target in self.places if (cell := cells[place].strip())}
        for target, places in self.weighed:
            if filled := [cell for place in places if (cell := cells[place].strip())]:
                named[target] = max(filled, key=_WEIGHED[target])
        if "stopped" in named and values.is_of_texts(named["stopped"]):
            named["stopped_sms"] = named.pop("stopped")
        return named

    def _arrival(self, cells: Cells) -> Arrival:
        arrival = Arrival()
        self._read_addresses(cells, arrival)
        self._read_names(cells, arrival)
        if cell := cells.get("language"):
            arrival.language = values.language(cell)
        if (zone := cells.get("timezone")) and zone in services.time_zones():
            arrival.timezone = zone
        if cell := cells.get("lifecycle"):
            arrival.lifecycle = values.stage(cell)
        if cell := cells.get("tags"):
            arrival.tags = _tags(cell)
        if (tag := self.declaration.tag) and tag not in arrival.tags:
            arrival.tags.append(tag)
        arrival.created_at = self._past_or_left_out(cells, "created_at")
        arrival.last_active_at = self._past_or_left_out(cells, "last_active_at")
        self._read_attributes(cells, arrival)
        return arrival

    def _read_addresses(self, cells: Cells, arrival: Arrival) -> None:
        email, phone = cells.get("email"), cells.get("phone")
        try:
            if email:
                arrival.email = _email(email)
                arrival.email_fingerprint = self.fingerprint(arrival.email)
            if phone:
                arrival.phone = self._phone(phone)
                arrival.phone_fingerprint = self.fingerprint(arrival.phone)
        except addresses.PhoneNumberError as error:
            if not email:
                raise RowRefused(Sentence(str(error))) from error
            self.left_out = Sentence("The phone number was left out. %s") % Sentence(str(error))
        except addresses.AddressError as error:
            raise RowRefused(Sentence(str(error))) from error
        if not (email or phone):
            raise RowRefused(Sentence("This row has neither an email address nor a phone number."))

    def _phone(self, number: str) -> str:
        try:
            return addresses.normalize_phone(number, region=self.declaration.region)
        except addresses.PhoneNumberError:
            if not (self.has_full_numbers and number.isdecimal()):
                raise
            return addresses.normalize_phone(f"+{number}")

    def _read_names(self, cells: Cells, arrival: Arrival) -> None:
        first, last = cells.get("first_name", ""), cells.get("last_name", "")
        if not (first or last) and (name := cells.get("name")):
            first, _space, last = name.rpartition(" ")
            first, last = (first, last) if first else (last, "")
        if len(first) > LONGEST_NAME or len(last) > LONGEST_NAME:
            raise RowRefused(Sentence("A name has at most %d letters.") % LONGEST_NAME)
        arrival.first_name, arrival.last_name = first, last

    def _read_attributes(self, cells: Cells, arrival: Arrival) -> None:
        try:
            for target, data_field in self.fields.items():
                if cell := cells.get(target):
                    arrival.attributes[data_field.key] = fields.clean(data_field, cell)
            if document := cells.get("attributes"):
                known = self.registry.fields
                given = {key: each for key, each in _attributes(document).items() if key in known}
                arrival.attributes |= fields.clean_attributes(given, fields=known)
        except fields.FieldError as error:
            raise RowRefused(Sentence.of(error)) from error

    # What the row says of permission

    def _status(self, cells: Cells) -> str:
        """What the row says of itself counts before what is declared; but a no counts wherever it stands."""
        word, declared = cells.get("status", ""), self.declaration.status
        return declared if not word or (self.declares_no and not values.is_no(word)) else word

    def _read_consent(self, row: Row, cells: Cells) -> None:
        word = self._status(cells)
        status = values.status(word) if word else ""
        stopped_at = self._moment(cells, "stopped_at")
        row.is_undeliverable = status == values.BOUNCED or _says_yes(cells, "bounced")
        if status == values.SUPPRESSED:
            row.is_suppressed, row.suppressed_at = True, stopped_at
        elif status in (values.OBJECTED, values.COMPLAINED):
            kind = Kind.OBJECTED if status == values.OBJECTED else Kind.COMPLAINED
            self._stop(row, cells, kind, stopped_at, topics=())
        elif status == values.REFUSED:
            self._answer(row, cells, Kind.REFUSED, stopped_at)
        elif stopped_at or status == values.WITHDRAWN or _says_yes(cells, "stopped"):
            topics = self._topics(cells) if status == values.WITHDRAWN else ()
            self._stop(row, cells, Kind.WITHDRAWN, stopped_at, topics=topics)
        elif status == values.PENDING:
            self._answer(row, cells, Kind.REQUESTED, self._moment(cells, "consented_at"))
        elif status != values.NONE:
            if _says_yes(cells, "stopped_sms"):
                self._stop_texts(row, cells)
            self._say_yes(row, cells, is_claimed=status == values.YES)
            return
        if _says_yes(cells, "stopped_sms"):
            self._stop_texts(row, cells)

    def _stop_texts(self, row: Row, cells: Cells) -> None:
        if row.arrival.phone:
            details = self._details(row, cells)
            row.said.append(Said(Kind.WITHDRAWN, None, _SMS, None, None, details))

    def _moment(self, cells: Cells, target: str) -> datetime | None:
        cell = cells.get(target)
        return self._past(cell) if cell and not values.is_never(cell) else None

    def _past_or_left_out(self, cells: Cells, target: str) -> str:
        """What is only good to know refuses nobody."""
        if target not in cells:
            return ""
        try:
            at = self._moment(cells, target)
        except RowRefused as reason:
            self.left_out = Sentence("A date was left out. %s") % reason
            return ""
        return at.isoformat() if at else ""

    def _past(self, cell: str) -> datetime:
        at = moments.moment(cell, self.declaration.day_first)
        if at > self.latest:
            raise RowRefused(Sentence("The date “%s” lies in the future.") % cell[:40])
        return at

    def _topics(self, cells: Cells) -> Sequence[Topic]:
        cell = cells.get("topic", "")
        known = self.known_topics.get(cell)
        if known is None:
            names = self._topic_names(cells)
            known = self.known_topics[cell] = [self.registry.topic(name) for name in names]
        return known

    def _topic_names(self, cells: Cells) -> Sequence[str]:
        cell = cells.get("topic", "")
        return values.split_words(cell) if cell else self.declaration.topics

    def _channels(self, cells: Cells) -> Sequence[str]:
        cell = cells.get("channel")
        return values.channels_of(cell) if cell else self.declaration.channels

    def _stop(
        self,
        row: Row,
        cells: Cells,
        kind: Kind,
        at: datetime | None,
        *,
        topics: Sequence[Topic],
    ) -> None:
        details = self._details(row, cells)
        channels = self._channels(cells) or [
            channel for channel, _mark in row.arrival.fingerprints()
        ]
        for topic in topics or (None,):
            is_data = topic is not None and topic.use == Topic.Use.DATA
            for channel in [_DATA] if is_data else channels:
                row.said.append(Said(kind, topic, channel, at, None, details))

    def _answer(self, row: Row, cells: Cells, kind: Kind, at: datetime | None) -> None:
        details = self._details(row, cells)
        for topic, channel in self._asked(row, cells):
            row.said.append(Said(kind, topic, channel, at, None, details))

    def _say_yes(self, row: Row, cells: Cells, *, is_claimed: bool) -> None:
        """A yes with all its evidence is given; with less it is a claim; a row that says nothing is none."""
        declared = self.declaration
        at = self._moment(cells, "consented_at") or declared.occurred_at
        source = cells.get("source") or declared.source
        words = cells.get("wording") or declared.wording
        if len(source) > LONGEST_EVIDENCE or len(words) > LONGEST_EVIDENCE:
            raise RowRefused(Sentence("The evidence has at most %d letters.") % LONGEST_EVIDENCE)
        is_shown = bool(at and source and words)
        if not is_shown and (row.is_undeliverable or not (is_claimed or at or words)):
            return
        kind = _GIVEN if is_shown else _ASSERTED
        details = self._details(row, cells, source=source)
        quoted = details | {"wording": words} if words else details
        for topic, channel in self._asked(row, cells):
            wording = self._wording(topic, channel, words) if words else None
            row.said.append(Said(kind, topic, channel, at, wording, details if wording else quoted))

    def _asked(self, row: Row, cells: Cells) -> Sequence[tuple[Topic, str]]:
        """Each topic with each channel it is for; raises `RowRefused` where one cannot be."""
        reached = bool(row.arrival.email), bool(row.arrival.phone)
        asked = (cells.get("topic", ""), cells.get("channel", ""), *reached)
        known = self.known_asked.get(asked)
        if known is None:
            if len(self.known_asked) > MOST_WORDINGS:
                self.known_asked.clear()
            known = self.known_asked[asked] = list(self._channels_asked(cells, *reached))
        return known

    def _channels_asked(
        self, cells: Cells, has_email: bool, has_phone: bool
    ) -> Iterable[tuple[Topic, str]]:
        channels = self._channels(cells)
        for topic in self._topics(cells):
            if topic.use == Topic.Use.DATA:
                yield topic, _DATA
                continue
            for channel in channels or (_EMAIL if has_email else _SMS,):
                if channel not in self.offered[topic.key]:
                    raise RowRefused(
                        Sentence("The topic “%(topic)s” is not offered by %(channel)s.")
                        % {"topic": topic.key, "channel": Channel(channel).label}
                    )
                if not (has_email if channel == _EMAIL else has_phone):
                    raise RowRefused(
                        Sentence("This row has no address for %s.") % Channel(channel).label
                    )
                yield topic, channel

    def _wording(self, topic: Topic, channel: str, words: str) -> Wording | None:
        """The published words of this very topic and channel; else they stay evidence as they are."""
        asked = (topic.id, channel, words)
        if asked not in self.known_wordings:
            found = self.registry.wordings.get((topic.id, channel, " ".join(words.split())))
            if found is None and _DIGEST.fullmatch(words) and words not in self.registry.digests:
                raise RowRefused(Sentence("There is no published wording “%s”.") % words)
            if len(self.known_wordings) > MOST_WORDINGS:
                self.known_wordings.clear()
            self.known_wordings[asked] = found
        return self.known_wordings[asked]

    def _details(self, row: Row, cells: Cells, *, source: str = "") -> dict[str, str]:
        details = {"import": self.batch_id, "line": str(row.record.line)}
        if source:
            details["source"] = source
        if (ip := cells.get("ip")) and (network := values.truncated_ip(ip)):
            details["ip"] = network
        return details


def _email(cell: str) -> str:
    try:
        return addresses.normalize_email(cell)
    except addresses.EmailAddressError:
        return addresses.normalize_email(values.bare_address(cell))


def _says_yes(cells: Cells, target: str) -> bool:
    cell = cells.get(target)
    return bool(cell) and values.says_yes(cell)


def _tags(cell: str) -> list[str]:
    names = (
        slugify(word.strip('" '), allow_unicode=True)[:64] for word in values.split_words(cell)
    )
    return [name for name in names if name][:MOST_TAGS]


def _attributes(document: str) -> Mapping[str, object]:
    try:
        attributes = json.loads(document) or {}
    except ValueError:
        attributes = None
    if not isinstance(attributes, dict):
        raise RowRefused(Sentence("The attributes are not a JSON object."))
    return attributes
