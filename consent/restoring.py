"""Holds the journal of noes against the database: a backup that was restored must not forget a no.

What the journal has and the database has not is found line by line, from where the database says it holds
each file on. Bringing it back only ever reduces what is permitted; a fresh yes that the person gave later
than the no stands, as the state machine has it.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, transaction
from django.db.models.functions import Now

from consent import ledger, noes
from consent.models import JournalMark, Kind, Method, Suppression, Topic
from contacts import addresses, journal
from contacts.models import Channel, Contact

logger = logging.getLogger(__name__)

AT_ONCE = 500


class NoesMissing(ImproperlyConfigured):
    """The database lacks noes that people were answered: it comes from a backup.
    Run `manage.py replay_noes` first."""


class Act(NamedTuple):
    """A no of a person, as the journal has it."""

    at: datetime
    kind: str
    subject: UUID
    topic: str | None
    channel: str
    method: str


class Stop(NamedTuple):
    """The stop of an address, with today's fingerprint of it."""

    at: datetime
    cause: str
    fingerprint: bytes
    topic: str | None
    channel: str


@dataclass
class Replayed:
    """What was brought back, and what could not be."""

    acts: int = 0
    stops: int = 0
    unreadable: int = 0
    unknown_topics: set[str] = field(default_factory=set)


@dataclass
class _Chunk:
    """Some lines of a file, and where the next one begins."""

    end: int
    lines: list[Act | Stop]
    unreadable: int

    @property
    def acts(self) -> list[Act]:
        return [line for line in self.lines if isinstance(line, Act)]

    @property
    def stops(self) -> list[Stop]:
        return [line for line in self.lines if isinstance(line, Stop)]


def check() -> None:
    """Raise `NoesMissing` where the database is older than the journal; else note how far it holds it.

    Of each file it reads what came since the last such note.
    """
    for file in journal.files(noes.NAME):
        start = _held(file)
        for chunk in _chunks(file, start):
            if _missing_acts(chunk.acts) or _missing_stops(chunk.stops):
                raise NoesMissing(" ".join((NoesMissing.__doc__ or "").split()))
            _mark(file, chunk.end)


def keep_up() -> None:
    """Write down what waits for the journal, and note how far the database holds it; logs what is wrong."""
    try:
        while noes.write_waiting():
            pass
        check()
    except OSError as error:
        logger.error("The journal of noes cannot be written: %s", error.strerror)
    except NoesMissing as error:
        logger.error("%s", error)


def replay(*, file: Path | None = None, is_whole: bool = False) -> Replayed:
    """Bring back every no of the journal, or of one file, that the database lacks; again, nothing is left.

    `is_whole` reads the files from their beginning. Killed in between, the next run goes on.
    """
    replayed = Replayed()
    for each in [file] if file else journal.files(noes.NAME):
        for chunk in _chunks(each, 0 if is_whole or file else _held(each)):
            _replay(chunk, replayed)
            if not file:
                _mark(each, chunk.end)
    return replayed


@transaction.atomic
def _replay(chunk: _Chunk, replayed: Replayed) -> None:
    topics = Topic.objects.in_bulk(
        {line.topic for line in chunk.lines if line.topic}, field_name="key"
    )
    replayed.unreadable += chunk.unreadable
    replayed.unknown_topics |= {line.topic for line in chunk.lines if line.topic} - topics.keys()
    acts = _missing_acts(chunk.acts)
    people = Contact.objects.living().in_bulk({act.subject for act in acts}, field_name="subject")
    for act in acts:
        ledger.record(
            contact=people[act.subject],
            topic=topics[act.topic] if act.topic else None,
            channel=act.channel,
            kind=Kind(act.kind),
            method=Method.JOB,
            actor=ledger.SYSTEM,
            occurred_at=act.at,
            details={"journal": "noes", "method": act.method},
        )
    stops = _missing_stops(chunk.stops)
    for stop in stops:
        ledger.suppress(
            channel=stop.channel,
            fingerprint=stop.fingerprint,
            topic=topics[stop.topic] if stop.topic else None,
            cause=Suppression.Cause(stop.cause),
            since=stop.at,
        )
    replayed.acts += len(acts)
    replayed.stops += len(stops)


