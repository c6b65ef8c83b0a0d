"""The steps of an import: upload, columns, preview, run. Nobody is imported before the last, and until
then the file can be discarded."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from consent import imports, uploads
from consent.admin.imports import samples
from consent.admin.imports.forms import (
    OF_SUPPRESSIONS,
    SUPPRESSIONS,
    ColumnsForm,
    EncodingForm,
    EvidenceForm,
    SuppressionsForm,
    UploadForm,
    initial_of,
)
from consent.imports import declaration, guessing, reading, values
from consent.models import ImportBatch, ImportEvidence
from contacts import fields
from contacts.admin import acts

ADD = "consent.add_importbatch"
STEPS = {
    "upload": gettext_lazy("1. File"),
    "columns": gettext_lazy("2. Columns"),
    "preview": gettext_lazy("3. Preview"),
    "change": gettext_lazy("4. Import"),
}
# Of a rehearsal or a report: the count and what it means.
COUNTS = {
    "contacts": gettext_lazy("New contacts"),
    "known": gettext_lazy("Known contacts"),
    "grants": gettext_lazy("Permissions with evidence: may be mailed"),
    "claims": gettext_lazy("Claims without evidence: not mailed"),
    "requests": gettext_lazy("Never confirmed: not mailed"),
    "stops": gettext_lazy("Stops: withdrawn, objected, suppressed"),
    "undeliverable": gettext_lazy("Addresses that do not exist"),
    "unchanged": gettext_lazy("Nothing new"),
    "refused": gettext_lazy("Rows refused, in whole or in part"),
}
SHOWN_REFUSALS = 50

State = ImportBatch.State


def may_import(request: HttpRequest) -> bool:
    return request.user.has_perm(ADD)


def load(page: ModelAdmin, request: HttpRequest, object_id: int) -> ImportBatch:
    """A batch, for staff who may import; 403 or 404 otherwise."""
    if not may_import(request):
        raise PermissionDenied
    batch: ImportBatch = acts.load(page, request, str(object_id))
    return batch


def show(
    page: ModelAdmin,
    request: HttpRequest,
    batch: ImportBatch | None,
    step: str,
    template: str,
    **context: Any,
) -> HttpResponse:
    is_draft = batch is not None and batch.state == State.DRAFT
    back = {"columns", "preview"} if is_draft and batch and _is_declared(batch) else {"columns"}
    steps = [
        (
            words,
            name == step,
            acts.url_of(page, batch, name) if is_draft and batch and name in back else "",
        )
        for name, words in STEPS.items()
    ]
    title = batch.name if batch else _("Import a file")
    return acts.show(
        page, request, batch, template, steps=steps, batch=batch, title=title, **context
    )


# 1. The file


def upload(page: ModelAdmin, request: HttpRequest) -> HttpResponse:
    form = UploadForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            batch = _start(request, form.cleaned_data["file"], form.cleaned_data["kind"])
        except imports.ImportRefused as refusal:
            form.add_error("file", str(refusal))
        else:
            return redirect(acts.url_of(page, batch, "columns"))
    return show(page, request, None, "upload", "admin/consent/imports/upload.html", form=form)


def _start(request: HttpRequest, file: Any, kind: str) -> ImportBatch:
    path = uploads.keep(file.chunks())
    try:
        columns = samples.columns_of(path, reading.inspect(path))
        is_suppressions = kind == SUPPRESSIONS or _names_suppressions(file.name)
        guessed = samples.guess(columns, list(fields.registered().values()))
        if is_suppressions:
            guessed = {
                name: target if target in OF_SUPPRESSIONS else ""
                for name, target in guessed.items()
            }
        batch = imports.start(
            path=path,
            mapping=guessed,
            declared={"status": values.SUPPRESSED} if is_suppressions else None,
            name=file.name,
            is_upload=True,
            staff=request.user if request.user.is_authenticated else None,
        )
        uploads.keep_columns(path, [column.name for column in columns])
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return batch


def _names_suppressions(name: str) -> bool:
    return values.STATUSES.get(guessing.guess_status(name)) == values.SUPPRESSED


# 2. Columns


def choose_columns(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    batch = load(model_admin, request, object_id)
    if batch.state != State.DRAFT:
        return redirect(acts.url_of(model_admin, batch))
    # What was typed stays while the file is read anew, though nothing is asked of it yet.
    typed = request.POST.dict() if "reread" in request.POST else {}
    said = None if typed else request.POST or None
    try:
        columns = _read_anew(batch, typed.get("encoding", "")) if typed else samples.of_batch(batch)
    except imports.ImportRefused as refusal:
        messages.error(request, str(refusal))
        return redirect(acts.url_of(model_admin, batch))
    is_suppressions = _is_suppressions(batch)
    form_type = SuppressionsForm if is_suppressions else EvidenceForm
    form = ColumnsForm(
        columns,
        chosen=batch.mapping,
        fields=fields.registered().values(),
        is_suppressions=is_suppressions,
        data=said,
        initial=typed,
    )
    evidence = form_type(
        said,
        request.FILES if said else None,
        initial=initial_of(batch.declared, source=batch.source) | typed,
    )
    is_said = all([form.is_valid(), evidence.is_valid()])
    if said:
        try:
            _keep_evidence(batch, evidence)
        except imports.ImportRefused as refusal:
            messages.error(request, str(refusal))
            return redirect(acts.url_of(model_admin, batch))
    if is_said:
        try:
            _declare(batch, form.mapping, evidence)
        except imports.ImportRefused as refusal:
            evidence.add_error(None, str(refusal))
        else:
            return redirect(acts.url_of(model_admin, batch, "preview"))
    return show(
        model_admin,
        request,
        batch,
        "columns",
        "admin/consent/imports/columns.html",
        form=form,
        read_as=EncodingForm(batch.encoding),
        letters=samples.letters_in_doubt(batch),
        evidence=evidence,
        is_suppressions=is_suppressions,
        earlier=_earlier(batch),
        kept=evidence_of(batch),
    )


def _read_anew(batch: ImportBatch, encoding: str) -> list[samples.Column]:
    imports.reread(batch, encoding=encoding)
    columns = samples.of_batch(batch)
    uploads.keep_columns(Path(batch.path), [column.name for column in columns])
    return columns


def evidence_of(batch: ImportBatch) -> ImportEvidence | None:
    """The file that shows the consent, without its content."""
    return ImportEvidence.objects.filter(batch=batch).defer("content").first()


def _keep_evidence(batch: ImportBatch, evidence: SuppressionsForm) -> None:
    """Also where something else is refused: a browser does not choose the file again by itself."""
    if file := evidence.cleaned_data.get("evidence_file"):
        imports.keep_evidence(batch, name=file.name, content=file.read())


@transaction.atomic
def _declare(batch: ImportBatch, chosen: dict[str, str], evidence: SuppressionsForm) -> None:
    declaration.read(evidence.declared, source=evidence.source)
    imports.remap(batch, mapping=chosen)
    ImportBatch.objects.filter(pk=batch.pk, state=State.DRAFT).update(
        declared=evidence.declared, source=evidence.source
    )


def _earlier(batch: ImportBatch) -> ImportBatch | None:
    """The last import of the very same file."""
    same = ImportBatch.objects.filter(file_digest=batch.file_digest, state=State.FINISHED)
    return same.order_by("-pk").first()


def _is_suppressions(batch: ImportBatch) -> bool:
    return values.STATUSES.get(str(batch.declared.get("status"))) == values.SUPPRESSED


def _is_declared(batch: ImportBatch) -> bool:
    """Whether staff said what the file shows: nothing runs on guesses alone."""
    return bool(batch.declared.get("acquisition")) or "region" in batch.declared


# 3. Preview


def preview(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    batch = load(model_admin, request, object_id)
    if batch.state != State.DRAFT:
        return redirect(acts.url_of(model_admin, batch))
    if not _is_declared(batch):
        return redirect(acts.url_of(model_admin, batch, "columns"))
    try:
        tally, refused = imports.rehearse(batch)
    except imports.ImportRefused as refusal:
        messages.error(request, str(refusal))
        return redirect(acts.url_of(model_admin, batch, "columns"))
    counted = asdict(tally)
    return show(
        model_admin,
        request,
        batch,
        "preview",
        "admin/consent/imports/preview.html",
        tally=tally,
        counts=[(words, counted[name]) for name, words in COUNTS.items()],
        refused=[(line, samples.mask_reason(reason)) for line, reason in refused[:SHOWN_REFUSALS]],
        is_whole=tally.rows >= batch.lines - 2,
        lacks_evidence=_lacks_evidence(tally) and not _is_suppressions(batch),
    )


def _lacks_evidence(tally: imports.Tally) -> bool:
    """Whether a yes came without its evidence, or nobody said anything; a file of noes needs none."""
    said = tally.stops + tally.undeliverable + tally.unchanged + tally.requests
    return not tally.grants and (tally.claims > 0 or not said)


# 4. Import


@require_POST
def run(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    batch = load(model_admin, request, object_id)
    if not _is_declared(batch):
        return redirect(acts.url_of(model_admin, batch, "columns"))
    try:
        uploads.begin(batch=batch)
    except imports.ImportRunning:
        messages.info(request, _("This import has begun already."))
    return redirect(acts.url_of(model_admin, batch))


@require_POST
def stop(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    batch = load(model_admin, request, object_id)
    try:
        uploads.stop(batch=batch)
    except imports.ImportRunning as refusal:
        messages.info(request, str(refusal))
    return redirect(acts.url_of(model_admin, batch))


@require_POST
def discard(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    batch = load(model_admin, request, object_id)
    try:
        uploads.discard(batch=batch)
    except imports.ImportRunning as refusal:
        messages.error(request, str(refusal))
        return redirect(acts.url_of(model_admin, batch))
    messages.success(request, _("The file is deleted, and nobody was imported."))
    return redirect("admin:consent_importbatch_changelist")
