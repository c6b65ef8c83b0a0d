"""Segments: built from typed conditions, said in plain words, counted as they are built."""

import json
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import ModelAdmin as DjangoModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display

from contacts import segments
from contacts.admin import splits
from contacts.models import Segment

COUNT_WITHIN_MS = 3000


class RuleWidget(forms.Textarea):
    """The builder; without JavaScript the rule itself can be read and written."""

    template_name = "admin/contacts/rule.html"

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["widget"]["conditions"] = conditions()
        return context

    def _render(self, template_name: str, context: Any, renderer: Any = None) -> str:
        return render_to_string(template_name, context)


class RuleField(forms.JSONField):
    widget = RuleWidget

    def clean(self, value: Any) -> Any:
        rule = super().clean(value) or {}
        try:
            segments.validate(rule)
        except segments.RuleError as error:
            raise forms.ValidationError(str(error)) from error
        return rule


class SegmentForm(forms.ModelForm):
    rule = RuleField(label=gettext_lazy("Who belongs to it"), required=False, initial=dict)

    class Meta:
        model = Segment
        fields = ("name", "rule")


def conditions() -> list[dict[str, Any]]:
    """What can be asked, as the builder needs it: grouped, with operators and choices."""
    return [
        {
            "name": condition.name,
            "label": str(condition.label),
            "group": str(condition.group),
            "isOpen": condition.is_open,
            "choices": [[str(key), str(label)] for key, label in condition.choices],
            "operators": [
                {"name": operator.name, "label": str(operator.label), "takes": operator.takes}
                for operator in condition.operators.values()
            ],
        }
        for condition in segments.known().values()
    ]


def words(rule: object) -> str:
    """The rule in plain words, or the sentence that says what is wrong with it."""
    try:
        return segments.describe(rule)
    except segments.RuleError as error:
        return str(error)


def count_of(rule: object) -> int | None:
    """How many people a rule finds; None where counting would take too long."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {COUNT_WITHIN_MS}")
            return segments.matching(rule).count()
    except DatabaseError:
        return None


@require_POST
def show_count(request: HttpRequest, model_admin: DjangoModelAdmin) -> HttpResponse:
    """Plain words and counts of a rule that is being built; it writes nothing."""
    if not model_admin.has_view_or_change_permission(request):
        raise PermissionDenied
    context: dict[str, Any] = {}
    try:
        rule = json.loads(request.POST.get("rule") or "{}")
        segments.validate(rule)
    except (ValueError, RecursionError) as error:
        is_ours = isinstance(error, segments.RuleError)
        context["problem"] = str(error) if is_ours else _("This rule cannot be read.")
    else:
        context |= {"words": segments.describe(rule), "count": count_of(rule)}
        if context["count"] is not None:
            context["splits"] = splits.of(segments.matching(rule))
    return TemplateResponse(request, "admin/contacts/rule_count.html", context)


@admin.register(Segment)
class SegmentAdmin(ModelAdmin):
    form = SegmentForm
    search_fields = ("name",)
    list_display = ("name", "in_words", "created_at")
    ordering = ("name",)
    actions = None

    def get_custom_urls(self) -> tuple[Any, ...]:
        return (("count/", "contacts_segment_count", show_count),)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return () if self.has_change_permission(request, obj) else ("in_words",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        may_write = self.has_change_permission(request, obj) or obj is None
        return ("name", "rule") if may_write else ("name", "in_words")

    @display(description=gettext_lazy("who belongs to it"))
    def in_words(self, segment: Segment) -> str:
        return words(segment.rule)
