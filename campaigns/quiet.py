"""Quiet hours on each person's own clock."""

from datetime import datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo


def wait(now: datetime, *, start: time, end: time, timezone: str, fallback: str) -> timedelta:
    """How long a message waits at `now` for the end of the quiet hours; zero outside of them.

    `start` after `end` is a night. An unknown `timezone` counts as `fallback`.
    """
    local = now.astimezone(zone(timezone) or zone(fallback) or ZoneInfo("UTC"))
    clock = local.time()
    is_night = start > end
    if not (clock >= start or clock < end if is_night else start <= clock < end):
        return timedelta(0)
    day = local.date() + timedelta(days=is_night and clock >= start)
    return datetime.combine(day, end, local.tzinfo) - now


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo | None:
    """The time zone of an IANA name, if there is one."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError
        return None
