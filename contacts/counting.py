"""Counts over everybody: live where that is quick, else a worker's last count with its age.

A registry: whoever knows how to count something registers it by kind. No page counts for longer than
`QUICK`, and none counts by being looked at: staff ask, a worker counts.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery import current_app
from django.core.exceptions import ObjectDoesNotExist
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from contacts.models import Count

# What a page waits for.
QUICK = timedelta(milliseconds=150)
MOST_ATTEMPTS = 3
KEPT_FOR = timedelta(days=30)
_LOCK_SPACE = 0x0C07

log = logging.getLogger(__name__)

Counter = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """`counter` gets what to count about and returns JSON; it raises `ObjectDoesNotExist`, or `ValueError`,
    where there is nothing of that name (any more).
    """

    counter: Counter
    permission: str


_kinds: dict[str, Kind] = {}


class UnknownKind(LookupError):
    """Nobody registered a count of this kind."""


@dataclass(frozen=True, slots=True)
class Figure:
    """`result` is None where it was never counted; `at` when it was, or None where it is live."""

    kind: str
    about: str
    result: Any
    at: datetime | None = None
    is_waiting: bool = False

    @property
    def is_counted(self) -> bool:
        return self.result is not None


def register(kind: str, counter: Counter, *, permission: str) -> None:
    """Offer a count: staff with the permission may ask for it."""
    _kinds[kind] = Kind(counter, permission)


def permission_for(kind: str) -> str:
    """What staff need to ask for a count. Raises `UnknownKind`."""
    return _of(kind).permission


def look(kind: str, about: str = "") -> Figure:
    """A count as fresh as a page can wait for. Raises `UnknownKind`."""
    counter = _of(kind).counter
    kept = Count.objects.filter(kind=kind, about=about).first()
    if kept is None or (kept.asked_at is None and (kept.took is None or kept.took < QUICK)):
        with contextlib.suppress(OperationalError), at_most(2 * QUICK if kept else QUICK):
            return Figure(kind, about, counter(about))
    if kept is None:
        return Figure(kind, about, None)
    return Figure(kind, about, kept.result, kept.counted_at, kept.asked_at is not None)


@contextlib.contextmanager
def at_most(time_limit: timedelta) -> Iterator[None]:
    """Statements within may take so long each, else `OperationalError`."""
    milliseconds = time_limit // timedelta(milliseconds=1)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {milliseconds}")
        yield
        # Inside an outer transaction the limit would stay.
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = DEFAULT")


@transaction.atomic
def ask(kind: str, about: str = "") -> None:
    """Have a worker count it, anew where it was counted before. Raises `UnknownKind`."""
    _of(kind)
    Count.objects.update_or_create(
        kind=kind, about=about, defaults={"asked_at": Now(), "attempts": 0}
    )
    transaction.on_commit(_nudge, robust=True)


def work() -> None:
    """Count what was asked for, the longest waiting first; forget what nobody asked for in a long time."""
    for pk in Count.objects.asked().order_by("asked_at", "pk").values_list("pk", flat=True):
        _count(pk)
    Count.objects.filter(asked_at=None, counted_at__lt=Now() - KEPT_FOR).delete()


def _count(pk: int) -> None:
    """One of them; a second worker leaves it, and a third death over it ends it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK_SPACE, pk])
        if not cursor.fetchone()[0]:
            return
        try:
            asked = Count.objects.asked().filter(pk=pk).first()
            if asked:
                _count_anew(asked)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK_SPACE, pk])


def _count_anew(asked: Count) -> None:
    this = Count.objects.filter(pk=asked.pk)
    if asked.attempts >= MOST_ATTEMPTS or asked.kind not in _kinds:
        log.error("the count %s was given up", asked)
        this.update(asked_at=None)
        return
    this.update(attempts=F("attempts") + 1)
    began = time.monotonic()
    try:
        result = _kinds[asked.kind].counter(asked.about)
    except (ObjectDoesNotExist, ValueError):
        this.delete()
        return
    this.update(
        result=result,
        counted_at=Now(),
        took=timedelta(seconds=time.monotonic() - began),
        attempts=0,
    )
    # Whoever asked meanwhile is answered by the next count.
    this.filter(asked_at=asked.asked_at).update(asked_at=None)


def _of(kind: str) -> Kind:
    try:
        return _kinds[kind]
    except KeyError:
        raise UnknownKind from None


def _nudge() -> None:
    current_app.send_task("contacts.count_asked", retry=False)
