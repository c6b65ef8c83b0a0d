"""What became of a file: live while it is imported, then for good, with the rows that were refused."""

import io
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from defusedcsv import csv
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.forms import CharField, Form
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils.dateparse import parse_date
from django.utils.formats import date_format
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextInputWidget

from consent import uploads
from consent.admin.imports import forms, samples, wizard
from consent.imports import encodings, values
from consent.models import ImportBatch, ImportEvidence, Topic
from contacts import services as contacts
from contacts.admin import acts
from contacts.admin.names import VIEW_IDENTITY
from contacts.models import StaticList

State = ImportBatch.State
EXPORT = "contacts.export_identities"
VIEW_REFUSED = "consent.view_refusedrow"
SHOWN_REASONS = 20
ROWS_AT_ONCE = 1000
BYTE_ORDER_MARK = "\ufeff"


class ReasonForm(Form):
    reason = CharField(
        label=gettext_lazy("Why do you need the rows themselves?"),
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy(
            "They name people: that you took them out is noted, with this reason."
        ),
    )


def show(page: ModelAdmin, request: HttpRequest, batch: ImportBatch) -> HttpResponse:
    """The report; a draft goes on where it is."""
    _check_view(page, request)
    is_open = batch.state == State.DRAFT and batch.is_upload
    if is_open and wizard.may_import(request) and samples.is_there(batch):
        return redirect(acts.url_of(page, batch, "columns"))
    template = "admin/consent/imports/report.html"
    return wizard.show(page, request, batch, "change", template, **_facts(request, batch))


