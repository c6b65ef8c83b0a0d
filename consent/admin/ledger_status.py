"""The ledger at a glance, and whether it is whole: read by a worker, also against an exported checkpoint."""

from base64 import b64encode
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminFileFieldWidget

from consent import sealing, signing, verifications
from consent.models import LedgerCheckpoint, LedgerVerification
from contacts.admin import acts

VERIFY = "consent.add_ledgerverification"
LARGEST_NOTE = 10_000
SHOWN = 10
SHOWN_PROBLEMS = 50
PROBLEMS = {
    "event_changed": _("An event is not what was sealed"),
    "event_missing": _("A sealed event is gone"),
    "event_never_sealed": _("An event came in past the database's own queue"),
    "leaf_changed": _("The hash beside an event is not what was sealed"),
    "entry_never_signed": _("Something was appended past the sealer"),
    "position_missing": _("A position is missing"),
    "position_unknown": _("Something stands before the first position"),
    "tail_cut": _("Sealed events are missing at the end"),
    "root_differs": _("The events do not give the root that was signed"),
    "exported_checkpoint_differs": _("The events do not give the root of the exported checkpoint"),
    "checkpoint_not_signed": _("A checkpoint's signature is not good"),
    "checkpoint_missing": _("A checkpoint is missing in the chain"),
    "checkpoint_changed": _("A checkpoint is not what was signed"),
    "evidence_changed": _("Evidence is not what its event committed to"),
    "wording_changed": _("Published words were changed"),
}


class NoteForm(forms.Form):
    """An exported checkpoint, as a file: the text that was downloaded here once."""

    checkpoint = forms.FileField(
        label=_("Exported checkpoint"),
        widget=UnfoldAdminFileFieldWidget,
        help_text=_("The file that was downloaded here, or printed by export_checkpoint."),
    )

    def clean_checkpoint(self) -> str:
        file = self.cleaned_data["checkpoint"]
        if file.size > LARGEST_NOTE:
            raise forms.ValidationError(_("This file is too large for a checkpoint."))
        try:
            note = str(file.read().decode())
            signing.from_note(note)
        except (UnicodeDecodeError, signing.SigningError) as error:
            raise forms.ValidationError(_("This file is no exported checkpoint.")) from error
        return note


def show_status(request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse:
    """How many events there are, what is sealed and signed, and what the last readings found."""
    _check(model_admin.has_view_permission(request))
    return _page(request, model_admin, NoteForm())


@require_POST
def verify_now(request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse:
    """Have a worker read the whole ledger; with a file, against that checkpoint."""
    _check(request.user.has_perm(VERIFY))
    form = NoteForm(request.POST, request.FILES)
    is_compared = "compare" in request.POST
    if is_compared and not form.is_valid():
        return _page(request, model_admin, form)
    note = form.cleaned_data["checkpoint"] if is_compared else ""
    try:
        verifications.ask(staff_id=request.user.pk, against=note)
    except signing.SigningError as error:
        form.add_error("checkpoint", _(str(error) or str(error.__doc__)))
        return _page(request, model_admin, form)
    messages.success(request, _("The ledger is being read. You can leave this page."))
    return redirect(reverse("admin:consent_ledgercheckpoint_status"))


def show_readings(request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse:
    """The part of the page that is looked at again every two seconds while a worker reads."""
    _check(model_admin.has_view_permission(request))
    return TemplateResponse(request, "admin/consent/ledger_readings.html", _readings())


def download(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    """One checkpoint as a signed note, to be kept outside this database."""
    checkpoint = acts.load(model_admin, request, str(object_id))
    _check(model_admin.has_view_permission(request, checkpoint))
    name = f"checkpoint-{checkpoint.size}.txt"
    return HttpResponse(
        sealing.export(checkpoint),
        content_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _check(may: bool) -> None:
    if not may:
        raise PermissionDenied


def _page(request: HttpRequest, page: ModelAdmin, form: NoteForm) -> HttpResponse:
    newest = LedgerCheckpoint.objects.order_by("-size").first()
    sealed, unsealed = newest.size if newest else 0, sealing.unsealed()
    return acts.show(
        page,
        request,
        None,
        "admin/consent/ledger_status.html",
        title=_("The ledger at a glance"),
        newest=newest,
        root=bytes(newest.root).hex() if newest else "",
        figures=[
            (_("events"), sealed + unsealed),
            (_("sealed"), sealed),
            (_("not sealed yet"), unsealed),
        ],
        public_keys={
            key: b64encode(public).decode() for key, public in sealing.public_keys().items()
        },
        form=form,
        may_verify=request.user.has_perm(VERIFY),
        **_readings(),
    )


def _readings() -> dict[str, Any]:
    newest = LedgerCheckpoint.objects.order_by("-size").first()
    asked = LedgerVerification.objects.select_related("asked_by").order_by("-pk")[:SHOWN]
    readings = [_told(each, newest.size if newest else 0) for each in asked]
    return {
        "readings": readings,
        "is_reading": any(reading["percent"] is not None for reading in readings),
    }


def _told(asked: LedgerVerification, sealed: int) -> dict[str, Any]:
    """A reading as the page shows it; `percent` is None once it is over."""
    percent = None
    if asked.finished_at is None:
        percent = min(99, 100 * verifications.sealed_so_far(asked) // max(sealed, 1))
    return {
        "asked": asked,
        "percent": percent,
        "against": _size_of(asked.against) if asked.against else None,
        "more": max(0, len(asked.problems) - SHOWN_PROBLEMS),
        "problems": [
            (PROBLEMS.get(each["kind"], each["kind"]), each["position"])
            for each in asked.problems[:SHOWN_PROBLEMS]
        ],
    }


def _size_of(note: str) -> int:
    return signing.from_note(note)[0].size
