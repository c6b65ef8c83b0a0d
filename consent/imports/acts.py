"""Reads what a row says of permission: each act with its date and evidence, under the topics it names.

Nothing is permission without its evidence: a yes needs its date, its source and the words shown; short of
that it is a claim. Every no is taken, with as little as there is.
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime

from consent.imports import moments, values
from consent.imports.declaration import Declaration
from consent.imports.errors import RowRefused
from consent.imports.registry import Registry
from consent.imports.rows import Cells, Row, Said
from consent.models import Kind, Topic, Wording
from contacts.models import Channel, Sentence

LONGEST_EVIDENCE = 4000
MOST_WORDINGS = 10_000
_EMAIL = Channel.EMAIL.value
_SMS = Channel.SMS.value
_DATA = Channel.DATA.value
_NOES = {
    values.WITHDRAWN: Kind.WITHDRAWN,
    values.OBJECTED: Kind.OBJECTED,
    values.COMPLAINED: Kind.COMPLAINED,
    values.REFUSED: Kind.REFUSED,
}
_GIVEN = Kind.GIVEN.value
_ASSERTED = Kind.ASSERTED.value
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ActReader:
    """Reads the acts of one batch into its rows; raises `RowRefused` where one cannot be read."""

    def __init__(self, *, declaration: Declaration, registry: Registry, batch_id: int) -> None:
        self.declaration = declaration
        self.registry = registry
        self.batch_id = str(batch_id)
        self.latest = moments.latest_moment()
        self.offered = {topic.key: topic.channels for topic in registry.topics}
        self.known_topics: dict[str, Sequence[Topic]] = {}
        self.known_wordings: dict[tuple[int, str, str], Wording | None] = {}
        self.known_asked: dict[tuple[str, str, bool, bool], Sequence[tuple[Topic, str]]] = {}
        self.declares_no = values.is_no(declaration.status)

    def read(self, row: Row, cells: Cells) -> None:
        word = self._status(cells)
        status = values.status(word) if word else ""
        stopped_at = self.moment(cells, "stopped_at")
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
            self._answer(row, cells, Kind.REQUESTED, self.moment(cells, "consented_at"))
        elif status != values.NONE:
            if _says_yes(cells, "stopped_sms"):
                self._stop_texts(row, cells)
            self._say_yes(row, cells, is_claimed=status == values.YES)
            return
        if _says_yes(cells, "stopped_sms"):
            self._stop_texts(row, cells)

    def read_no_alone(self, row: Row, cells: Cells) -> None:
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

    def moment(self, cells: Cells, target: str) -> datetime | None:
        cell = cells.get(target)
        return self._past(cell) if cell and not values.is_never(cell) else None

    def _status(self, cells: Cells) -> str:
        """What the row says of itself counts before what is declared; but a no counts wherever it stands."""
        word, declared = cells.get("status", ""), self.declaration.status
        return declared if not word or (self.declares_no and not values.is_no(word)) else word

    def _stop_texts(self, row: Row, cells: Cells) -> None:
        if row.arrival.phone:
            details = self._details(row, cells)
            row.said.append(Said(Kind.WITHDRAWN, None, _SMS, None, None, details))

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
        at = self.moment(cells, "consented_at") or declared.occurred_at
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


def _says_yes(cells: Cells, target: str) -> bool:
    cell = cells.get(target)
    return bool(cell) and values.says_yes(cell)
