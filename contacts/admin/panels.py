"""Panels of the contact page: what the apps above know of a person, each offered by its own app."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest
from django.utils.functional import Promise

from contacts.models import Contact


@dataclass(frozen=True, slots=True)
class Panel:
    """A titled part of the page; `template` is rendered with `context`, `request` and the contact."""

    title: str | Promise
    template: str
    context: Mapping[str, Any] = field(default_factory=dict)


Source = Callable[[HttpRequest, Contact], Panel | None]

_sources: list[tuple[int, Source]] = []


def register(source: Source, *, position: int) -> None:
    """Add a panel; `source` returns None where the staff member may not see it."""
    if all(known is not source for _, known in _sources):
        _sources.append((position, source))
        _sources.sort(key=lambda entry: entry[0])


def panels_of(request: HttpRequest, contact: Contact) -> list[Panel]:
    return [panel for _, source in _sources if (panel := source(request, contact))]
