"""The page of a campaign: composed as a draft, and from then on looked at."""

import re
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import linebreaksbr
from django.utils.text import capfirst
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from unfold.admin import StackedInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from campaigns import versions
from campaigns.admin import (
    audience,
    dashboard,
    mending,
    moves,
    one_person,
    preview,
    progress,
    result,
    workspace,
)
from campaigns.models import Campaign, CampaignContent
from consent.models import Topic
from contacts.admin.lists import BigList, in_language
from contacts.admin.overwriting import NotOverwritten, Saved, SeenForm
from contacts.models import Channel

STATE_COLORS = {
    "draft": "default",
    "scheduled": "info",
    "sending": "primary",
    "paused": "warning",
    "held": "danger",
    "sent": "success",
    "cancelled": "default",
}
NO_DRAFT = _(
    "This campaign was scheduled or cancelled after you opened it, and can no longer be changed. What "
    "you wrote stands below, not saved: copy what you need."
)


class ContentForm(forms.ModelForm):
    language = forms.ChoiceField(
        label=_("Language"), choices=settings.LANGUAGES, widget=UnfoldAdminSelectWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kept = self.instance.language
        if kept and kept not in dict(settings.LANGUAGES):
            # Words that were written stay, whatever this house writes in by now.
            known = [*settings.LANGUAGES, (kept, kept)]
            self.fields["language"].choices = known  # type: ignore[attr-defined]
        if not self.instance.pk:
            # Whoever has the desk in French most likely writes French.
            self.initial["language"] = get_language()

    class Meta:
        model = CampaignContent
        fields = ("language", "layout", "markup", "subject", "preheader", "body")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        is_email = self.data.get("channel", Channel.EMAIL) == Channel.EMAIL
        if is_email and not cleaned.get("subject") and "subject" not in self.errors:
            self.add_error("subject", _("An email needs a subject."))
        return cleaned


class CampaignForm(SeenForm):
    def hold(self) -> None:
        """Nor is changed what was scheduled meanwhile."""
        saved = Campaign.objects.select_for_update(of=("self",)).filter(pk=self.instance.pk).first()
        if not saved or saved.state != Campaign.State.DRAFT:
            raise forms.ValidationError(NO_DRAFT)

    def version(self) -> str:
        return versions.digest(self.instance.pk)


class ContentInline(StackedInline):
    model = CampaignContent
    verbose_name = _("language")
    verbose_name_plural = _("contents")
    form = ContentForm
    extra = 0
    min_num = 1
    ordering = ("pk",)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        is_open = self.has_change_permission(request, obj)
        language, body = ("language", "body") if is_open else (in_language, "words")
        return ((None, {"fields": ((language, "layout"), "subject", "preheader", "markup", body)}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[Any, ...]:
        return () if self.has_change_permission(request, obj) else (in_language, "words")

    @display(description=_("body"))
    def words(self, content: CampaignContent) -> str:
        """The body with its lines, where it is only looked at."""
        return linebreaksbr(content.body)

    def get_max_num(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return len(settings.LANGUAGES)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "language":
            return ContentForm.base_fields["language"]
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    # Whoever may change a draft may change what it says.
    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_draft(obj) and request.user.has_perm("campaigns.change_campaign")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj)


@admin.register(Campaign)
class CampaignAdmin(NotOverwritten, BigList):
    empty_text = _(
        "A campaign is one message to everybody who said yes to its topic. Write it, look at it "
        "as any contact, see who will get it, then schedule it."
    )
    list_display = (
        "name",
        "topic_name",
        "channel",
        "stage",
        "send_at",
        "started_at",
        "finished_at",
    )
    list_filter = (("state", ChoicesDropdownFilter), ("topic", RelatedDropdownFilter))
    list_select_related = ("topic",)
    search_fields = ("name",)
    form = CampaignForm
    inlines = (ContentInline,)
    autocomplete_fields = ("segments", "excluded_segments")
    warn_unsaved_form = True
    change_form_outer_before_template = "admin/campaigns/state.html"
    change_form_outer_after_template = "admin/campaigns/composer.html"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "name",
                    ("topic", "channel"),
                    "segments",
                    "excluded_segments",
                    "sender",
                    "is_measured",
                )
            },
        ),
    )

    def get_custom_urls(self) -> tuple[Any, ...]:
        pages = {
            "preview": preview.show_preview,
            "live": preview.show_live,
            "readers": preview.list_readers,
            "audience": audience.show_audience,
            "progress": progress.show_progress,
            "counts": progress.show_counts,
            "settle": progress.settle,
            "result": result.show_result,
            "person": one_person.show_person,
            **moves.PAGES,
        }
        return (
            ("running/", "campaigns_campaign_running", dashboard.show_running),
            ("live/", "campaigns_campaign_live_new", preview.show_live),
            *(
                (f"<int:object_id>/{name}/", f"campaigns_campaign_{name}", page)
                for name, page in pages.items()
            ),
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset(request)
        return found.select_related("topic", "sender", "asked_by", "approved_by")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is only looked at names its topic as people know it."""
        can_measure = (obj and obj.is_measured) or Topic.objects.measuring().exists()
        shown: tuple[Any, ...] = self.fieldsets[0][1]["fields"]
        if not can_measure:
            shown = tuple(name for name in shown if name != "is_measured")
        if obj is not None and not self.has_change_permission(request, obj):
            shown = (shown[0], ("topic_name", "channel"), *shown[2:])
        return ((None, {"fields": shown}),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        is_written = obj is None or self.has_change_permission(request, obj)
        return () if is_written else ("topic_name",)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with it, without the rows that only tie it to segments, which stay."""
        listed, counts, missing, protected = super().get_deleted_objects(objs, request)
        ties = [field.remote_field.through._meta for field in self.opts.many_to_many]
        for tie in ties:
            counts.pop(tie.verbose_name_plural, None)
        starts = tuple(f"{capfirst(tie.verbose_name)}: " for tie in ties)
        kept = [_without(each, starts) for each in listed]
        return kept, counts, missing, protected

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_draft(obj) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (
            obj is not None and _is_draft(obj) and bool(super().has_delete_permission(request, obj))
        )

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "topic":
            carries = Q(status=Topic.Status.PUBLISHED, use=Topic.Use.MESSAGE)
            kwargs["queryset"] = Topic.objects.filter(carries).order_by("position", "key")
            field = super().formfield_for_foreignkey(db_field, request, **kwargs)
            field.label_from_instance = lambda topic: topic.name
            return field
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            obj.save(update_fields=[name for name in versions.COMPOSED if name in form.fields])
            return
        obj.author = request.user
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        edited = form.has_changed() or any(formset.has_changed() for formset in formsets)
        if change and edited:
            form.instance.editors.add(request.user)

    def response_add(self, request: HttpRequest, obj: Any, *args: Any) -> HttpResponse:
        return _is_saved(request, super().response_add(request, obj, *args))

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return _is_saved(request, super().response_change(request, obj))

    def version(self, key: str) -> str:
        return versions.digest(int(key))

    def saved_now(self, obj: Campaign) -> list[Saved]:
        return [
            Saved(f"{said.language.upper()} · {said.subject}", said.body, said.preheader)
            for said in obj.contents.order_by("pk")
        ]

    def render_change_form(
        self,
        request: HttpRequest,
        context: Any,
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if _is_draft(obj):
            context["composer_fields"] = preview.composer_fields()
        if obj is not None:
            context |= workspace.surroundings(self, request, obj)
            if _is_draft(obj):
                context["findings"] = mending.findings(request, obj)
        page: HttpResponse = super().render_change_form(
            request, context, add, change, form_url, obj
        )
        return page

    @display(description=_("topic"))
    def topic_name(self, campaign: Campaign) -> str:
        return campaign.topic.name

    @display(description=_("state"), label=STATE_COLORS)
    def stage(self, campaign: Campaign) -> tuple[str, str]:
        return campaign.state, campaign.get_state_display()


def _is_saved(request: HttpRequest, page: HttpResponse) -> HttpResponse:
    """Tells the composer which of the words that the browser keeps are saved, by their random number."""
    if re.fullmatch(r"\d{1,10}-\d{1,10}", request.POST.get("_kept", "")):
        page.set_cookie(
            "desk_saved",
            request.POST["_kept"],
            secure=settings.SESSION_COOKIE_SECURE,
            samesite="Strict",
        )
    return page


def _without(listed: Any, starts: tuple[str, ...]) -> Any:
    """A nested list of lines without those that start so."""
    if not isinstance(listed, list):
        return listed
    return [
        _without(each, starts)
        for each in listed
        if isinstance(each, list) or not str(each).startswith(starts)
    ]


def _is_draft(campaign: object) -> bool:
    return not isinstance(campaign, Campaign) or campaign.state == Campaign.State.DRAFT
