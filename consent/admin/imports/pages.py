"""The list of imports with their reports, and of the rows that were refused with their reasons."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from consent.admin.imports import report, samples, wizard
from consent.models import ImportBatch, RefusedRow
from contacts.admin import acts
from contacts.admin.lists import BigList, ReadOnly, figure

STATE_COLORS = {"finished": "success", "failed": "danger", "running": "info", "draft": "warning"}


@admin.register(ImportBatch)
class ImportBatchAdmin(ReadOnly, BigList):
    empty_text = _(
        "Bring the people you have, with what they said: each yes with its date, its source and "
        "the words shown."
    )
    list_display = (
        "name",
        "progress",
        figure("contacts", _("new contacts")),
        figure("grants", _("grants")),
        figure("stops", _("stops")),
        figure("refused", _("refused rows")),
        "created_at",
    )
    list_filter = (("state", ChoicesDropdownFilter),)

    def get_custom_urls(self) -> tuple[Any, ...]:
        pages = {
            "columns": wizard.choose_columns,
            "preview": wizard.preview,
            "run": wizard.run,
            "stop": wizard.stop,
            "discard": wizard.discard,
            "progress": report.show_progress,
            "refused": report.download,
            "rows": report.ask_reason,
            "evidence": report.download_evidence,
        }
        return tuple(
            (f"<int:object_id>/{name}/", f"consent_importbatch_{name}", page)
            for name, page in pages.items()
        )

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return wizard.may_import(request)

    # Whoever may import follows what becomes of it.
    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return wizard.may_import(request) or bool(super().has_view_permission(request, obj))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        if not wizard.may_import(request):
            raise PermissionDenied
        return wizard.upload(self, request)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        return report.show(self, request, acts.load(self, request, object_id))

    @display(description=_("state"), label=STATE_COLORS)
    def progress(self, batch: ImportBatch) -> tuple[str, str]:
        return batch.state, batch.get_state_display()


@admin.register(RefusedRow)
class RefusedRowAdmin(ReadOnly, BigList):
    empty_text = _("Rows that an import could not take in, each with its line and the reason.")
    list_display = ("line", "why", "batch")
    list_select_related = ("batch",)
    linked_lookups = frozenset({"batch__id__exact"})

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("batch", "line", "why")  # the row itself is taken out with a reason, as a file

    @display(description=_("reason"))
    def why(self, row: RefusedRow) -> str:
        return samples.mask_reason(row.reason)
