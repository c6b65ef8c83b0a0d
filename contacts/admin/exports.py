"""Files of people in clear: asked for with a reason, approved by a second person where needed, fetched."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget

from contacts import exports, services
from contacts.admin import acts
from contacts.admin.lists import BigList, ReadOnly, figure
from contacts.admin.names import VIEW_IDENTITY
from contacts.models import Export, Segment

EXPORT, APPROVE = "contacts.export_identities", "contacts.approve_export"
REFUSALS = (services.ContactError,)


class AskForm(acts.ReasonForm):
    segment = forms.ModelChoiceField(
        label=_("Which people?"),
        queryset=Segment.objects.order_by("name"),
        required=False,
        empty_label=_("Everybody"),
        widget=UnfoldAdminSelectWidget,
    )
    field_order = ("segment", "reason")


@admin.register(Export)
class ExportAdmin(ReadOnly, BigList):
    empty_text = _(
        "Nobody took people out in a file yet. Each file is asked for with a reason that is noted."
    )
    list_display = (
        "asked_at",
        "asked_by",
        "whom",
        figure("people", _("people when it was asked for")),
        "standing",
        "fetched_at",
    )
    list_select_related = ("asked_by",)
    fields = (
        "whom", "people", "reason", "asked_by", "asked_at", "stands", "approved_by", "fetched_at",
    )  # fmt: skip
    readonly_fields = fields
    actions_detail = ("approve", "fetch")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("contacts.view_export"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return bool(request.user.has_perms([EXPORT, VIEW_IDENTITY]))

    def has_approve_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        asked = Export.objects.filter(pk=object_id).first()
        is_wanted = asked is not None and not exports.is_approved(asked)
        is_own = asked is not None and asked.asked_by_id == request.user.pk
        return bool(request.user.has_perm(APPROVE)) and is_wanted and not is_own

    def has_fetch_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        asked = Export.objects.filter(pk=object_id, asked_by_id=request.user.pk)
        return self.has_add_permission(request) and asked.exists()

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = AskForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                asked = exports.ask(staff_id=request.user.pk, **form.cleaned_data)
            except REFUSALS as refusal:
                form.add_error("segment", str(refusal))
            else:
                messages.success(request, _("The file can be fetched here."))
                return redirect(acts.url_of(self, asked))
        return acts.show(
            self,
            request,
            None,
            "admin/desk/act.html",
            title=_("Ask for a file of people"),
            sentence=_sentence(),
            button=_("Ask"),
            form=form,
            back=reverse("admin:contacts_export_changelist"),
        )

    @action(
        description=_("Approve"),
        url_path="approve",
        permissions=["approve"],
        variant=ActionVariant.PRIMARY,
    )
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        asked = acts.load(self, request, object_id)
        sentence = _("%(who)s asks for the names and addresses of %(people)s people: “%(why)s”")
        return acts.ask(
            self,
            request,
            asked,
            title=_("Approve"),
            sentence=sentence
            % {"who": asked.asked_by, "people": intcomma(asked.people), "why": asked.reason},
            button=_("Approve"),
            act=lambda: exports.approve(export=asked, staff_id=request.user.pk),
            done=_("The file can be fetched by the person who asked for it."),
            refusals=REFUSALS,
        )

    @action(
        description=_("Fetch the file"),
        url_path="fetch",
        permissions=["fetch"],
        variant=ActionVariant.PRIMARY,
    )
    def fetch(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        asked = acts.load(self, request, object_id)
        if request.method == "POST":
            try:
                lines = exports.fetch(export=asked, staff_id=request.user.pk, now=timezone.now())
            except REFUSALS as refusal:
                messages.error(request, str(refusal))
                return redirect(acts.url_of(self, asked))
            return _file(asked, lines)
        return acts.show(
            self,
            request,
            asked,
            "admin/desk/act.html",
            title=_("Fetch the file"),
            sentence=_("Names and addresses leave this house. That you fetched them is noted."),
            button=_("Fetch the file"),
            back=acts.url_of(self, asked),
        )

    @display(description=_("people"))
    def whom(self, asked: Export) -> Any:
        return asked.segment_name or _("everybody")

    @display(description=_("state"))
    def stands(self, asked: Export) -> Any:
        return self.standing(asked)[1]

    @display(
        description=_("state"),
        label={"waiting": "warning", "ready": "success", "over": "default"},
    )
    def standing(self, asked: Export) -> tuple[str, Any]:
        if exports.is_over(asked, now=timezone.now()):
            return "over", _("over")
        if exports.is_approved(asked):
            return "ready", _("ready")
        return "waiting", _("waits for a second person")


def _sentence() -> Any:
    words = _("At most %s people, as a table for spreadsheets, with your reason noted.")
    sentence = words % intcomma(settings.EXPORT_ROWS)
    if settings.EXPORT_NEEDS_SECOND_PERSON:
        sentence = f"{sentence} {_('A second person has to approve it before it can be fetched.')}"
    return sentence


def _file(asked: Export, lines: Any) -> StreamingHttpResponse:
    headers = {
        "Content-Disposition": f'attachment; filename="people-{asked.pk}.csv"',
        "Cache-Control": "no-store",
    }
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)
