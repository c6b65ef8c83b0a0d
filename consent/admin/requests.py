"""Requests of people about their data: noted, due within a month, answered with one press, or refused."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from consent.admin import fulfilling
from consent.admin.fulfilling import REFUSALS
from contacts import rights as requests
from contacts.admin import acts, panels
from contacts.admin.lists import BigList, ReadOnly
from contacts.admin.noting import Noted, NoteForm
from contacts.models import Contact, IdentityView, SubjectRequest

Kind = SubjectRequest.Kind
State = SubjectRequest.State


class RequestForm(NoteForm):
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


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=_("Why? The person can be told this."), widget=UnfoldAdminTextareaWidget
    )


@admin.register(SubjectRequest)
class SubjectRequestAdmin(Noted):
    """What is open stands first, the longest overdue on top; then what was settled, the newest on top."""

    empty_text = _(
        "Nobody asks for anything. Requests that people make by themselves are noted here, too; "
        "those by letter or phone you add."
    )
    form = RequestForm
    list_display = ("asks_for", "person", "standing", "due", "received_at", "settled_at")
    list_filter = (("state", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
    list_per_page = 50
    show_full_result_count = False
    sortable_by = ()
    actions = None
    actions_detail = ("answer", "tell", "extend", "refuse")
    change_form_outer_before_template = "admin/consent/request.html"
    readonly_fields = (
        "contact", "kind", "state", "how", "received_at", "due_at", "extended_because", "outcome",
        "manifest", "handler", "settled_at", "processors_told_at",
    )  # fmt: skip

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What was touched, and why it takes longer, is told once there is something to tell."""
        fields = super().get_fields(request, obj)
        untold = {
            name for name in ("manifest", "extended_because") if obj and not getattr(obj, name)
        }
        return [name for name in fields if name not in untold]

    def get_queryset(self, request: HttpRequest) -> Any:
        """People by their keys: joined, all of them would be read before the requests are sorted."""
        return super().get_queryset(request).prefetch_related("contact")

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        return (F("settled_at").desc(nulls_first=True), "due_at", "-pk")

    def render_change_form(
        self,
        request: HttpRequest,
        context: Any,
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            context |= fulfilling.told(obj)
        page: HttpResponse = super().render_change_form(
            request, context, add, change, form_url, obj
        )
        return page

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
        """Whatever the request still waits for; a file can be had again."""
        asked = self.get_object(request, str(object_id))
        possible = fulfilling.possible(asked) if asked else set()
        offered = super().get_actions_detail(request, object_id)
        return [each for each in offered if each.action_name.rpartition("_")[2] in possible]

    @action(
        description=_("Answer"),
        url_path="answer",
        permissions=["change"],
        variant=ActionVariant.PRIMARY,
    )
    def answer(self, request: HttpRequest, object_id: str) -> HttpResponse:
        asked = acts.load(self, request, object_id)
        return fulfilling.answer(self, request, asked)

    @action(description=_("Processors were told"), url_path="told", permissions=["change"])
    def tell(self, request: HttpRequest, object_id: str) -> HttpResponse:
        asked = acts.load(self, request, object_id)
        return acts.ask(
            self,
            request,
            asked,
            title=_("Processors were told"),
            sentence=_("You told everybody on this list what became of the data (GDPR art. 19)."),
            button=_("They were told"),
            act=lambda: requests.note_processors_told(request=asked),
            done=_("It is noted that they were told."),
            refusals=REFUSALS,
            template="admin/consent/tell.html",
            **fulfilling.told(asked),
        )

    @action(description=_("Take two more months"), url_path="extend", permissions=["change"])
    def extend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        asked = acts.load(self, request, object_id)
        return acts.ask(
            self,
            request,
            asked,
            title=_("Take two more months"),
            sentence=_(
                "For what is complex, or one of many (GDPR art. 12(3)). The person has to be told within the"
                " first month; on their own page they read it at once."
            ),
            button=_("Take two more months"),
            form=ReasonForm(request.POST or None),
            act=lambda reason: requests.extend(request=asked, reason=reason),
            done=_("The request is due two months later."),
            refusals=REFUSALS,
        )

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
            form=ReasonForm(request.POST or None),
            act=lambda reason: requests.refuse(
                request=asked, handler_id=request.user.pk, reason=reason
            ),
            done=_("The request is refused."),
            refusals=REFUSALS,
        )

    @display(description=_("due"))
    def due(self, asked: SubjectRequest) -> Any:
        return fulfilling.days_left(asked)

    @display(description=_("asks for"))
    def asks_for(self, asked: SubjectRequest) -> str:
        return asked.get_kind_display()

    @display(
        description=_("state"), label={"overdue": "danger", "open": "warning", "done": "success"}
    )
    def standing(self, asked: SubjectRequest) -> tuple[str, Any]:
        if asked.state == State.OPEN and asked.due_at < timezone.now():
            return "overdue", _("overdue")
        return asked.state, asked.get_state_display()


@admin.register(IdentityView)
class IdentityViewAdmin(ReadOnly, BigList):
    empty_text = _("Who looked at names and addresses, whose, when and why.")
    list_display = ("viewed_at", "staff", "contact", "export", "people", "reason")
    list_select_related = ("staff", "contact", "export")


def requests_of(request: HttpRequest, contact: Contact) -> panels.Panel | None:
    if not request.user.has_perm("contacts.view_subjectrequest"):
        return None
    rows = list(contact.requests.order_by("-received_at", "-pk")[:20])
    return (
        panels.Panel(_("Requests"), "admin/consent/requests.html", {"rows": rows}) if rows else None
    )


panels.register(requests_of, position=50)
