"""My data: what is held about a person, to read, take away, correct, restrict and erase, by a fresh link."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import translation
from django.utils.translation import gettext as _

from consent import history, my_data, rights, self_service, services
from consent.budgets import network_of
from consent.correction import CorrectionForm
from consent.models import Organization
from consent.preferences import CHANNELS
from consent.proving import NotSealedYet
from consent.receipts import NoConsentStandsError
from consent.views import public
from consent.views.preferences import contact_of, masked_address_of, receipt_for
from contacts.fields import FieldError
from contacts.models import Channel, Contact, SubjectRequest
from contacts.services import ContactError


@public.page("POST")
def page(request: HttpRequest, token: str) -> HttpResponse:
    """Show what is held; on POST, do what was asked, or note it where staff have to answer."""
    contact = contact_of(token)
    public.speak_to(request, contact)
    form = CorrectionForm(contact=contact)
    message, error = "", ""
    if request.method == "POST" and request.POST.get("ask") == "save":
        form = CorrectionForm(request.POST, contact=contact)
        message, error = _correct(contact, form)
    elif request.method == "POST":
        message, error = _ask(request, contact)
    contact.refresh_from_db()
    return public.show(
        request,
        "my_data.html",
        {
            "sections": my_data.readable(contact),
            "requests": SubjectRequest.objects.open().filter(contact=contact).order_by("due_at"),
            "moments": history.moments_of(contact),
            "contact": contact,
            "form": form if error else CorrectionForm(contact=contact),
            "has_objected": rights.has_objected(contact),
            "message": message,
            "error": error,
            "token": token,
        },
    )


def _correct(contact: Contact, form: CorrectionForm) -> tuple[str, str]:
    """What to tell the person: that it is done, or what is wrong. Nothing is kept by halves."""
    if not form.is_valid():
        return "", _("Not saved yet: something below does not fit.")
    corrections = form.corrections
    if not corrections:
        return _("Nothing was changed."), ""
    try:
        self_service.correct(
            contact=contact,
            changes=corrections,
            changed=({*corrections} - {"attributes"}) | {*corrections.get("attributes", {})},
        )
    except (ContactError, FieldError) as refusal:
        return "", str(refusal)
    if language := corrections.get("language"):
        translation.activate(language)
    return _("Saved."), ""


def _ask(request: HttpRequest, contact: Contact) -> tuple[str, str]:
    details = {"network": network_of(request)}
    asked = request.POST.get("ask", "")
    if asked == "correct":
        words = request.POST.get("words", "").replace("\0", "").strip()
        if not words:
            return "", _("Please write what should be corrected.")
        self_service.ask(contact=contact, kind=SubjectRequest.Kind.RECTIFICATION, words=words)
        return _("We have noted what should be corrected."), ""
    if asked == "restrict":
        self_service.restrict(contact=contact, details=details)
        return _stopped(contact, _("We keep your data and use it for nothing.")), ""
    if asked == "unrestrict":
        self_service.lift_restriction(contact=contact, details=details)
        return _("We may use your data again, as far as you permit it."), ""
    if asked == "object":
        self_service.object_to_everything(contact=contact, details=details)
        return _stopped(contact, _("We use your data for no advertising any more.")), ""
    return "", ""


def _stopped(contact: Contact, done: str) -> str:
    """After the commit: wait for what is on its way, and say so where that takes too long."""
    if services.answer_is_final(contact=contact, topic=None, channel=""):
        return done
    doubt = _("One message was being sent at this moment and may still arrive.")
    return f"{done} {doubt}"


@public.page("POST")
def erase(request: HttpRequest, token: str) -> HttpResponse:
    """Say what goes, what stays and why; on POST, erase."""
    contact = contact_of(token)
    public.speak_to(request, contact)
    error = ""
    if request.method == "POST":
        try:
            if receipt := receipt_for(request, contact):
                return receipt
        except (NoConsentStandsError, NotSealedYet, Organization.DoesNotExist):
            error = _("There is no receipt to give at this moment. Please try again in a minute.")
        if request.POST.get("do") == "erase":
            return _erase(request, contact)
    return public.show(
        request,
        "erase.html",
        {
            "masked": masked_address_of(contact),
            "receipts": _receipts(contact),
            "is_held": contact.holds.standing().exists(),
            "error": error,
            "token": token,
        },
    )


def _erase(request: HttpRequest, contact: Contact) -> HttpResponse:
    masked = masked_address_of(contact)
    is_done = self_service.erase(contact=contact, details={"network": network_of(request)})
    waits = SubjectRequest.objects.open().filter(contact=contact).order_by("-pk").first()
    return public.show(
        request, "erased.html", {"is_done": is_done, "request_noted": waits, "masked": masked}
    )


def _receipts(contact: Contact) -> list[dict[str, Any]]:
    """Each consent that stands: its name, and what its button sends."""
    return [
        {
            "key": f"{permission.topic.key}:{permission.channel}",
            "name": f"{permission.topic.name} · {CHANNELS[Channel(permission.channel)]}",
        }
        for permission in contact.permissions.granted().select_related("topic").order_by("pk")
        if permission.topic
    ]


@public.page()
def download(request: HttpRequest, token: str) -> HttpResponse:
    """Everything as JSON (GDPR art. 15 and 20)."""
    contact = contact_of(token)
    public.speak_to(request, contact)
    return JsonResponse(
        my_data.export(contact),
        json_dumps_params={"ensure_ascii": False, "indent": 2},
        headers={"Content-Disposition": 'attachment; filename="my-data.json"'},
    )
