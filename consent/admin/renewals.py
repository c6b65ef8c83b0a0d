"""Renewals on the desk: which permissions near their end, who is being asked, and what came of it."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from consent import renewing
from consent.models import RenewalRound, Topic
from contacts import counting
from contacts.admin import acts
from contacts.admin.lists import Kept
from contacts.models import Channel


class RenewalForm(forms.ModelForm):
    """Which yes people are to be asked about, and how long before its end."""

    class Meta:
        model = RenewalRound
        fields = ("topic", "channel", "days_before")
        widgets = {
            "topic": UnfoldAdminSelectWidget,
            "channel": UnfoldAdminSelectWidget,
            "days_before": UnfoldAdminIntegerFieldWidget,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "topic" in self.fields:
            self.fields["topic"].queryset = Topic.objects.published().order_by("position", "key")  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        topic, channel = cleaned.get("topic"), cleaned.get("channel")
        if topic and channel:
            if channel not in topic.channels:
                self.add_error("channel", _("The topic is not offered on this channel."))
            elif RenewalRound.objects.running().filter(topic=topic, channel=channel).exists():
                self.add_error(None, str(renewing.RunningAlready()))
            elif not renewing.has_words(topic=topic, channel=channel):
                self.add_error(None, str(renewing.NothingToRenewTo()))
        return cleaned


@admin.register(RenewalRound)
class RenewalRoundAdmin(Kept, ModelAdmin):
    empty_text = _("Nobody is being asked to renew. Above you see where a yes nears its end.")
    form = RenewalForm
    list_display = ("topic", "channel", "state", "started_at", "stopped_at")
    list_select_related = ("topic",)
    list_before_template = "admin/consent/renewal_needs.html"
    change_form_outer_before_template = "admin/consent/renewal_progress.html"
    list_per_page = 50
    ordering = ("-pk",)
    actions = None
    actions_detail = ("stop",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        asked = ("topic", "channel", "days_before")
        return (*asked, "started_at", "started_by", "stopped_at") if obj else asked

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_stop_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm("consent.change_renewalround"))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        order = self.get_object(request, str(object_id))
        is_running = order is not None and order.stopped_at is None
        return super().get_actions_detail(request, object_id) if is_running else []

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        running = {
            (order.topic_id, order.channel): order for order in RenewalRound.objects.running()
        }
        needs, figure = renewing.needs()
        rows = [(need, running.get((need.topic.pk, need.channel.value))) for need in needs]
        context = {"needs": rows, "figure": figure, "may_start": self.has_add_permission(request)}
        return super().changelist_view(request, context | (extra_context or {}))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        order = self.get_object(request, object_id) if object_id else None
        context: dict[str, Any] = {"show_save_and_add_another": False}
        if order:
            progress, counted = renewing.progress(order)
            context = {"order": order, "progress": progress, "figure": counted}
        elif figure := self._due(request):
            context |= {"figure": figure, "due": figure.result}
        return super().changeform_view(
            request, object_id, form_url, context | (extra_context or {})
        )

    def _due(self, request: HttpRequest) -> counting.Figure | None:
        """How many people the start would ask now, where the address of the page says about what."""
        number = request.GET.get("topic", "")
        topic = Topic.objects.filter(pk=number).first() if number.isdecimal() else None
        channel = request.GET.get("channel", "")
        if request.method != "GET" or topic is None or channel not in topic.channels:
            return None
        days = RenewalRound._meta.get_field("days_before").default
        return renewing.due(topic=topic, channel=Channel(channel), days_before=days)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        order = renewing.start(
            topic=obj.topic,
            channel=obj.channel,
            days_before=obj.days_before,
            started_by_id=request.user.pk,
        )
        obj.pk = order.pk
        obj.refresh_from_db()

    @display(description=_("state"), label={"running": "success", "stopped": "info"})
    def state(self, order: RenewalRound) -> tuple[str, Any]:
        return ("stopped", _("stopped")) if order.stopped_at else ("running", _("running"))

    @action(
        description=_("Stop asking"),
        url_path="stop",
        permissions=["stop"],
        variant=ActionVariant.DANGER,
    )
    def stop(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = acts.load(self, request, object_id)
        return acts.ask(
            self,
            request,
            order,
            title=_("Stop asking"),
            sentence=_(
                "Nobody further is asked. Whoever was asked can still answer; silence still ends it."
            ),
            button=_("Stop asking"),
            act=lambda: renewing.stop(order=order),
            done=_("Nobody further is asked."),
            refusals=(),
        )
