"""What entries of the audit trail say, in words: labels for columns, names for codes and for keys."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Permission
from django.db.models import DateField, Field, ForeignKey, Model
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.models import AuditEntry
from config.watch import WATCHED
from contacts import languages

# As the trail has them for good, and as people read them.
PARTS = {
    "address": _("address"),
    "content": _("content"),
    "email": _("email"),
    "identity": _("identity"),
    "permission": _("permission"),
    "retention": _("retention"),
    "role": _("role"),
    "second factor": _("second factor"),
    "tag": _("tag"),
}
NOTED = {
    "before": _("older than"),
    "entries": _("entries"),
    "people": _("people"),
    "purpose": _("purpose"),
    "since": _("since"),
    "token": _("API token"),
}
DOORS = {"admin:": _("desk"), "api:": _("API"), "account_": _("sign-in"), "mfa_": _("sign-in")}

Key = tuple[type[Model], str, Any]


def kind(object_type: str) -> str:
    """What the desk calls it; something that is no model any more keeps the name it was noted by."""
    model = _model(object_type)
    return capfirst(str(model._meta.verbose_name)) if model else object_type


def door(name: str) -> str:
    """Which door, and its name within: `desk (contacts_contact_change)`."""
    for beginning, said in DOORS.items():
        if name.startswith(beginning):
            return f"{said} ({name.removeprefix(beginning)})"
    return name


class Words:
    """The words of some entries, looked up for all of them at once."""

    def __init__(self, entries: Iterable[AuditEntry]) -> None:
        self._names = _names({key for entry in entries for key in _keys(entry)})

    def what(self, entry: AuditEntry) -> str:
        """The object by its name, as far as it is still there, and the part of it."""
        said = f"{kind(entry.object_type)} {entry.object_id}".strip()
        name = self._names.get(_object(entry))
        if name and entry.object_id not in name:
            said = f"{kind(entry.object_type)} {name} (#{entry.object_id})"
        return f"{said} · {PARTS.get(entry.part, entry.part)}" if entry.part else said

    def lines(self, entry: AuditEntry) -> Iterator[str]:
        """What changed, a line each."""
        columns = _columns(entry)
        told = [
            (_label(column, columns.get(column)), columns.get(column), values)
            for column, values in entry.details.items()
        ]
        for label, field, values in sorted(told, key=lambda each: each[0]):
            if values is None:
                yield label
                continue
            if not isinstance(values, list):
                said = _shown(values)
            elif entry.action == "changed":
                said = " → ".join(self._value(field, value) for value in values)
            else:
                said = self._value(field, values[entry.action != "removed"])
            yield gettext("%(label)s: %(value)s") % {"label": label, "value": said}

    def _value(self, field: "Field[Any, Any] | None", value: Any) -> str:
        if isinstance(field, ForeignKey) and value is not None:
            return self._names.get(_referred(field, value), f"#{value}")
        if field is not None and field.choices and isinstance(value, str):
            return str(dict(field.flatchoices).get(value, value))
        if field is not None and field.name == "language" and value:
            return languages.name_of(str(value))
        if isinstance(field, DateField):
            return _moment(value)
        return _shown(value)


def _model(label: str) -> type[Model] | None:
    try:
        return apps.get_model(label)
    except (LookupError, ValueError):
        return None


@cache
def _columns_of(object_type: str, part: str) -> Mapping[str, "Field[Any, Any]"]:
    for watched in WATCHED:
        if ((watched.of or watched.model.lower()), watched.part) == (object_type, part):
            app_label, model_name, *many = watched.model.split(".")
            model: Any = apps.get_model(app_label, model_name)
            if many:
                model = model._meta.get_field(many[0]).remote_field.through
            return {field.column: field for field in model._meta.concrete_fields}
    return {}


def _columns(entry: AuditEntry) -> Mapping[str, "Field[Any, Any]"]:
    return _columns_of(entry.object_type, entry.part)


def _label(column: str, field: "Field[Any, Any] | None") -> str:
    if field is None:
        return capfirst(str(NOTED.get(column, column)))
    name: Any = field.verbose_name
    if isinstance(field, ForeignKey) and name == field.name.replace("_", " "):
        name = field.related_model._meta.verbose_name  # nobody gave it a name of its own
    return capfirst(str(name))


def _keys(entry: AuditEntry) -> Iterator[Key]:
    """What an entry names by a key: its object, and what its columns refer to."""
    if (key := _object(entry))[2] is not None:
        yield key
    columns = _columns(entry)
    for column, values in entry.details.items():
        field = columns.get(column)
        if isinstance(field, ForeignKey) and isinstance(values, list):
            yield from (_referred(field, value) for value in values if value is not None)


def _object(entry: AuditEntry) -> Key:
    model = _model(entry.object_type)
    is_key = model is not None and entry.object_id.isdecimal() and len(entry.object_id) < 19
    return (model or AuditEntry, "pk", int(entry.object_id) if is_key else None)


def _referred(field: "ForeignKey[Any, Any]", value: Any) -> Key:
    return (field.related_model, field.target_field.attname, value)


def _names(keys: Iterable[Key]) -> dict[Key, str]:
    """One query for each kind of thing."""
    wanted = defaultdict(set)
    for model, column, value in keys:
        wanted[model, column].add(value)
    return {
        (model, column, getattr(found, column)): _name(found)
        for (model, column), values in wanted.items()
        for found in model._default_manager.select_related().filter(**{f"{column}__in": values})
    }


def _name(thing: Model) -> str:
    return gettext(thing.name) if isinstance(thing, Permission) else str(thing)


def _moment(value: Any) -> str:
    text = str(value or "")
    if moment := parse_datetime(text):
        local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
        return date_format(local, "SHORT_DATETIME_FORMAT")
    day = parse_date(text)
    return date_format(day, "SHORT_DATE_FORMAT") if day else _shown(value)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return gettext("Yes") if value else gettext("No")
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "-" if value in (None, "") else str(value)
