"""Registered fields, each with the case for keeping it, processors, and lists kept by hand."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.views import ChangeList

from contacts import choices, fields
from contacts.admin import acts, processing, retention
from contacts.admin.lists import Kept
from contacts.admin.translated_fields import (
    TRANSLATED,
    DataFieldForm,
    ReplaceForm,
    TranslatedDataFieldForm,
)
from contacts.models import DataField, Processor

USED = ("used_in_segment_at", "used_in_template_at", "used_in_import_at")


class FieldList(ChangeList):
    """The list, with the fields marked that nothing has used for a year."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        unused = {field.pk for field in fields.unused()}
        self.result_list = list(self.result_list)
        for field in self.result_list:
            field.is_unused = field.pk in unused


@admin.register(DataField)
class DataFieldAdmin(Kept, ModelAdmin):
    empty_text = _(
        "A field is one thing that may be known of a person, with the case for keeping it. What is "
        "not registered here is not kept."
    )
    form = TranslatedDataFieldForm
    list_display = (
        "label",
        "key",
        "type",
        "need",
        "basis",
        "owner",
        "is_asked_at_sign_up",
        "kept_for",
        "review",
    )
    list_filter = (
        ("need", ChoicesDropdownFilter),
        ("basis", ChoicesDropdownFilter),
        "is_asked_at_sign_up",
    )
    search_fields = ("key", "label")
    ordering = ("label", "pk")
    actions = None
    actions_detail = ("replace_choice",)
    fieldsets = (
        (None, {"fields": ("label", ("key", "type"), "choices", "is_asked_at_sign_up")}),
        (
            _("Why it is kept"),
            {"fields": (("need", "basis"), "purpose", "justification", "topic_key")},
        ),
        (
            _("Who answers for it"),
            {"fields": ("owner", ("retention_days", "review_on"), "retired_at")},
        ),
        (_("Last used"), {"fields": (USED,)}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        may_write = self.has_change_permission(request, obj) if obj else True
        if may_write:
            return [*self.fieldsets, *TRANSLATED]
        return [*self.fieldsets, (_("Translations"), {"fields": ("translations",)})]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        # The translations are fields of the form, not of the model: the factory must not look there.
        kwargs["fields"] = DataFieldForm.Meta.fields
        return super().get_form(request, obj, change, **kwargs)

    def get_custom_urls(self) -> tuple[Any, ...]:
        pages = {
            "record": processing.show_record,
            "record_file": processing.download,
            "retention": retention.show_report,
            "count": retention.count_now,
            "runs": retention.show_runs,
        }
        return tuple(
            (f"{name.replace('_', '/')}/", f"contacts_datafield_{name}", page)
            for name, page in pages.items()
        )

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        field = self.get_object(request, str(object_id))
        return super().get_actions_detail(request, object_id) if field and field.choices else []

    @action(description=_("Replace a choice"), url_path="replace-choice", permissions=["change"])
    def replace_choice(self, request: HttpRequest, object_id: str) -> HttpResponse:
        field = acts.load(self, request, object_id)
        return acts.ask(
            self,
            request,
            field,
            title=_("Replace a choice"),
            sentence=_(
                "Everybody who holds it gets what it becomes, within seconds. What the law keeps as it is"
                " follows once it is free."
            ),
            button=_("Replace"),
            act=partial(choices.replace, field=field),
            done=_("The choice is replaced."),
            refusals=(choices.ChoiceError,),
            form=ReplaceForm(field, request.POST or None),
        )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return FieldList

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("key", "type", *USED) if obj else USED

    @display(description=_("kept for"))
    def kept_for(self, field: DataField) -> Any:
        return _("%d days") % field.retention_days

    @display(
        description=_("review"), label={"due": "warning", "retired": "danger", "unused": "warning"}
    )
    def review(self, field: DataField) -> tuple[str, Any]:
        if field.retired_at:
            return "retired", _("retired")
        if getattr(field, "is_unused", False):
            return "unused", _("unused for a year")
        is_due = field.review_on <= timezone.localdate()
        return "due" if is_due else "", field.review_on


@admin.register(Processor)
class ProcessorAdmin(Kept, ModelAdmin):
    empty_text = _(
        "Whoever gets personal data to work for you belongs here: the record of processing and "
        "every answered request name them."
    )
    list_display = ("name", "service", "receives", "country", "safeguard", "contact", "ended_on")
    search_fields = ("name",)
    ordering = ("name",)
    fields = (
        "name",
        "service",
        "receives",
        "contact",
        ("country", "safeguard"),
        "safeguard_details",
        "ended_on",
    )
    actions = None