def show_progress(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    """The part of the report that is looked at again every two seconds while the file is imported."""
    _check_view(model_admin, request)
    batch = acts.load(model_admin, request, str(object_id))
    context = {"batch": batch, **_facts(request, batch)}
    return TemplateResponse(request, "admin/consent/imports/progress.html", context)


def _check_view(page: ModelAdmin, request: HttpRequest) -> None:
    if not page.has_view_permission(request):
        raise PermissionDenied


def _facts(request: HttpRequest, batch: ImportBatch) -> dict[str, Any]:
    is_over = batch.state in {State.FINISHED, State.FAILED}
    return {
        "counts": [(words, getattr(batch, name)) for name, words in wizard.COUNTS.items()],
        "percent": percent(batch),
        "failure": samples.mask(str(batch.failure)),
        "took": batch.finished_at - batch.created_at if batch.finished_at else None,
        "reasons": _reasons(batch) if is_over and batch.refused else [],
        "refused_until": uploads.refused_until(batch) if is_over else None,
        "are_refused_erased": is_over and batch.refused and not batch.refused_rows.exists(),
        "may_steer": batch.is_upload and wizard.may_import(request),
        "may_download": wizard.may_import(request) or request.user.has_perm(VIEW_REFUSED),
        "may_export": _may_export(request),
        "read_as": encodings.name_of(batch.encoding),
        "declared": declared_of(batch),
        "evidence": wizard.evidence_of(batch),
    }


def percent(batch: ImportBatch) -> int:
    """How much of the file is behind the import, in percent of its lines."""
    if batch.state == State.FINISHED:
        return 100
    return min(99, 100 * max(batch.next_line - 2, 0) // max(batch.lines - 1, 1))


def declared_of(batch: ImportBatch) -> list[tuple[str, Any]]:
    """What staff declared of the whole file, in words."""
    words = {
        "channel": _("Channel"),
        "status": _("Status"),
        "occurred_at": _("When they said yes"),
        "wording": _("The words they were shown"),
        "tag": _("Tag"),
    }
    said = [
        (words[key], _in_words(key, str(batch.declared[key])))
        for key in words
        if batch.declared.get(key)
    ]
    topic = Topic.objects.filter(key=batch.declared.get("topic") or "").first()
    listed = StaticList.objects.filter(pk=batch.declared.get("list") or 0).first()
    return [
        *([(_("Topic"), topic.name)] if topic else []),
        *([(_("Where they said yes"), batch.source)] if batch.source else []),
        *said,
        *([(_("List"), listed.name)] if listed else []),
    ]


def _in_words(key: str, said: str) -> str:
    """As the page that asked for it says it; what a command declared otherwise stands as it was written."""
    if key == "status":
        return str(dict(forms.SAID_STATUSES).get(values.STATUSES.get(said, said), said))
    if key == "channel":
        return str(dict(forms.CHANNELS).get(said, said))
    day = parse_date(said) if key == "occurred_at" else None
    return date_format(day, "DATE_FORMAT") if day else said


def download_evidence(
    request: HttpRequest, object_id: int, model_admin: ModelAdmin
) -> HttpResponseBase:
    """The file that shows the consent, as it was uploaded: to be saved, never shown as a page of ours."""
    _check_view(model_admin, request)
    batch = acts.load(model_admin, request, str(object_id))
    evidence = get_object_or_404(ImportEvidence, batch=batch)
    return FileResponse(
        io.BytesIO(evidence.content),
        as_attachment=True,
        filename=evidence.name,
        content_type="application/octet-stream",
        headers={"Cache-Control": "no-store"},
    )


def _reasons(batch: ImportBatch) -> list[tuple[str, int]]:
    counted = batch.refused_rows.values("reason").annotate(rows=Count("pk"))
    most = counted.order_by("-rows", "reason")[:SHOWN_REASONS]
    return [(samples.mask_reason(each["reason"]), each["rows"]) for each in most]


def _may_export(request: HttpRequest) -> bool:
    return request.user.has_perms([EXPORT, VIEW_IDENTITY])


def download(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponseBase:
    """The refused rows as CSV: lines and reasons; by POST, with a reason, also the rows as they stood."""
    batch = acts.load(model_admin, request, str(object_id))
    if not wizard.may_import(request) and not request.user.has_perm(VIEW_REFUSED):
        raise PermissionDenied
    if request.method != "POST":
        return _answer(batch, is_whole=False)
    if not _may_export(request):
        raise PermissionDenied
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _ask_reason(model_admin, request, batch, form)
    contacts.note_identity_view(
        staff_id=request.user.pk,
        contact=None,
        people=batch.refused_rows.count(),
        reason=form.cleaned_data["reason"],
    )
    return _answer(batch, is_whole=True)


def ask_reason(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    batch = acts.load(model_admin, request, str(object_id))
    if not _may_export(request):
        raise PermissionDenied
    return _ask_reason(model_admin, request, batch, ReasonForm())


def _ask_reason(
    page: ModelAdmin, request: HttpRequest, batch: ImportBatch, form: ReasonForm
) -> HttpResponse:
    return acts.show(
        page,
        request,
        batch,
        "admin/consent/imports/reason.html",
        title=_("Download the refused rows"),
        form=form,
        batch=batch,
        back=acts.url_of(page, batch),
    )


def _answer(batch: ImportBatch, *, is_whole: bool) -> StreamingHttpResponse:
    # The name of a file says who is in it, like unsubscribed_members.csv, and will when it comes back.
    name = f"{PurePath(batch.name).stem}-refused-{batch.pk}.csv"
    headers = {
        "Content-Disposition": str(content_disposition_header(as_attachment=True, filename=name)),
        "Cache-Control": "no-store",
    }
    lines = _csv(batch, is_whole=is_whole)
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


def _csv(batch: ImportBatch, *, is_whole: bool) -> Iterator[str]:
    """Cells that a spreadsheet would take for a formula are made text; by the mark it knows the encoding."""
    text = io.StringIO()
    text.write(BYTE_ORDER_MARK)
    table = csv.writer(text)
    columns = uploads.columns(batch) if is_whole else []
    table.writerow([*columns, _("line"), _("reason")] if columns else [_("line"), _("reason")])
    rows = batch.refused_rows.order_by("line").values_list("line", "row", "reason")
    for number, (line, row, reason) in enumerate(rows.iterator(ROWS_AT_ONCE)):
        if not is_whole:
            table.writerow([line, samples.mask_reason(reason)])
        elif columns:
            cells = [*row, *[""] * (len(columns) - len(row))]
            table.writerow([*cells, line, str(reason)])
        else:
            table.writerow([line, str(reason), *row])
        if number % ROWS_AT_ONCE == 0:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()
