"""Writes down every no outside the database, so that no restored backup forgets it.

A line is an act (`subject`, `topic`, `channel`, `kind`, `method`, `at`) or the stop of an address
(`fingerprint` with the count of its `keys`, `topic`, `channel`, `cause`, `at`); `topic` null is every topic.
It is on disk before the no is answered. A no that cannot be written down is taken all the same: its line
waits in the database, and `/healthz` and the desk say so.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from consent.models import ConsentEvent, Kind, UnwrittenNo
from consent.standing import NO
from contacts import journal

logger = logging.getLogger(__name__)

NAME = "noes"
# A restriction stops as much as a no does, as long as it lasts.
KINDS = frozenset({*NO, Kind.RESTRICTED})
AT_ONCE = 1000

Line = dict[str, Any]


class _Lines:
    """What one transaction said no to, written down once it is committed."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.lines = list(lines)

    def __call__(self) -> None:
        _write(self.lines)


def note(lines: Iterable[Line]) -> None:
    """Write the lines down when the transaction commits, all of one transaction together."""
    lines = list(lines)
    if not lines:
        return
    # Where a savepoint is rolled back, Django drops what was asked for since: so it keeps lines of its own.
    savepoints = set(connection.savepoint_ids)
    for asked in connection.run_on_commit:
        within, work = asked[:2]
        if isinstance(work, _Lines) and within == savepoints:
            work.lines.extend(lines)
            return
    transaction.on_commit(_Lines(lines), robust=True)


def act(event: ConsentEvent) -> list[Line]:
    """The line of an event, where it is a no."""
    if event.kind not in KINDS:
        return []
    return [
        {
            "at": moment(event.occurred_at),
            "kind": str(event.kind),
            "subject": str(event.subject),
            "topic": event.topic_id,
            "channel": str(event.channel),
            "method": str(event.method),
        }
    ]


def stop(
    *, channel: str, fingerprint: bytes, topic_key: str | None, cause: str, since: datetime
) -> Line:
    """The line of a suppression; the count of keys says how far a rotated ring has to advance it."""
    return {
        "at": moment(since),
        "cause": str(cause),
        "fingerprint": fingerprint.hex(),
        "keys": len(settings.ASSENT_KEYS["fingerprint"]),
        "topic": topic_key,
        "channel": str(channel),
    }


def moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _write(lines: list[Line]) -> None:
    try:
        _append(lines)
    except OSError as error:
        logger.error(
            "%d lines of the journal of noes cannot be written: %s", len(lines), error.strerror
        )
        UnwrittenNo.objects.bulk_create(
            [UnwrittenNo(line=line) for line in lines], batch_size=AT_ONCE
        )


def _append(lines: Iterable[Line]) -> None:
    journal.append(journal.path(NAME, datetime.now(UTC).strftime("%Y-%m")), lines)


@transaction.atomic
def write_waiting() -> int:
    """Write down what could not be written before; returns how many lines. Raises `OSError`."""
    waiting = list(UnwrittenNo.objects.select_for_update(skip_locked=True).order_by("pk")[:AT_ONCE])
    if waiting:
        _append(each.line for each in waiting)
        UnwrittenNo.objects.filter(pk__in=[each.pk for each in waiting]).delete()
    return len(waiting)
