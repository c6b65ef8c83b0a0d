"""Permissions as a list, the report of whom a topic may not reach and why, and other bases than consent."""

from datetime import UTC, datetime, time
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from consent import ledger, old_lists, services, soft_opt_in
from consent.gate import Reason
from consent.models import Permission, Topic
from consent.old_lists import Evidence
from contacts.admin import acts
from contacts.admin.finding import FindForm
from contacts.admin.lists import BigList, ReadOnly
from contacts.models import Channel

RECORD_BASIS = "consent.record_basis"
MESSAGES = [(at.value, at.label) for at in (Channel.EMAIL, Channel.SMS)]
STATE_COLORS = {
    "granted": "success",
    "pending": "info",
    "claimed": "info",
    "withdrawn": "danger",
    "objected": "danger",
    "complained": "danger",
    "refused": "danger",
}


class ReportForm(forms.Form):
    """Which topic, by which channel."""

    topic = forms.ModelChoiceField(
        label=_("Topic"),
        queryset=Topic.objects.none(),
        to_field_name="key",
        empty_label=None,
        widget=UnfoldAdminSelectWidget,
    )
    channel = forms.ChoiceField(
        label=_("Channel"), choices=MESSAGES, widget=UnfoldAdminSelectWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["topic"].queryset = message_topics()  # type: ignore[attr-defined]
        self.fields["topic"].label_from_instance = lambda topic: topic.name  # type: ignore[attr-defined]


class BasisForm(FindForm):
    """A customer, the topic of similar products, and every fact that the law asks to be shown."""

    topic = forms.ModelChoiceField(
        label=_("Topic"), queryset=Topic.objects.none(), widget=UnfoldAdminSelectWidget
    )
    channel = forms.ChoiceField(
        label=_("Channel"), choices=MESSAGES, widget=UnfoldAdminSelectWidget
    )
    sold_on = forms.DateField(
        label=_("Date of the sale"),
        input_formats=["%Y-%m-%d"],
        widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
    )
    sale = forms.CharField(
        label=_("The sale"),
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Its number or receipt: the address was given in it."),
    )
    products = forms.CharField(
        label=_("Similar products"),
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("What was bought, and why this topic is about similar things of our own."),
    )
    collected_by = forms.CharField(
        label=_("Collected by"),
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("The company that sold and asked for the address: nobody else may use it."),
    )
    refusal_offered = forms.CharField(
        label=_("How a refusal was offered"),
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text=_("At the collection and in each message: where, and in which words."),
    )

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.fields["topic"].queryset = message_topics()  # type: ignore[attr-defined]
        self.fields["topic"].label_from_instance = lambda topic: topic.name  # type: ignore[attr-defined]

    def clean_sold_on(self) -> datetime:
        sold_at = datetime.combine(self.cleaned_data["sold_on"], time(), UTC)
        if sold_at > timezone.now():
            raise forms.ValidationError(_("A sale that is still to come proves nothing."))
        return sold_at


def message_topics() -> Any:
    return Topic.objects.published().filter(use=Topic.Use.MESSAGE).order_by("position", "key")


@admin.register(Permission)
class PermissionAdmin(ReadOnly, BigList):
    empty_text = _(
        "Permissions come from people: at the sign-up form, or with an import that brings its "
        "evidence."
    )
    list_display = ("person", "topic_name", "channel", "standing", "since", "valid_until", "basis")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("topic", RelatedDropdownFilter),
        ("channel", ChoicesDropdownFilter),
        ("basis", ChoicesDropdownFilter),
    )
    list_select_related = ("contact", "topic")
    list_before_template = "admin/consent/permission_links.html"
    fields = (
        "contact", "topic", "channel", "state", "stopped", "since", "fresh_at", "valid_until",
        "basis", "method", "wording", "event",
    )  # fmt: skip
    readonly_fields = fields

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("unmailable/", view(self.unmailable), name="consent_permission_unmailable"),
            path("record-basis/", view(self.record_basis), name="consent_permission_record_basis"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        may_record = settings.SOFT_OPT_IN_REASON and request.user.has_perm(RECORD_BASIS)
        page: HttpResponse = super().changelist_view(
            request, {"may_record_basis": may_record, **(extra_context or {})}
        )
        return page

    @display(description=_("contact"))
    def person(self, permission: Permission) -> str:
        return permission.contact.pseudonym

    @display(description=_("topic"))
    def topic_name(self, permission: Permission) -> Any:
        return permission.topic.name if permission.topic else _("every topic")

    @display(description=_("state"), label=STATE_COLORS)
    def standing(self, permission: Permission) -> tuple[str, Any]:
        return permission.state, permission.get_state_display()

    def unmailable(self, request: HttpRequest) -> TemplateResponse:
        """N people you may not mail, and why: by what can be shown of each person's consent."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        first = message_topics().first()
        at_first = {"topic": first.key, "channel": Channel.EMAIL} if first else None
        form = ReportForm(request.GET if "topic" in request.GET else at_first)
        figure = old_lists.look(**form.cleaned_data) if form.is_valid() else None
        lines = old_lists.lines_of(figure.result or ()) if figure else []
        return acts.show(
            self,
            request,
            None,
            "admin/consent/unmailable.html",
            title=_("Whom you may not mail"),
            form=form,
            figure=figure,
            has_topics=first is not None,
            unmailable=sum(line.people for line in lines if line.reason),
            mailable=sum(line.people for line in lines if not line.reason),
            classes=[
                (
                    evidence,
                    sum(line.people for line in lines if line.evidence == evidence),
                    [
                        (Reason(line.reason).label, line.people)
                        for line in lines
                        if line.evidence == evidence and line.reason
                    ],
                )
                for evidence in Evidence
            ],
        )

    def record_basis(self, request: HttpRequest) -> HttpResponse:
        """Record soft opt-in for one customer, where it is switched on; a no or an ended yes stays."""
        if not request.user.has_perm(RECORD_BASIS):
            raise PermissionDenied
        form = BasisForm(request)
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            facts = {
                name: given[name]
                for name in ("sale", "products", "collected_by", "refusal_offered")
            }
            try:
                soft_opt_in.record(
                    contact=given["person"],
                    topic=given["topic"],
                    channel=given["channel"],
                    facts=soft_opt_in.Facts(**facts),
                    occurred_at=given["sold_on"],
                    actor=ledger.staff(request.user.pk),
                )
            except services.ConsentError as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, str(_("Recorded, with its facts.")))
                return redirect(reverse("admin:consent_permission_record_basis"))
        return acts.show(
            self,
            request,
            None,
            "admin/consent/record_basis.html",
            title=_("Record soft opt-in"),
            sentence=_(
                "Customers may be written to about similar products until they refuse, where the law says so."
                " It is no consent, and never follows a no."
            ),
            button=_("Record"),
            form=form,
            back=reverse("admin:index"),
            reason=settings.SOFT_OPT_IN_REASON,
        )
