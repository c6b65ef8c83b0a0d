"""Requests of people about their data: noted, due within a month, answered with one press, or refused."""

import json
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from consent import ledger, rights, services
from consent.models import Method
from contacts import rights as requests
from contacts import services as contacts
from contacts.admin import acts, panels
from contacts.admin.finding import find_person
from contacts.admin.lists import BigList, Kept, ReadOnly
from contacts.admin.names import VIEW_IDENTITY
from contacts.models import Contact, IdentityView, SubjectRequest

Kind = SubjectRequest.Kind
State = SubjectRequest.State
REFUSALS = (contacts.ContactError, services.ConsentError)
WHAT_HAPPENS = {
    Kind.ACCESS: _("You get a file with everything that is kept about this person, to hand over."),
    Kind.PORTABILITY: _(
        "You get a file with everything that is kept, to be read by another program."
    ),
    Kind.RECTIFICATION: _("Correct the contact first. This notes what was corrected."),
    Kind.RESTRICTION: _("The data is kept and used for nothing: no message goes to this person."),
    Kind.OBJECTION: _("All messages to this person stop, on every channel."),
    Kind.ERASURE: _(
        "Everything that names this person is erased for good. The pseudonym, the consent events"
        " without their evidence and the blocked address fingerprint stay."
    ),
}


class RequestForm(forms.ModelForm):
    request: HttpRequest
    person = forms.CharField(
        label=_("Who?"),
        max_length=320,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Exact email address, phone number or pseudonym"),
    )
    kind = forms.ChoiceField(
        label=_("Asks for"), choices=Kind.choices, widget=UnfoldAdminSelectWidget
    )
    how = forms.CharField(
        label=_("How it came, and how the person was recognized"),
        required=False,
        widget=UnfoldAdminTextareaWidget,
    )

    class Meta:
        model = SubjectRequest
        fields = ("kind", "how")

    def clean_person(self) -> Contact:
        contact = find_person(self.request, self.cleaned_data["person"])
        if contact is None:
            raise forms.ValidationError(_("Nobody is known under this address or pseudonym."))
        return contact


class AnswerForm(forms.Form):
    outcome = forms.CharField(
        label=_("What was done"), required=False, widget=UnfoldAdminTextareaWidget
    )


class RefusalForm(forms.Form):
    reason = forms.CharField(
        label=_("Why? The person can be told this."), widget=UnfoldAdminTextareaWidget
    )


