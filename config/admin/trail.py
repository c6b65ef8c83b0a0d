"""The audit trail to read: who did what to which object, when, from where."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    ChoicesDropdownFilter,
    DropdownFilter,
    FieldTextFilter,
    RangeDateTimeFilter,
)
from unfold.decorators import display
from unfold.utils import parse_datetime_str

from config.admin import trail_words
from config.models import AuditEntry
from config.watch import WATCHED
from contacts.admin.lists import BigList, KeysetChangeList, ReadOnly
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
        named = ((kind, trail_words.kind(kind)) for kind in kinds | {"contacts.identity"})
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


class Trail(KeysetChangeList):
    """A page of entries, with what they name by a key looked up for all of them at once."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        words = trail_words.Words(self.result_list)
        for entry in self.result_list:
            entry.words = words


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
    fields = ("happened_at", "who", "action", "what", "told", "through", "address", "reason")
    readonly_fields = fields

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return Trail

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
        return _words(entry).what(entry)

    @display(description=_("details"))
    def told(self, entry: AuditEntry) -> str:
        lines = _words(entry).lines(entry)
        return format_html_join("; ", "{}", ((line,) for line in lines)) or "-"

    @display(description=_("through"))
    def through(self, entry: AuditEntry) -> str:
        return trail_words.door(entry.door) or "-"

    @display(description=_("reason"))
    def reason(self, entry: AuditEntry) -> str:
        """Beside the trail, because it may name the person: erased with them."""
        if entry.object_type != "contacts.identityview" or not entry.object_id.isdecimal():
            return "-"
        view = IdentityView.objects.filter(pk=int(entry.object_id)).first()
        return view.reason if view else "-"


def _words(entry: AuditEntry) -> trail_words.Words:
    """Those of its page; an entry that stands alone has its own."""
    known: trail_words.Words | None = getattr(entry, "words", None)
    return known or trail_words.Words([entry])
