"""Topics and the words beside their boxes: drafted, published, and from then on kept as they are."""

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from consent import services
from consent.models import Topic, Wording
from contacts import segments
from contacts import services as contacts
from contacts.admin import acts
from contacts.admin.lists import Kept, OwnFilters, ReadOnly, in_language
from contacts.models import Channel, Segment

STATUS_COLORS = {"published": "success", "retired": "danger", "draft": "warning"}
YEARS = [
    (365, _("1 year")),
    (2 * 365, _("2 years")),
    (3 * 365, _("3 years")),
]

ENDS = {
    Topic.Use.MESSAGE: _(
        "Nothing more is sent on it and it is offered to nobody. Permissions and proofs stay."
    ),
    Topic.Use.DATA: _(
        "This use of data ends and is offered to nobody: what is kept by it alone is erased by the next"
        " run of retention, within a day. Permissions and proofs stay; published again before that run,"
        " nothing is lost."
    ),
}


# What people read of a topic, in every language but the one its own columns are written in.
READ = {
    "public_name": (_("Public name"), UnfoldAdminTextInputWidget),
    "description": (_("Description"), UnfoldAdminTextareaWidget),
    "frequency": (_("Frequency"), UnfoldAdminTextInputWidget),
}
OFFERED = (("offers_email", "offers_sms"), ("double_opt_in", "is_public"), "position")
OTHERS = [(code, name) for code, name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]


class TopicForm(forms.ModelForm):
    """A topic with its translations as plain fields, named like `public_name_fr`."""

    class Meta:
        model = Topic
        fields = (
            "public_name", "key", "use", "description", "frequency", "offers_email", "offers_sms",
            "double_opt_in", "is_public", "position", "covers_measurement",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for code, _name in OTHERS:
            known = self.instance.translations.get(code, {})
            for part in READ:
                if f"{part}_{code}" in self.fields:
                    self.fields[f"{part}_{code}"].initial = known.get(part, "")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        use = cleaned.get("use") or self.instance.use
        if cleaned.get("covers_measurement") and use != Topic.Use.DATA:
            self.add_error("covers_measurement", _("Only a use of data can permit measurement."))
        return cleaned

    def save(self, commit: bool = True) -> Any:
        for code, _name in OTHERS:
            words = {part: self.cleaned_data.get(f"{part}_{code}", "").strip() for part in READ}
            self.instance.translations[code] = {part: text for part, text in words.items() if text}
        return super().save(commit)


def _translated_fields() -> dict[str, Any]:
    """The declared fields of the form for each part in each other language."""
    return {
        f"{part}_{code}": forms.CharField(label=label, required=False, widget=widget)
        for code, _name in OTHERS
        for part, (label, widget) in READ.items()
    }


TranslatedTopicForm = type("TranslatedTopicForm", (TopicForm,), _translated_fields())


class WordingInline(ReadOnly, TabularInline):
    model = Wording
    fields = ("channel", in_language, "version", "text", "published_at")
    readonly_fields = fields
    ordering = ("channel", "language", "-version")
    extra = 0
    max_num = 0
    show_change_link = True


@admin.register(Topic)
class TopicAdmin(Kept, ModelAdmin):
    empty_text = _(
        "A topic is what people say yes to: name it, say how often, publish it, then publish the "
        "words beside its box."
    )
    form = TranslatedTopicForm
    list_display = (
        "called",
        "key",
        "state",
        "use",
        "offered_on",
        "double_opt_in",
        "how_often",
    )
    list_filter = (("status", ChoicesDropdownFilter), ("use", ChoicesDropdownFilter))
    search_fields = ("key", "public_name")
    ordering = ("position", "key")
    actions_detail = ("publish", "retire")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("status",)
        # What people said yes to is not made to mean more.
        is_draft = obj.status == Topic.Status.DRAFT and obj.use == Topic.Use.DATA
        return ("status", "key", "use", *(() if is_draft else ("covers_measurement",)))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        may_write = self.has_change_permission(request, obj) if obj else True
        is_use = obj is None or obj.use == Topic.Use.DATA
        measuring = ("covers_measurement",) if is_use else ()
        translated: list[Any] = [
            (name, {"fields": tuple(f"{part}_{code}" for part in READ), "classes": ["tab"]})
            for code, name in OTHERS
        ]
        return [
            (None, {"fields": ("public_name", ("key", "use"), "status", *measuring)}),
            (_("What people read"), {"fields": ("description", "frequency")}),
            *(translated if may_write else [(_("Translations"), {"fields": ("translations",)})]),
            (_("How it is offered"), {"fields": OFFERED}),
        ]

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return [WordingInline] if obj and obj.wordings.exists() else []

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        # The translations are fields of the form, not of the model: the factory must not look there.
        kwargs["fields"] = TopicForm.Meta.fields
        return super().get_form(request, obj, change, **kwargs)

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else {"key": ("public_name",)}

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        topic = self.get_object(request, str(object_id))
        possible = {
            "publish": topic and topic.status != Topic.Status.PUBLISHED,
            "retire": topic and topic.status == Topic.Status.PUBLISHED,
        }
        allowed = super().get_actions_detail(request, object_id)
        return [
            each for each in allowed if possible[each.action_name.removeprefix("consent_topic_")]
        ]

    def has_publish_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm("consent.publish_topic"))

    @display(description=_("public name"), ordering="public_name")
    def called(self, topic: Topic) -> str:
        return topic.name

    @display(description=_("frequency"))
    def how_often(self, topic: Topic) -> str:
        return topic.text("frequency")

    @display(description=_("status"), label=STATUS_COLORS)
    def state(self, topic: Topic) -> tuple[str, str]:
        return topic.status, topic.get_status_display()

    @display(description=_("offered by"))
    def offered_on(self, topic: Topic) -> str:
        return ", ".join(str(channel.label) for channel in topic.channels)

    @action(
        description=_("Publish"),
        url_path="publish",
        permissions=["publish"],
        variant=ActionVariant.PRIMARY,
    )
    def publish(self, request: HttpRequest, object_id: str) -> HttpResponse:
        topic = acts.load(self, request, object_id)
        return acts.ask(
            self,
            request,
            topic,
            title=_("Publish this topic"),
            sentence=_(
                "People can then say yes to it, and campaigns can be sent to those who did."
            ),
            button=_("Publish"),
            act=lambda: services.publish_topic(topic=topic),
            done=_("The topic is published."),
            refusals=(services.ConsentError,),
        )

    @action(
        description=_("Retire"),
        url_path="retire",
        permissions=["publish"],
        variant=ActionVariant.DANGER,
    )
    def retire(self, request: HttpRequest, object_id: str) -> HttpResponse:
        topic = acts.load(self, request, object_id)
        return acts.ask(
            self,
            request,
            topic,
            title=_("Retire this topic"),
            sentence=ENDS[Topic.Use(topic.use)],
            button=_("Retire"),
            act=lambda: services.retire_topic(topic=topic),
            done=_("The topic is retired."),
            refusals=(services.ConsentError,),
            template="admin/consent/retire_topic.html",
            **(_ending_with(topic) if topic.use == Topic.Use.DATA else {}),
        )


