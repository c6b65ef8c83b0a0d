"""What moment a cell means: ISO 8601, and dates as spreadsheets, programs and people write them."""

import re
from datetime import MAXYEAR, UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from django.utils.timezone import now

from consent.imports.errors import RowRefused
from consent.imports.mapping import plain
from contacts.models import Sentence

LONGEST = 80
_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan janvier janv",
            "february feb fevrier fevr fev",
            "march mar mars",
            "april apr avril avr",
            "may mai",
            "june jun juin",
            "july jul juillet juil",
            "august aug aout",
            "september sept sep septembre",
            "october oct octobre",
            "november nov novembre",
            "december dec decembre",
        ),
        start=1,
    )
    for name in names.split()
}
_YEAR_FIRST = re.compile(r"(?P<year>\d{4})([/.-])(?P<month>\d{1,2})\2(?P<day>\d{1,2})")
# With hyphens, 24-05-06 begins with its year, or does not.
_YEAR_LAST = re.compile(
    r"(?P<one>\d{1,2})(?P<mark>[/.-])(?P<two>\d{1,2})(?P=mark)(?P<year>\d{4}|(?<!-)\d{2})"
)
_DAY_THEN_MONTH = re.compile(
    r"(?:[^\W\d]+\.?,? )?(?P<day>\d{1,2})(?:st|nd|rd|th|er)?[ -](?P<month>[^\W\d]+)\.?,?[ -](?P<year>\d{4})"
)
_MONTH_THEN_DAY = re.compile(
    r"(?:[^\W\d]+\.?,? )?(?P<month>[^\W\d]+)\.? (?P<day>\d{1,2})(?:st|nd|rd|th)?,? (?P<year>\d{4})"
)
# Go: 10:11:12.123 +0000 UTC; JavaScript: 10:11:12 GMT+0200 (CEST); Excel: 10:11 AM.
_CLOCK = re.compile(
    r",?[ T]+(?:at |à )?(?P<hour>\d{1,2})[:h](?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"(?: ?(?P<half>[ap])\.?m\.?)?"
    r" ?(?P<zone>(?:UTC|GMT|Z)?(?:(?P<ahead>[+-]\d{2}):?(?P<minutes>\d{2})?(?: [A-Z]+| \(.*\))?)?)\Z",
    re.IGNORECASE,
)


@lru_cache(maxsize=65_536)
def moment(text: str, day_first: bool | None = None) -> datetime:
    """A date or time; without a zone it is UTC.

    Raises `RowRefused` for anything else, and for 03/04/2025 where nothing says which is the day.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = _otherwise(text, day_first)
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    # The last hours of year 9999 have no time in UTC.
    if not 1900 <= at.year < MAXYEAR:
        raise RowRefused(Sentence("The date “%s” is not one.") % text[:40])
    return at if at.tzinfo is UTC else at.astimezone(UTC)


def is_moment(text: str) -> bool:
    """Whether this is a date, though perhaps one that can be read in two ways."""
    try:
        return bool(moment(text, day_first=True))
    except RowRefused:
        return False


def latest_moment() -> datetime:
    """A date is that of the person's own time zone, so today has begun somewhere else."""
    return now() + timedelta(days=1)


def _otherwise(text: str, day_first: bool | None) -> datetime:
    clock = _CLOCK.search(text) if len(text) <= LONGEST else None
    year, month, day = _day(text[: clock.start()] if clock else text, text, day_first)
    try:
        at = datetime(year, month, day, tzinfo=UTC)
        return at.replace(**_time(clock), tzinfo=_zone(clock)) if clock else at
    except ValueError:
        raise RowRefused(Sentence("The date “%s” is not one.") % text[:40]) from None


def _day(words: str, text: str, day_first: bool | None) -> tuple[int, int, int]:
    if len(text) > LONGEST:
        raise _not_one(text)
    if found := _YEAR_FIRST.fullmatch(words):
        return int(found["year"]), int(found["month"]), int(found["day"])
    if found := _YEAR_LAST.fullmatch(words):
        month, day = _month_and_day(found, text, day_first)
        return int(found["year"]) + (2000 if len(found["year"]) == 2 else 0), month, day
    found = _DAY_THEN_MONTH.fullmatch(words) or _MONTH_THEN_DAY.fullmatch(words)
    if found is None or (named := _MONTHS.get(plain(found["month"]))) is None:
        raise _not_one(text)
    return int(found["year"]), named, int(found["day"])


def _month_and_day(found: re.Match[str], text: str, day_first: bool | None) -> tuple[int, int]:
    one, two = int(found["one"]), int(found["two"])
    if one > 12 or found["mark"] == ".":
        day_first = True
    elif two > 12:
        day_first = False
    if day_first is None and one != two:
        raise RowRefused(Sentence("The date “%s” can be read in two ways.") % text[:40])
    return (one, two) if day_first is False else (two, one)


def _time(clock: re.Match[str]) -> dict[str, int]:
    hour = int(clock["hour"])
    if half := clock["half"]:
        hour = hour % 12 + 12 * (half.lower() == "p")
    return {"hour": hour, "minute": int(clock["minute"]), "second": int(clock["second"] or 0)}


def _zone(clock: re.Match[str]) -> tzinfo:
    if not clock["ahead"]:
        return UTC
    minutes = int(clock["ahead"][0] + (clock["minutes"] or "0"))
    return timezone(timedelta(hours=int(clock["ahead"]), minutes=minutes))


def _not_one(text: str) -> RowRefused:
    return RowRefused(Sentence("The date “%s” is not one; write it like 2025-03-31.") % text[:40])
