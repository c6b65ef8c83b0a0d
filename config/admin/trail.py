"""The audit trail to read: who did what to which object, when, from where."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    DropdownFilter,
    FieldTextFilter,
    RangeDateTimeFilter,
)
from unfold.decorators import display
from unfold.utils import parse_datetime_str

from config.models import AuditEntry
from config.watch import WATCHED
from contacts.admin.lists import BigList, ReadOnly
from contacts.models import IdentityView

COLORS = {
    "added": "success",
    "changed": "info",
    "removed": "warning",
    "viewed": "primary",
    "exported": "primary",
    "signed_in": "default",
    "signed_out": "default",
    "sign_in_failed": "danger",
    "refused": "danger",
}


class StaffFilter(DropdownFilter):
    title = _("who")
    parameter_name = "staff"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(pk), name) for pk, name in User.objects.values_list("pk", "username")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(staff_id=value) if value and value.isdecimal() else queryset


class ObjectFilter(DropdownFilter):
    title = _("kind of object")
    parameter_name = "object_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        kinds = {watched.of or watched.model.lower() for watched in WATCHED}
        named = ((kind, _kind(kind)) for kind in kinds | {"contacts.identity"})
        return sorted(named, key=lambda kind: kind[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(object_type=self.value()) if self.value() else queryset


class MomentFilter(RangeDateTimeFilter):
    """From and until a moment, on the desk's own clock: the theme's filter forgets which clock is meant."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        for lookup, end in (("gte", "from"), ("lte", "to")):
            names = (f"{self.parameter_name}_{end}_{part}" for part in (0, 1))
            written = " ".join(self.used_parameters.get(name) or "" for name in names)
            if moment := parse_datetime_str(written):
                bound = timezone.make_aware(moment)
                queryset = queryset.filter(**{f"{self.parameter_name}__{lookup}": bound})
        return queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnly, BigList):
    list_display = ("happened_at", "who", "did", "what", "told", "address")
    list_filter = (
        ("action", ChoicesDropdownFilter),
        StaffFilter,
        ObjectFilter,
        ("object_id", FieldTextFilter),
        ("address", FieldTextFilter),
        ("happened_at", MomentFilter),
    )
    list_filter_submit = True
    fields = ("happened_at", "who", "action", "what", "told", "door", "address", "reason")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset(request)
        return found.select_related("staff")  # an account that is gone is none here, not an error

    @display(description=_("who"))
    def who(self, entry: AuditEntry) -> Any:
        if entry.staff_id is None:
            return _("nobody signed in") if entry.door else _("the system")
        return entry.staff.get_username() if entry.staff else f"#{entry.staff_id}"

    @display(description=_("did"), label=COLORS)
    def did(self, entry: AuditEntry) -> tuple[str, str]:
        return entry.action, entry.get_action_display()

    @display(description=_("what"))
    def what(self, entry: AuditEntry) -> str:
        place = f"{_kind(entry.object_type)} {entry.object_id}".strip()
        return f"{place} · {entry.part}" if entry.part else place

    @display(description=_("details"))
    def told(self, entry: AuditEntry) -> str:
        return format_html_join("; ", "{}", ((line,) for line in _lines(entry))) or "-"

    @display(description=_("reason"))
    def reason(self, entry: AuditEntry) -> str:
        """Beside the trail, because it may name the person: erased with them."""
        if entry.object_type != "contacts.identityview" or not entry.object_id.isdecimal():
            return "-"
        view = IdentityView.objects.filter(pk=int(entry.object_id)).first()
        return view.reason if view else "-"


def _kind(object_type: str) -> str:
    """What the desk calls it; something that is no model any more keeps the name it was noted by."""
    try:
        return capfirst(str(apps.get_model(object_type)._meta.verbose_name))
    except (LookupError, ValueError):
        return object_type


def _lines(entry: AuditEntry) -> Iterator[str]:
    for column, values in sorted(entry.details.items()):
        if not isinstance(values, list):
            yield column if values is None else f"{column}: {values}"
            continue
        before, after = (_shown(column, value) for value in values)
        yield (
            f"{column}: {before} → {after}"
            if entry.action == "changed"
            else (f"{column}: {after if entry.action == 'added' else before}")
        )


def _shown(column: str, value: Any) -> str:
    if column == "group_id" and value is not None:
        return Group.objects.filter(pk=value).values_list("name", flat=True).first() or f"#{value}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "-" if value is None else str(value)
