"""Segments: built from typed conditions, said in plain words, counted as they are built."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import ModelAdmin as DjangoModelAdmin
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.forms.fields import InvalidJSONInput
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.decorators import display
from unfold.views import ChangeList

from contacts import fields, segments
from contacts.admin import splits, usage
from contacts.admin.lists import OwnFilters
from contacts.admin.overwriting import NotOverwritten, Saved, SeenForm
from contacts.models import Contact, Segment

COUNT_WITHIN_MS = 3000
SAMPLED = 8
# Below this a sample is found by reading most of the table anyway, newest first.
RARE = 2000


class RuleWidget(forms.Textarea):
    """The builder; without JavaScript the rule itself can be read and written."""

    template_name = "admin/contacts/rule.html"

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        context["widget"]["conditions"] = conditions(value)
        return context

    def _render(self, template_name: str, context: Any, renderer: Any = None) -> str:
        return render_to_string(template_name, context)


class RuleField(forms.JSONField):
    widget = RuleWidget

    def to_python(self, value: Any) -> Any:
        """Numbers of thousands of digits and trees of thousands of levels are no JSON for us either."""
        try:
            return super().to_python(value)
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError(_("This rule cannot be read.")) from error

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What was refused is shown again as it was sent."""
        return initial if self.disabled else InvalidJSONInput(data or "")

    def clean(self, value: Any) -> Any:
        rule = super().clean(value) or {}
        try:
            segments.validate(rule)
        except segments.RuleError as error:
            raise forms.ValidationError(str(error)) from error
        return rule


class SegmentForm(SeenForm):
    rule = RuleField(label=gettext_lazy("Who belongs to it"), required=False, initial=dict)

    class Meta:
        model = Segment
        fields = ("name", "rule")


def conditions(written: str | None = None) -> list[dict[str, Any]]:
    """What can be asked, as the builder needs it: grouped, with operators and choices.

    Among them are the choices of the rule that is `written`, which may be older than those offered.
    """
    named = _choices_of(written)
    return [
        {
            "name": condition.name,
            "label": str(condition.label),
            "group": str(condition.group),
            "isOpen": condition.is_open,
            "choices": [
                [str(key), str(label)]
                for key, label in (*condition.choices, *_older(condition, named[condition.name]))
            ],
            "operators": [
                {"name": operator.name, "label": str(operator.label), "takes": operator.takes}
                for operator in condition.operators.values()
            ],
        }
        for condition in segments.known().values()
    ]


def _choices_of(written: str | None) -> Mapping[str, set[str]]:
    """By condition, the words among the values of a rule."""
    named: dict[str, set[str]] = defaultdict(set)
    with suppress(ValueError, RecursionError):
        for name, value in segments.names_in(json.loads(written or "{}")):
            named[name].add(value)
    return named


def _older(condition: segments.Condition, named: set[str]) -> Iterator[tuple[str, segments.Label]]:
    if condition.older:
        older = named - dict(condition.choices).keys()
        yield from ((key, condition.older(key) or key) for key in sorted(older))


def words(rule: object, conditions: Mapping[str, segments.Condition] | None = None) -> str:
    """The rule in plain words, or the sentence that says what is wrong with it."""
    try:
        return segments.describe(rule, conditions)
    except segments.RuleError as error:
        return str(error)


@contextmanager
def in_time() -> Iterator[None]:
    """End what a page cannot wait for: raises `OperationalError` then."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {COUNT_WITHIN_MS}")
        yield


def figures(rule: object, *, asked: str, exactly: bool, with_people: bool) -> dict[str, Any]:
    """What the page shows of a rule: its number of people, their split, a few pseudonyms.

    `count` is None where counting would take too long.
    """
    people = segments.matching(rule)
    found: dict[str, Any] = {"count": None}
    try:
        with in_time():
            found["count"] = people.count()
            found["split"] = splits.of(people, asked=asked, total=found["count"], exactly=exactly)
            if with_people:
                found["sample"] = sample(people, found["count"])
    except OperationalError:
        pass
    return found


def sample(people: "QuerySet[Contact]", count: int) -> list[Contact]:
    """A few of them: the newest where they are few, else those that are found first."""
    people = people.only("pk", "subject")
    return list((people.order_by("-pk") if count < RARE else people)[:SAMPLED])


@require_POST
def show_count(request: HttpRequest, model_admin: DjangoModelAdmin) -> HttpResponse:
    """Plain words and counts of a rule that is being built; it writes nothing."""
    if not model_admin.has_view_or_change_permission(request):
        raise PermissionDenied
    context: dict[str, Any] = {}
    try:
        rule = json.loads(request.POST.get("rule") or "{}")
        segments.validate(rule)
        context["words"] = segments.describe(rule)
    except (ValueError, RecursionError) as error:
        is_ours = isinstance(error, segments.RuleError)
        context["problem"] = str(error) if is_ours else _("This rule cannot be read.")
    else:
        context |= figures(
            rule,
            asked=request.POST.get("asked", ""),
            exactly="exactly" in request.POST,
            with_people=request.user.has_perm("contacts.view_contact"),
        )
    return TemplateResponse(request, "admin/contacts/rule_count.html", context)


class SegmentList(ChangeList):
    """The list, with each segment of the page in words and how many things use it."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        used = usage.counts(Segment, [segment.pk for segment in rows])
        conditions = segments.known() if any(segment.rule for segment in rows) else {}
        for segment in rows:
            segment.use_count = used.get(segment.pk, 0)
            segment.said = words(segment.rule, conditions)
        self.result_list = rows


@admin.register(Segment)
class SegmentAdmin(OwnFilters, NotOverwritten):
    empty_text = gettext_lazy(
        "A segment says who is interesting, by rules: it is asked anew each time. Who may be "
        "mailed, their permissions say."
    )
    form = SegmentForm
    search_fields = ("name",)
    list_display = ("name", "in_words", "used", "created_at")
    ordering = ("name",)
    actions = None

    def get_custom_urls(self) -> tuple[Any, ...]:
        return (("count/", "contacts_segment_count", show_count),)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return SegmentList

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        used = ("used_by",) if obj else ()
        return used if self.has_change_permission(request, obj) else ("in_words", *used)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        may_write = self.has_change_permission(request, obj) or obj is None
        used = ("used_by",) if obj else ()
        return ("name", "rule", *used) if may_write else ("name", "in_words", *used)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        fields.note_use_in_segment(segments.fields_of(obj.rule))

    def saved_now(self, obj: Segment) -> list[Saved]:
        saved = Segment.objects.filter(pk=obj.pk)
        return [
            Saved(
                segment.name,
                json.dumps(segment.rule, indent=2, ensure_ascii=False),
                words(segment.rule),
            )
            for segment in saved
        ]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What a campaign is meant for is not taken from under it."""
        may = super().has_delete_permission(request, obj)
        return bool(may and (obj is None or not usage.of(obj)))

    @display(description=gettext_lazy("who belongs to it"))
    def in_words(self, segment: Segment) -> str:
        return getattr(segment, "said", "") or words(segment.rule)

    @display(description=gettext_lazy("used by"))
    def used(self, segment: Any) -> str:
        return str(segment.use_count or "-")

    @display(description=gettext_lazy("Used by"))
    def used_by(self, segment: Segment) -> str:
        found = usage.of(segment)
        if not found:
            return _("Nothing uses it yet.")
        return format_html_join(", ", '<a href="{}">{}</a>', [(use.url, use.name) for use in found])
