"""Registered fields: what may be kept about a person, in which form; nothing else gets in."""

import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from functools import lru_cache

from django.db.models.functions import Now
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from contacts.models import DataField, Segment, Sentence
from contacts.segments import fields_of

Type = DataField.Type
Value = str | int | float | bool | list[str]

LONGEST_TEXT = 1000
LONGEST_LIST = 100
UNUSED_AFTER = timedelta(days=365)
# The vault's names, which a message may greet with.
NAMES = frozenset({"first_name", "last_name"})

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_YES = frozenset({"yes", "y", "true", "t", "1", "on", "oui", "vrai"})
_NO = frozenset({"no", "n", "false", "f", "0", "off", "non", "faux"})
_DATES = ("%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y", "%Y/%m/%d")
_DAY_AND_HOUR = re.compile(r"(\S+?)(?:[T ]\d.*)?")


class FieldError(ValueError):
    """This cannot be kept in this field."""

    def __init__(self, message: Sentence | str = "") -> None:
        super().__init__(message or Sentence(str(self.__doc__)))


class FieldNotRegistered(FieldError):
    """Only registered fields can be kept."""


def registered() -> dict[str, DataField]:
    """The fields in use by key."""
    return {field.key: field for field in DataField.objects.in_use()}


def template_names() -> frozenset[str]:
    """What a message may say about a person: the names of the vault and every field in use."""
    return NAMES | frozenset(DataField.objects.in_use().values_list("key", flat=True))


def clean_attributes(
    given: Mapping[str, object], *, fields: Mapping[str, DataField] | None = None
) -> dict[str, Value]:
    """The given attributes in their registered form; empty ones are left out.

    Raises `FieldNotRegistered` and `FieldError` with a sentence that names the field.
    """
    fields = registered() if fields is None else fields
    cleaned: dict[str, Value] = {}
    for key, value in given.items():
        if key not in fields:
            raise FieldNotRegistered(
                Sentence("There is no registered field “%(key)s”.") % {"key": key[:60]}
            )
        if value not in (None, "", []):
            cleaned[key] = clean(fields[key], value)
    return cleaned


def clean(field: DataField, value: object) -> Value:
    """One value in its registered form: text also from files, as people write it.

    Numbers come out as int where they are whole, dates as ISO 8601 text. Raises `FieldError`.
    """
    if isinstance(value, str):
        value = value.strip()
    cleaned = _CLEAN[field.type](field, value)
    if cleaned is None:
        raise FieldError(
            Sentence("“%(value)s” does not fit the field “%(field)s” (%(type)s).")
            % {"value": str(value)[:60], "field": field.label, "type": Type(field.type).label}
        )
    return cleaned


def shown(field: DataField, value: Value) -> str:
    """A value as people read it."""
    if isinstance(value, bool):
        return str(_("Yes") if value else _("No"))
    if isinstance(value, list):
        return ", ".join(field.choice_text(item) for item in value)
    if field.type == Type.CHOICE:
        return field.choice_text(str(value))
    if field.type == Type.DATE:
        return date_format(date.fromisoformat(str(value)), "DATE_FORMAT")
    return str(value)


def _text(_field: DataField, value: object) -> str | None:
    fits = isinstance(value, str) and len(value) <= LONGEST_TEXT and _is_text(value)
    return str(value) if fits and value else None


def _is_text(value: str) -> bool:
    """PostgreSQL takes no zero, and no half of a surrogate pair, which JSON can spell."""
    return "\x00" not in value and not _SURROGATE.search(value)


def _number(_field: DataField, value: object) -> int | float | None:
    if isinstance(value, str):
        return _parsed_number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _whole(value) if abs(value) <= sys.float_info.max else None


@lru_cache(maxsize=4096)
def _parsed_number(text: str) -> int | float | None:
    text = text.replace("\u00a0", "").replace("\u202f", "").replace(" ", "")
    if "," in text:
        text = text.replace(",", "") if "." in text else text.replace(",", ".", 1)
    try:
        number = float(text) if len(text) < 40 and "_" not in text else math.nan
    except ValueError:
        return None
    return _whole(number) if math.isfinite(number) else None


def _whole(number: float) -> int | float:
    return int(number) if number == int(number) and abs(number) < 2**53 else number


def _date(_field: DataField, value: object) -> str | None:
    if isinstance(value, datetime):
        value = value.date()
    if isinstance(value, date):
        return value.isoformat()
    return _parsed_date(value) if isinstance(value, str) else None


@lru_cache(maxsize=4096)
def _parsed_date(text: str) -> str | None:
    if not (found := _DAY_AND_HOUR.fullmatch(text)):
        return None
    for form in _DATES:
        try:
            return datetime.strptime(found[1], form).date().isoformat()  # noqa: DTZ007 - a day
        except ValueError:
            continue
    return None


def _choice(field: DataField, value: object) -> str | None:
    return value if isinstance(value, str) and value in field.choices else None


def _yes_no(_field: DataField, value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    word = str(value).lower()
    return True if word in _YES else False if word in _NO else None


def _list(field: DataField, value: object) -> list[str] | None:
    if isinstance(value, str):
        value = _parsed_list(value)
    if not isinstance(value, Iterable) or isinstance(value, Mapping | bytes):
        return None
    given = list(value)
    if not all(_text(field, item) for item in given):
        return None
    items = list(dict.fromkeys(given))
    fits = len(items) <= LONGEST_LIST and (
        not field.choices or all(item in field.choices for item in items)
    )
    return items if fits and items else None


def _parsed_list(text: str) -> list[str]:
    if text.startswith("["):
        try:
            items = json.loads(text)
        except ValueError:
            items = []
        return items if isinstance(items, list) else []
    separator = next((mark for mark in ("|", ";", ",") if mark in text), ",")
    return [item.strip() for item in text.split(separator) if item.strip()]


_CLEAN: dict[str, Callable[[DataField, object], Value | None]] = {
    Type.TEXT: _text,
    Type.NUMBER: _number,
    Type.DATE: _date,
    Type.CHOICE: _choice,
    Type.YES_NO: _yes_no,
    Type.LIST: _list,
}


def note_use_in_segment(keys: Iterable[str]) -> None:
    DataField.objects.filter(key__in=list(keys)).update(used_in_segment_at=Now())


def note_use_in_template(keys: Iterable[str]) -> None:
    DataField.objects.filter(key__in=list(keys)).update(used_in_template_at=Now())


def note_use_in_import(keys: Iterable[str]) -> None:
    DataField.objects.filter(key__in=list(keys)).update(used_in_import_at=Now())


def unused() -> list[DataField]:
    """Fields that no segment or sign-up asks, and no message or import named for a year: to be dropped."""
    in_segments = {
        key for rule in Segment.objects.values_list("rule", flat=True) for key in fields_of(rule)
    }
    limit = timezone.now() - UNUSED_AFTER
    old = DataField.objects.in_use().filter(created_at__lt=limit, is_asked_at_sign_up=False)
    return [
        field
        for field in old.order_by("key")
        if field.key not in in_segments
        and not any(used_at and used_at > limit for used_at in field.uses)
    ]