def _ending_with(topic: Topic) -> dict[str, Any]:
    """What is kept by a use of data alone, and which segments ask who permits it."""
    condition = f"permission.{topic.key}.{Channel.DATA}"
    return {
        "fields": contacts.kept_by_use(topic.key),
        "segments": [
            segment
            for segment in Segment.objects.order_by("name")
            if condition in segments.conditions_of(segment.rule)
        ],
    }


class WordingForm(forms.ModelForm):
    language = forms.ChoiceField(
        label=_("Language"), choices=settings.LANGUAGES, widget=UnfoldAdminSelectWidget
    )
    valid_for = forms.TypedChoiceField(
        label=_("Valid for"),
        choices=YEARS,
        coerce=lambda days: timedelta(days=int(days)),
        initial=3 * 365,
        widget=UnfoldAdminSelectWidget,
        help_text=_("After that the permission expires, and the person is asked again."),
    )

    class Meta:
        model = Wording
        fields = ("topic", "channel", "language", "text", "valid_for", "is_material")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "valid_for" in self.fields:
            self.initial["valid_for"] = self.instance.valid_for.days


@admin.register(Wording)
class WordingAdmin(OwnFilters, ModelAdmin):
    empty_text = _(
        "The exact words beside each box, per topic, channel and language. Published words are "
        "kept for good."
    )
    form = WordingForm
    list_display = (
        "topic", "channel", in_language, "version", "state", "beginning", "published_at",
    )  # fmt: skip
    list_filter = (("topic", RelatedDropdownFilter), ("channel", ChoicesDropdownFilter))
    list_select_related = ("topic",)
    ordering = ("topic__key", "channel", "language", "-version")
    sortable_by = ()
    readonly_fields = ("version", "digest", "author", "published_at", "publisher")
    actions_detail = ("publish",)
    actions = None

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        written: tuple[None, dict[str, Any]] = (None, {"fields": WordingForm.Meta.fields})
        if obj is None:
            return [written]
        if _is_published(obj):
            written[1]["fields"] = ("topic", "channel", in_language, "text", "lasts", "is_material")
        return [written, (_("Version"), {"fields": self.readonly_fields})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[Any, ...]:
        return (*self.readonly_fields, in_language, "lasts")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name in {"language", "valid_for"}:
            return WordingForm.base_fields[db_field.name]
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _is_published(obj) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return (
            obj is not None
            and not _is_published(obj)
            and bool(super().has_delete_permission(request, obj))
        )

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        wording = self.get_object(request, str(object_id))
        return [] if _is_published(wording) else super().get_actions_detail(request, object_id)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if not change:
            same = Wording.objects.filter(
                topic=obj.topic, channel=obj.channel, language=obj.language
            )
            obj.version = (same.aggregate(last=Max("version"))["last"] or 0) + 1
            obj.author = request.user
        super().save_model(request, obj, form, change)

    def has_publish_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return bool(request.user.has_perm("consent.publish_wording"))

    @display(description=_("state"), label={"published": "success", "draft": "warning"})
    def state(self, wording: Wording) -> tuple[str, Any]:
        return ("published", _("published")) if wording.published_at else ("draft", _("draft"))

    @display(description=_("valid for"))
    def lasts(self, wording: Wording) -> Any:
        days = wording.valid_for.days
        return dict(YEARS).get(days) or _("%(days)s days") % {"days": days}

    @display(description=_("text beside the box"))
    def beginning(self, wording: Wording) -> str:
        return f"{wording.text[:80]}…" if len(wording.text) > 80 else wording.text

    @action(
        description=_("Publish"),
        url_path="publish",
        permissions=["publish"],
        variant=ActionVariant.PRIMARY,
    )
    def publish(self, request: HttpRequest, object_id: str) -> HttpResponse:
        wording = acts.load(self, request, object_id)
        return acts.ask(
            self,
            request,
            wording,
            title=_("Publish these words"),
            sentence=_("They stand beside the box from now on and can never be changed again."),
            button=_("Publish"),
            act=lambda: services.publish_wording(wording=wording, publisher_id=request.user.pk),
            done=_("The words are published."),
            refusals=(services.ConsentError,),
            template="admin/consent/publish_wording.html",
        )


def _is_published(wording: object) -> bool:
    return isinstance(wording, Wording) and wording.published_at is not None