# What the files say


def _chunks(file: Path, start: int) -> Iterator[_Chunk]:
    entries = journal.read(file, start=start)
    while some := list(islice(entries, AT_ONCE)):
        lines = [_line(entry.said) for entry in some]
        known = list(dict.fromkeys(line for line in lines if line))
        yield _Chunk(some[-1].end, known, lines.count(None))


def _line(said: dict[str, Any] | None) -> Act | Stop | None:
    """None for a line that a crash cut short, or that is none of ours."""
    said = said or {}
    try:
        at = datetime.fromisoformat(said["at"]).astimezone(UTC)
        topic = str(said["topic"]) if said["topic"] else None
        channel = str(said["channel"])
        if "subject" not in said:
            return _stop(said, at, topic, channel)
        kind = Kind(said["kind"])
        subject, method = UUID(said["subject"]), str(said["method"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if kind not in noes.KINDS or channel not in ("", *Channel.values):
        return None
    return Act(at, str(kind), subject, topic, channel, method)


def _stop(said: dict[str, Any], at: datetime, topic: str | None, channel: str) -> Stop:
    keys = list(settings.ASSENT_KEYS["fingerprint"].values())[int(said["keys"]) :]
    fingerprint = addresses.advance(bytes.fromhex(said["fingerprint"]), keys)
    if channel not in (Channel.EMAIL, Channel.SMS):
        raise ValueError
    return Stop(at, str(Suppression.Cause(said["cause"])), fingerprint, topic, channel)


# What the database has of it


def _held(file: Path) -> int:
    """Where the database stopped knowing the file; a file that is shorter was begun anew."""
    size = JournalMark.objects.filter(file=file.name).values_list("size", flat=True).first() or 0
    return size if size <= file.stat().st_size else 0


def _mark(file: Path, size: int) -> None:
    JournalMark.objects.update_or_create(file=file.name, defaults={"size": size, "at": Now()})


def _missing_acts(acts: Sequence[Act]) -> list[Act]:
    """Those of living people on topics that are known, which the ledger has not."""
    places = _missing(
        """
        FROM unnest(%s::int[], %s::timestamptz[], %s::text[], %s::uuid[], %s::text[], %s::text[])
            AS line(place, at, kind, subject, topic, channel)
        JOIN contacts_contact c ON c.subject = line.subject AND c.erased_at IS NULL
        LEFT JOIN consent_topic t ON t.key = line.topic
        WHERE (line.topic IS NULL OR t.id IS NOT NULL) AND NOT EXISTS (
            SELECT FROM consent_consentevent e
            WHERE e.subject = line.subject AND e.topic_key IS NOT DISTINCT FROM line.topic
              AND e.channel = line.channel AND e.kind = line.kind AND e.occurred_at = line.at)
        """,
        [act[:5] for act in acts],
    )
    return [acts[place] for place in places]


def _missing_stops(stops: Sequence[Stop]) -> list[Stop]:
    """Those on topics that are known, for which no suppression stands that is as new."""
    places = _missing(
        """
        FROM unnest(%s::int[], %s::timestamptz[], %s::text[], %s::bytea[], %s::text[], %s::text[])
            AS line(place, at, cause, fingerprint, topic, channel)
        LEFT JOIN consent_topic t ON t.key = line.topic
        WHERE (line.topic IS NULL OR t.id IS NOT NULL) AND NOT EXISTS (
            SELECT FROM consent_suppression s
            WHERE s.fingerprint = line.fingerprint AND s.channel = line.channel
              AND s.topic_id IS NOT DISTINCT FROM t.id AND s.since >= line.at)
        """,
        stops,
    )
    return [stops[place] for place in places]


def _missing(found: str, lines: Sequence[tuple[Any, ...]]) -> list[int]:
    """The places of the lines that `found` finds, in their order."""
    if not lines:
        return []
    columns = [list(column) for column in zip(*lines, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT line.place {found} ORDER BY line.place", [list(range(len(lines))), *columns]
        )
        return [place for (place,) in cursor.fetchall()]
