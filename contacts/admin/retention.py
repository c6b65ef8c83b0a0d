"""What lost its reason to be kept: counted by a worker as it would be erased now, beside the last run."""

from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from contacts import holders, retention
from contacts.admin import acts
from contacts.models import DataField, RetentionRun

VIEW, COUNT = "contacts.view_retentionrun", "contacts.add_retentionrun"


def show_report(request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse:
    """The newest dry run beside the last real one, by field, topic and reason."""
    _check(request, VIEW)
    return acts.show(
        model_admin,
        request,
        None,
        "admin/contacts/retention.html",
        title=_("Retention"),
        fields=DataField.objects.in_use().order_by("label"),
        may_count=request.user.has_perm(COUNT),
        **_runs(),
    )


@require_POST
def count_now(request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse:
    """Have a worker count; nothing is erased."""
    _check(request, COUNT)
    retention.ask_dry_run(staff_id=request.user.pk)
    messages.success(request, _("It is being counted. Nothing is erased by it."))
    return redirect(reverse("admin:contacts_datafield_retention"))


def show_runs(request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse:
    """The part of the page that is looked at again every two seconds while a worker counts."""
    _check(request, VIEW)
    return TemplateResponse(request, "admin/contacts/retention_runs.html", _runs())


def _check(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _runs() -> dict[str, Any]:
    known = DataField.objects.in_bulk(field_name="key")
    others = {each.key: each.label for holder in holders.registered() for each in holder.overdue()}
    runs = RetentionRun.objects.select_related("asked_by")
    dry, real = runs.newest(is_dry_run=True), runs.newest(is_dry_run=False)
    return {
        "is_counting": dry is not None and dry.finished_at is None,
        "runs": [
            (_("What would be erased now"), dry, _told(dry, known, others)),
            (_("What the last run erased"), real, _told(real, known, others)),
        ],
    }


def _told(
    run: RetentionRun | None, known: dict[str, DataField], others: dict[str, str]
) -> list[dict[str, Any]]:
    findings = run.findings if run else []
    return [
        {
            "label": known[found["key"]].label
            if found["key"] in known
            else others.get(found["key"], found["key"]),
            "topic": known[found["key"]].topic_key if found["key"] in known else "",
            "cause": holders.Cause(found["cause"]).label,
            "people": found["people"],
        }
        for found in findings
    ]