@admin.register(SubjectRequest)
class SubjectRequestAdmin(Kept, BigList):
    form = RequestForm
    list_display = ("received_at", "asks_for", "person", "standing", "due_at", "settled_at")
    list_filter = (("state", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
    list_select_related = ("contact",)
    actions_detail = ("answer", "refuse")
    readonly_fields = (
        "contact", "kind", "state", "how", "received_at", "due_at", "outcome", "manifest", "handler",
        "settled_at",
    )  # fmt: skip

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.readonly_fields if obj else ("person", "kind", "how")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.readonly_fields if obj else ()

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj:
            return super().get_form(request, obj, change, **kwargs)
        return type(RequestForm.__name__, (RequestForm,), {"request": request})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            noted = requests.receive(
                contact=form.cleaned_data["person"],
                kind=form.cleaned_data["kind"],
                how=form.cleaned_data["how"],
            )
            obj.pk = noted.pk
            obj.refresh_from_db()

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        asked = self.get_object(request, str(object_id))
        is_open = asked is not None and asked.state == State.OPEN
        return super().get_actions_detail(request, object_id) if is_open else []

    @action(
        description=_("Answer"),
        url_path="answer",
        permissions=["change"],
        variant=ActionVariant.PRIMARY,
    )
    def answer(self, request: HttpRequest, object_id: str) -> HttpResponse:
        asked = acts.load(self, request, object_id)
        form = AnswerForm(request.POST or None)
        is_export = asked.kind in {Kind.ACCESS, Kind.PORTABILITY}
        if is_export and request.method == "POST":
            return self._export(request, asked)
        return acts.ask(
            self,
            request,
            asked,
            title=asked.get_kind_display(),
            sentence=WHAT_HAPPENS[asked.kind],
            button=_("Export") if is_export else _("Do it"),
            form=form,
            act=lambda outcome: _fulfill(asked, request.user.pk, outcome),
            done=_("The request is answered."),
            refusals=REFUSALS,
        )

    def _export(self, request: HttpRequest, asked: SubjectRequest) -> HttpResponse:
        if not request.user.has_perm(VIEW_IDENTITY):
            raise PermissionDenied
        try:
            with transaction.atomic():
                kept = requests.export(contact=asked.contact)
                requests.settle(request=asked, handler_id=request.user.pk)
                contacts.note_identity_view(
                    staff_id=request.user.pk, contact=asked.contact, reason=f"request {asked.pk}"
                )
        except REFUSALS as refusal:
            messages.error(request, str(refusal))
            return redirect(acts.url_of(self, asked))
        body = json.dumps(kept, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)
        name = f"{asked.contact.pseudonym}.json"
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        }
        return HttpResponse(body, content_type="application/json; charset=utf-8", headers=headers)

    @action(description=_("Refuse"), url_path="refuse", permissions=["change"])
    def refuse(self, request: HttpRequest, object_id: str) -> HttpResponse:
        asked = acts.load(self, request, object_id)
        return acts.ask(
            self,
            request,
            asked,
            title=_("Refuse"),
            sentence=_("The person has to be told why, and may complain to the authority."),
            button=_("Refuse"),
            form=RefusalForm(request.POST or None),
            act=lambda reason: requests.refuse(
                request=asked, handler_id=request.user.pk, reason=reason
            ),
            done=_("The request is refused."),
            refusals=REFUSALS,
        )

    @display(description=_("asks for"))
    def asks_for(self, asked: SubjectRequest) -> str:
        return asked.get_kind_display()

    @display(description=_("contact"))
    def person(self, asked: SubjectRequest) -> str:
        return asked.contact.pseudonym

    @display(
        description=_("state"), label={"overdue": "danger", "open": "warning", "done": "success"}
    )
    def standing(self, asked: SubjectRequest) -> tuple[str, Any]:
        if asked.state == State.OPEN and asked.due_at < timezone.now():
            return "overdue", _("overdue")
        return asked.state, asked.get_state_display()


def _fulfill(asked: SubjectRequest, staff_id: int | None, outcome: str) -> None:
    """Do what was asked and note it, then wait until nothing is on its way to the person."""
    with transaction.atomic():
        manifest = _DOING[Kind(asked.kind)](asked.contact, staff_id)
        requests.settle(request=asked, handler_id=staff_id, outcome=outcome, manifest=manifest)
    services.answer_is_final(contact=asked.contact, topic=None, channel="")


def _restrict(contact: Contact, staff_id: int | None) -> dict[str, int]:
    rights.restrict(contact=contact, actor=ledger.staff(staff_id))
    return {}


def _object(contact: Contact, staff_id: int | None) -> dict[str, int]:
    services.object_to_everything(
        contact=contact, method=Method.STAFF, actor=ledger.staff(staff_id)
    )
    return {}


_DOING: dict[Kind, Callable[[Contact, int | None], dict[str, int]]] = {
    Kind.RECTIFICATION: lambda _contact, _staff_id: {},
    Kind.RESTRICTION: _restrict,
    Kind.OBJECTION: _object,
    Kind.ERASURE: lambda contact, _staff_id: requests.erase(contact=contact),
}


@admin.register(IdentityView)
class IdentityViewAdmin(ReadOnly, BigList):
    list_display = ("viewed_at", "staff", "contact", "people", "reason")
    list_select_related = ("staff", "contact")


def requests_of(request: HttpRequest, contact: Contact) -> panels.Panel | None:
    if not request.user.has_perm("contacts.view_subjectrequest"):
        return None
    rows = list(contact.requests.order_by("-received_at", "-pk")[:20])
    return (
        panels.Panel(_("Requests"), "admin/consent/requests.html", {"rows": rows}) if rows else None
    )


panels.register(requests_of, position=50)
