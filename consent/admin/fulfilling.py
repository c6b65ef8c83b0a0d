"""Answers a request of a person: says first what it will do, then does it with one press, and notes it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from consent import history, in_flight, ledger, my_data, rights, services
from consent.models import ConsentEvent, Organization
from contacts import addresses, parties
from contacts import rights as requests
from contacts import services as contacts
from contacts.admin import acts
from contacts.admin.names import VIEW_IDENTITY
from contacts.models import Channel, Contact, SubjectRequest

Kind = SubjectRequest.Kind
State = SubjectRequest.State
REFUSALS = (contacts.ContactError, services.ConsentError, addresses.AddressError)
WHAT_HAPPENS = {
    Kind.ACCESS: _("You get a file with everything that is kept about this person, to hand over."),
    Kind.PORTABILITY: _(
        "You get a file with everything that is kept, to be read by another program."
    ),
    Kind.RECTIFICATION: _("What you write here replaces what is kept. Leave empty what is right."),
    Kind.RESTRICTION: _("The data is kept and used for nothing: no message goes to this person."),
    Kind.OBJECTION: _("All messages to this person stop, on every channel."),
    Kind.ERASURE: _(
        "Everything that names this person is erased for good. The pseudonym, the consent events"
        " without their evidence and the blocked address fingerprint stay."
    ),
}
BUTTONS = {
    Kind.ACCESS: _("Export"),
    Kind.PORTABILITY: _("Export"),
    Kind.RECTIFICATION: _("Correct"),
    Kind.RESTRICTION: _("Restrict"),
    Kind.OBJECTION: _("Stop all messages"),
    Kind.ERASURE: _("Erase for good"),
}


class AnswerForm(forms.Form):
    outcome = forms.CharField(
        label=_("What was done"), required=False, widget=UnfoldAdminTextareaWidget
    )


class FileForm(forms.Form):
    kind = forms.ChoiceField(
        label=_("As"),
        choices=[("page", _("a page to read and print")), ("json", _("JSON, for programs"))],
        initial="page",
        widget=UnfoldAdminRadioSelectWidget,
    )


FILES: dict[str, type[forms.Form]] = {Kind.ACCESS: FileForm, Kind.PORTABILITY: forms.Form}


class CorrectionForm(AnswerForm):
    """What is kept is not shown: the person says what is right, and staff write that down."""

    first_name = forms.CharField(
        label=_("First name"), required=False, max_length=200, widget=UnfoldAdminTextInputWidget
    )
    last_name = forms.CharField(
        label=_("Last name"), required=False, max_length=200, widget=UnfoldAdminTextInputWidget
    )
    email = forms.CharField(
        label=_("Email"),
        required=False,
        max_length=320,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("A new address starts without permission: it was given for the old one."),
    )
    phone = forms.CharField(
        label=_("Phone"),
        required=False,
        max_length=40,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("With the country code, like +33612345678."),
    )
    language = forms.ChoiceField(
        label=_("Language"),
        required=False,
        choices=[("", "---------"), *settings.LANGUAGES],
        widget=UnfoldAdminSelectWidget,
    )
    field_order = ("first_name", "last_name", "email", "phone", "language", "outcome")

    def clean_email(self) -> str:
        return _address(Channel.EMAIL, self.cleaned_data["email"])

    def clean_phone(self) -> str:
        return _address(Channel.SMS, self.cleaned_data["phone"])


def _address(channel: Channel, text: str) -> str:
    try:
        return addresses.normalize(channel, text) if text.strip() else ""
    except addresses.AddressError as error:
        raise forms.ValidationError(_(str(error))) from error


def possible(asked: SubjectRequest) -> set[str]:
    """Which acts a request is still open to, by their names on its page."""
    if asked.state == State.OPEN:
        may_extend = not asked.extended_because and asked.due_at >= timezone.now()
        return {"answer", "refuse", "extend"} if may_extend else {"answer", "refuse"}
    if asked.state == State.DONE and asked.kind in FILES and not asked.contact.erased_at:
        return {"answer"}
    is_to_be_told = asked.kind in requests.TOLD and asked.processors_told_at is None
    return {"tell"} if asked.state == State.DONE and is_to_be_told else set()


def told(asked: SubjectRequest) -> dict[str, Any]:
    """What the page of a request says: how long there is, and who has to hear of it."""
    is_told_of = asked.kind in requests.TOLD
    return {
        "asked": asked,
        "is_overdue": asked.state == State.OPEN and asked.due_at < timezone.now(),
        "days_left": days_left(asked),
        "what_happens": WHAT_HAPPENS[Kind(asked.kind)],
        "is_told_of": is_told_of,
        "recipients": parties.recipients(asked.contact) if is_told_of else [],
    }


def days_left(asked: SubjectRequest) -> str:
    if asked.state != State.OPEN:
        return "-"
    days = (timezone.localdate(asked.due_at) - timezone.localdate()).days
    if days < 0:
        return ngettext("%d day late", "%d days late", -days) % -days
    if days == 0:
        return str(_("today"))
    return ngettext("in %d day", "in %d days", days) % days


def answer(page: ModelAdmin, request: HttpRequest, asked: SubjectRequest) -> HttpResponse:
    """Ask by GET with what it will do and to how much; do by POST."""
    if "answer" not in possible(asked):
        messages.warning(request, str(requests.RequestSettled()))
        return redirect(acts.url_of(page, asked))
    kind = Kind(asked.kind)
    posted = request.POST if request.method == "POST" else None
    form: forms.Form | None
    if kind in FILES:
        form = FILES[kind](posted)
        if form.is_valid():
            is_page = form.cleaned_data.get("kind") == "page"
            return _export(page, request, asked, is_page=is_page)
    elif kind == Kind.RECTIFICATION:
        form = CorrectionForm(posted)
    elif kind == Kind.ERASURE:
        form = None  # words about the person would outlive the erasure
    else:
        form = AnswerForm(posted)
    return acts.ask(
        page,
        request,
        asked,
        title=asked.get_kind_display(),
        sentence=WHAT_HAPPENS[kind],
        button=BUTTONS[kind],
        form=form,
        act=lambda **given: _fulfill(asked, request.user.pk, **given),
        done=_("The request is answered."),
        refusals=REFUSALS,
        template="admin/consent/answer.html",
        facts=_facts(asked),
        **told(asked),
    )


def _facts(asked: SubjectRequest) -> list[tuple[Any, Any]]:
    """How much it will touch, and what stands in the way."""
    contact = asked.contact
    facts = [
        (_("Person"), contact.pseudonym),
        (_("Acts of consent"), ConsentEvent.objects.filter(subject=contact.subject).count()),
        (_("Permissions that stand"), contact.permissions.granted().count()),
    ]
    if asked.kind == Kind.ERASURE:
        facts += _in_the_way(asked)
    if asked.kind not in FILES and in_flight.is_in_flight(contact, None, ""):
        facts.append((_("On its way"), _("A message is being handed over at this moment.")))
    return facts


def _in_the_way(asked: SubjectRequest) -> Iterator[tuple[Any, Any]]:
    """Of an erasure: what forbids it, and what nobody can answer after it."""
    if asked.contact.holds.standing().exists():
        yield _("Hold"), _("A hold stands: lift it first.")
    for other in asked.contact.requests.open().exclude(kind=Kind.ERASURE).order_by("due_at", "pk"):
        yield other.get_kind_display().capitalize(), _("Asked for, too: answer it first.")


def _export(
    page: ModelAdmin, request: HttpRequest, asked: SubjectRequest, *, is_page: bool
) -> HttpResponse:
    if not request.user.has_perm(VIEW_IDENTITY):
        raise PermissionDenied
    try:
        with transaction.atomic():
            if asked.contact.erased_at:
                raise contacts.ContactErased
            body = _page(asked.contact) if is_page else _json(asked.contact)
            if asked.state != State.DONE:
                requests.settle(request=asked, handler_id=request.user.pk)
            contacts.note_identity_view(
                staff_id=request.user.pk, contact=asked.contact, reason=f"request {asked.pk}"
            )
    except REFUSALS as refusal:
        messages.error(request, str(refusal))
        return redirect(acts.url_of(page, asked))
    ending, kind = ("html", "text/html") if is_page else ("json", "application/json")
    headers = {
        "Content-Disposition": f'attachment; filename="{asked.contact.pseudonym}.{ending}"',
        "Cache-Control": "no-store",
    }
    return HttpResponse(body, content_type=f"{kind}; charset=utf-8", headers=headers)


def _json(contact: Contact) -> str:
    kept = my_data.export(contact)
    return json.dumps(kept, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)


def _page(contact: Contact) -> str:
    """In the person's own language: it is theirs to read (GDPR art. 12(1))."""
    known = dict(settings.LANGUAGES)
    language = contact.language if contact.language in known else settings.LANGUAGE_CODE
    with translation.override(language):
        return render_to_string(
            "consent/access.html",
            {
                "language": language,
                "contact": contact,
                "organization": Organization.objects.order_by("pk").first(),
                "sections": my_data.readable(contact),
                "moments": history.moments_of(contact),
                "now": timezone.now(),
            },
        )


