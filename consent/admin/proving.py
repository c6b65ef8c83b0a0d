"""Proves what one person said about a topic, as of any moment: a page to print, files, receipts.

A proof holds the evidence in clear. So it is asked for with a reason, by POST, and noted for that person.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from consent import proving, receipts
from consent.models import Organization, Topic
from contacts import services as contacts
from contacts.admin import acts, panels
from contacts.models import Channel, Contact

EVENTS, EVIDENCE = "consent.view_consentevent", "consent.view_consentevidence"
MOMENT = "%Y-%m-%dT%H:%M"
AS = [
    ("page", _("Proof, as a page to print")),
    ("proof", _("Proof, as JSON")),
    ("receipt", _("Receipt of what stands (Kantara)")),
    ("history", _("Receipt of the history (DPV)")),
]
REFUSALS = (
    proving.NotSealedYet,
    receipts.NoConsentStandsError,
    receipts.NothingSaidError,
    Organization.DoesNotExist,
)


class ProofForm(acts.ReasonForm):
    about = forms.ChoiceField(label=_("About"), widget=UnfoldAdminSelectWidget)
    at = forms.DateTimeField(
        label=_("At this moment (UTC)"),
        input_formats=[MOMENT, "%Y-%m-%dT%H:%M:%S"],
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
    )
    kind = forms.ChoiceField(label=_("As"), choices=AS, widget=UnfoldAdminRadioSelectWidget)
    field_order = ("about", "at", "kind", "reason")

    def __init__(self, contact: Contact, request: HttpRequest) -> None:
        asked = {name: request.GET[name] for name in ("about", "at") if name in request.GET}
        now = timezone.now().strftime(MOMENT)
        super().__init__(request.POST or None, initial={"kind": "page", "at": now} | asked)
        self.fields["about"].choices = [  # type: ignore[attr-defined]
            (key, f"{topic.name} · {channel.label}") for key, topic, channel in known(contact)
        ]


def known(contact: Contact) -> list[tuple[str, Topic, Channel]]:
    """What this person ever said something about, each with the key that a form takes."""
    said = contact.permissions.exclude(topic=None).select_related("topic")
    return [
        (f"{each.topic.key}:{each.channel}", each.topic, Channel(each.channel))
        for each in said.order_by("topic__position", "topic__key", "channel")
        if each.topic is not None
    ]


def prove(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    """Ask what to prove by GET; by POST give it, and note for whom and why."""
    if not request.user.has_perms([EVENTS, EVIDENCE]):
        raise PermissionDenied
    contact = Contact.objects.filter(pk=object_id).first()
    if contact is None:
        raise Http404
    form = ProofForm(contact, request)
    if request.method == "POST" and form.is_valid():
        try:
            return _give(request, contact, form)
        except REFUSALS as refusal:
            form.add_error(None, _sentence(refusal))
    return acts.show(
        model_admin,
        request,
        None,
        "admin/desk/act.html",
        title=_("Prove consent"),
        sentence=_(
            "Of %s. It holds the evidence: form, words, address of the network, staff. That you took it, and"
            " why, is noted."
        )
        % contact.pseudonym,
        button=_("Prove"),
        form=form,
        back=reverse("admin:contacts_contact_change", args=[contact.pk]),
    )


@transaction.atomic
def _give(request: HttpRequest, contact: Contact, form: ProofForm) -> HttpResponse:
    chosen = form.cleaned_data
    topic, channel = next(
        (topic, channel) for key, topic, channel in known(contact) if key == chosen["about"]
    )
    answer = GIVING[chosen["kind"]](contact, topic, channel, chosen["at"])
    contacts.note_identity_view(staff_id=request.user.pk, contact=contact, reason=chosen["reason"])
    return answer


def _sentence(refusal: Exception) -> Any:
    if isinstance(refusal, Organization.DoesNotExist):
        return _("A receipt names the organization: enter it first.")
    return _(str(refusal) or str(refusal.__doc__))


def _page(contact: Contact, topic: Topic, channel: Channel, at: datetime) -> HttpResponse:
    proof = proving.proof_of(contact=contact, topic=topic, channel=channel, at=at)
    organization = Organization.objects.order_by("pk").first()
    page = render_to_string("consent/proof.html", {"proof": proof, "organization": organization})
    return HttpResponse(page, headers={"Cache-Control": "no-store"})


def _proof(contact: Contact, topic: Topic, channel: Channel, at: datetime) -> HttpResponse:
    proof = proving.proof_of(contact=contact, topic=topic, channel=channel, at=at)
    return _file(proof, f"proof-{contact.pseudonym}-{topic.key}.json")


def _receipt(contact: Contact, topic: Topic, channel: Channel, _at: datetime) -> HttpResponse:
    receipt = proving.standing_receipt_of(contact=contact, topic=topic, channel=channel)
    return _file(receipt, f"receipt-{contact.pseudonym}-{topic.key}.json")


def _history(contact: Contact, topic: Topic, channel: Channel, _at: datetime) -> HttpResponse:
    receipt = proving.history_receipt_of(contact=contact, topic=topic, channel=channel)
    return _file(receipt, f"history-{contact.pseudonym}-{topic.key}.jsonld")


GIVING: dict[str, Callable[[Contact, Topic, Channel, datetime], HttpResponse]] = {
    "page": _page,
    "proof": _proof,
    "receipt": _receipt,
    "history": _history,
}


def _file(content: dict[str, Any], name: str) -> HttpResponse:
    return HttpResponse(
        json.dumps(content, ensure_ascii=False, indent=2),
        content_type="application/json; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


def panel(request: HttpRequest, contact: Contact) -> panels.Panel | None:
    if not request.user.has_perms([EVENTS, EVIDENCE]):
        return None
    return panels.Panel(
        _("Proof and receipts"), "admin/consent/proofs.html", {"known": known(contact)}
    )


panels.register(panel, position=36)
