"""Who holds personal data: every table of this project is held by somebody, or said to be impersonal.

A holder exports and erases what its tables keep about one person. A test looks at all models, so that a
new table cannot be forgotten.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from contacts.models import Contact


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is held, in words to the person themselves; `note` says why or when, if anything."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its lines."""

    name: str
    lines: list[Line]


class Cause(models.TextChoices):
    """Why something may not be kept any more."""

    EXPIRED = "expired", _("kept long enough")
    NOT_PERMITTED = "not_permitted", _("this use of data is not permitted")
    NOT_REGISTERED = "not_registered", _("no registered field")
    NOT_A_CHOICE = "not_a_choice", _("no choice of its field")


@dataclass(frozen=True, slots=True)
class Overdue:
    """What lost its reason: `people` counts whose it is, `erase` erases it and returns that count."""

    key: str
    label: str
    cause: Cause
    people: Callable[[], int]
    erase: Callable[[], int]


def _nothing_told(_contact: Contact) -> list[Section]:
    return []


def _nothing_overdue() -> list[Overdue]:
    return []


def _nothing_recorded() -> list[Mapping[str, str]]:
    return []


@dataclass(frozen=True, slots=True)
class Holder:
    """`kept` says of each table, by model label like `contacts.Contact`, how long its rows are kept.

    `export` gives plain values (texts, numbers, lists, mappings) under the holder's name; `erase` returns
    the rows it touched by table, in the transaction of the erasure; `tell` says it to the person in words,
    bounded however much there is; `overdue` names what the job of retention looks for; `record` gives the
    rows of the record of processing for what is kept only where it is switched on.
    """

    name: str
    kept: Callable[[], Mapping[str, str]]
    export: Callable[[Contact], Any]
    erase: Callable[[Contact], Mapping[str, int]]
    tell: Callable[[Contact], list[Section]] = _nothing_told
    overdue: Callable[[], list[Overdue]] = _nothing_overdue
    record: Callable[[], list[Mapping[str, str]]] = _nothing_recorded

    @property
    def tables(self) -> frozenset[str]:
        return frozenset(self.kept())


_holders: dict[str, Holder] = {}
_impersonal: set[str] = set()


def register(holder: Holder) -> None:
    """Add a holder. Erasure asks those registered last first: higher apps before lower ones."""
    _holders[holder.name] = holder


def declare_impersonal(*tables: str) -> None:
    """These tables say nothing about a contact."""
    _impersonal.update(tables)


def registered() -> list[Holder]:
    return list(_holders.values())


def unaccounted() -> set[str]:
    """The tables of this project that nobody holds and nobody declared impersonal."""
    held = {table for holder in _holders.values() for table in holder.tables}
    own = {
        model._meta.label
        for app in apps.get_app_configs()
        if Path(app.path).parent == settings.BASE_DIR  # a virtual environment may lie below it
        for model in app.get_models(include_auto_created=True)
    }
    return own - held - _impersonal