def _fulfill(
    asked: SubjectRequest, staff_id: int | None, *, outcome: str = "", **corrections: str
) -> None:
    """Do what was asked and note it, then wait until nothing is on its way to the person."""
    if asked.kind == Kind.ERASURE:
        _erase(asked.contact, staff_id)
        return
    with transaction.atomic():
        if asked.kind == Kind.RECTIFICATION:
            requests.rectify(contact=asked.contact, corrections=corrections)
        else:
            _DOING[Kind(asked.kind)](contact=asked.contact, actor=ledger.staff(staff_id))
        requests.settle(request=asked, handler_id=staff_id, outcome=outcome)
    services.answer_is_final(contact=asked.contact, topic=None, channel="")


def _erase(contact: Contact, staff_id: int | None) -> None:
    """Stop everything first, as people do who erase themselves; where a hold stands nothing changes."""
    if contact.holds.standing().exists():
        raise requests.ErasureHeld
    if not contact.erased_at:
        rights.object_to_everything(contact=contact, actor=ledger.staff(staff_id))
    rights.erase(contact=contact, handler_id=staff_id)


_DOING: dict[Kind, Callable[..., object]] = {
    Kind.RESTRICTION: rights.restrict,
    Kind.OBJECTION: rights.object_to_everything,
}
