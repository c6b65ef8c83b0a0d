"""How a count of people splits, as the apps above know it: by permission, for one."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.functional import Promise

from contacts.models import Contact


@dataclass(frozen=True, slots=True)
class Split:
    """One line beneath a count: how many of those people this is true of."""

    words: str | Promise
    count: int


Source = Callable[["QuerySet[Contact]"], Iterable[Split]]

_sources: list[Source] = []


def register(source: Source) -> None:
    """Add a source of lines; each is one query over the people given."""
    if source not in _sources:
        _sources.append(source)


def of(people: "QuerySet[Contact]") -> list[Split]:
    return [split for source in _sources for split in source(people)]
