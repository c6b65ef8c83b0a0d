"""How a count of people splits, as the apps above know it: by what they permit, for one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.db.models import QuerySet
from django.utils.functional import Promise

from contacts.models import Contact


@dataclass(frozen=True, slots=True)
class Part:
    """One line beneath a count: how many of those people this is true of. The first line is the yes."""

    words: str | Promise
    count: int
    is_yes: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """The parts of a count for one of the `questions` (key and label) that can be asked of it."""

    questions: Sequence[tuple[str, str]] = ()
    asked: str = ""
    parts: Sequence[Part] = field(default=())
    is_estimate: bool = False


Source = Callable[["QuerySet[Contact]", str, int, bool], Split]

_sources: list[Source] = []


def register(source: Source) -> None:
    """Set what splits counts: given the people, the key asked, their number, whether to be exact."""
    _sources[:] = [source]


def of(people: "QuerySet[Contact]", *, asked: str, total: int, exactly: bool) -> Split:
    return _sources[0](people, asked, total, exactly) if _sources else Split()
