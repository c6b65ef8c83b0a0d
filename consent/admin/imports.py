"""Imports to look at: the report of each file, and the rows that were refused with their reasons."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from consent.models import ImportBatch, RefusedRow
from contacts.admin.lists import BigList, ReadOnly
from contacts.admin.names import may_see_identities

STATE_COLORS = {"finished": "success", "failed": "danger", "running": "info", "draft": "warning"}


@admin.register(ImportBatch)
class ImportBatchAdmin(ReadOnly, BigList):
    list_display = ("name", "progress", "contacts", "grants", "stops", "refused", "created_at")
    list_filter = (("state", ChoicesDropdownFilter),)
    fieldsets: tuple[Any, ...] = (
        (
            None,
            {
                "fields": (
                    "name",
                    "state",
                    "failure",
                    "source",
                    "staff",
                    "created_at",
                    "finished_at",
                )
            },
        ),
        (_("Report"), {"fields": ("contacts", "grants", "stops", "refused", "refused_rows")}),
        (_("File"), {"fields": ("file_digest", "mapping", "next_line")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [name for _title, part in self.fieldsets for name in part["fields"]]

    @display(description=_("state"), label=STATE_COLORS)
    def progress(self, batch: ImportBatch) -> tuple[str, str]:
        return batch.state, batch.get_state_display()

    @display(description=_("refused rows"))
    def refused_rows(self, batch: ImportBatch) -> str:
        url = reverse("admin:consent_refusedrow_changelist")
        return format_html('<a href="{}?batch__id__exact={}">{}</a>', url, batch.pk, _("Show them"))


@admin.register(RefusedRow)
class RefusedRowAdmin(ReadOnly, BigList):
    list_display = ("line", "reason", "batch")
    list_select_related = ("batch",)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        return lookup == "batch__id__exact" or bool(super().lookup_allowed(lookup, value, request))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        shown = ("batch", "line", "reason")
        return (*shown, "row") if may_see_identities(request) else shown
