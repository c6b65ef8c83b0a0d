"""The record of processing activities (GDPR art. 30): a page to print, and the same as CSV and JSON."""

import json

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from contacts import parties, processing
from contacts.admin import acts


def show_record(request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse:
    _check(request, model_admin)
    return acts.show(
        model_admin,
        request,
        None,
        "admin/contacts/record.html",
        title=_("Record of processing activities"),
        record=processing.whole(),
        recipients=parties.recipients(),
        missing=processing.missing(),
        now=timezone.now(),
    )


def download(request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse:
    """`?as=csv` has a row for each kind of data; else the whole record as JSON."""
    _check(request, model_admin)
    if request.GET.get("as") == "csv":
        return _file(processing.csv_table(), "csv", "text/csv")
    text = json.dumps(processing.whole(), ensure_ascii=False, indent=2)
    return _file(text, "json", "application/json")


def _check(request: HttpRequest, page: ModelAdmin) -> None:
    if not page.has_view_permission(request):
        raise PermissionDenied


def _file(text: str, ending: str, kind: str) -> HttpResponse:
    name = f"processing-{timezone.localdate().isoformat()}.{ending}"
    return HttpResponse(
        text,
        content_type=f"{kind}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
