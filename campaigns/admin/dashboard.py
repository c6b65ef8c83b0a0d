"""The first page: what goes out, what needs somebody, and how permission moves. Cheap queries only."""

import json
from collections import defaultdict
from datetime import date, timedelta
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.db.models import Count
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from campaigns.admin import workspace
from campaigns.admin.progress import progress_of
from campaigns.models import Campaign
from consent.models import Permission, Topic
from contacts.models import Contact, DataField, SubjectRequest

State = Campaign.State
DAYS = 30
SHOWN = 6

# By the primary key: events of the last weeks stand at the end of the ledger.
_MOVES = """
    SELECT recorded_at::date, kind IN ('given', 'renewed', 'undone'), count(*)
    FROM consent_consentevent
    WHERE id > (SELECT coalesce(max(id), 0) FROM consent_consentevent) - %(most)s
      AND recorded_at >= %(since)s
      AND kind IN ('given', 'renewed', 'undone', 'withdrawn', 'objected', 'complained', 'expired')
    GROUP BY 1, 2
"""
MOST_EVENTS = 200_000
# Gray that reads on both a light and a dark page.
_GRAY = "#8892a4"
_OPTIONS = json.dumps(
    {
        "maintainAspectRatio": False,
        "plugins": {
            "legend": {
                "display": True,
                "align": "end",
                "labels": {"boxWidth": 8, "boxHeight": 8, "color": _GRAY},
            }
        },
        "scales": {
            "x": {
                "stacked": True,
                "grid": {"display": False},
                "ticks": {"maxTicksLimit": 7, "maxRotation": 0, "color": _GRAY},
            },
            "y": {
                "stacked": True,
                "grid": {},
                "border": {"display": False},
                "ticks": {"maxTicksLimit": 5, "precision": 0, "color": _GRAY},
            },
        },
    }
)


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the index page what this staff member may see."""
    user = request.user
    if user.has_perm("campaigns.view_campaign"):
        context |= {"running": _running(user.has_perm("campaigns.view_delivery")), "next": _next()}
        context["drafts"] = Campaign.objects.filter(state=State.DRAFT).order_by("-pk")[:SHOWN]
        context["recent"] = _recent()
    if user.has_perm("consent.view_permission"):
        context |= {"audience": _audience(), "moves": _moves(), "moves_options": _OPTIONS}
    if user.has_perm("contacts.view_datafield"):
        context["to_review"] = DataField.objects.overdue_for_review().order_by("review_on", "pk")
    if user.has_perm("contacts.view_subjectrequest"):
        waiting = SubjectRequest.objects.open().select_related("contact")
        context["requests"] = waiting.order_by("due_at", "pk")[:SHOWN]
    context["now"] = timezone.now()
    context["is_new"] = not Contact.objects.exists()
    return context


def _running(may_count: bool) -> list[dict[str, Any]]:
    campaigns = Campaign.objects.filter(
        state__in=[State.SENDING, State.PAUSED, State.HELD]
    ).order_by("-started_at", "-pk")[:SHOWN]
    return [
        {
            "campaign": campaign,
            "progress": progress_of(campaign) if may_count and campaign.started_at else None,
            "url": workspace.url(campaign, "progress"),
        }
        for campaign in campaigns
    ]


def _next() -> list[Campaign]:
    scheduled = Campaign.objects.filter(state=State.SCHEDULED).select_related("topic")
    return list(scheduled.order_by("send_at", "pk")[:SHOWN])


def _recent() -> list[Campaign]:
    return list(
        Campaign.objects.filter(state=State.SENT)
        .select_related("topic")
        .order_by("-finished_at", "-pk")[:SHOWN]
    )


def _audience() -> list[dict[str, Any]]:
    """People who said yes, by topic and channel, at most a minute old."""
    try:
        counts = cache.get_or_set("desk:granted", _granted, 60) or {}
    except RedisError:
        counts = _granted()
    topics = Topic.objects.published().filter(use=Topic.Use.MESSAGE).order_by("position", "key")
    lines: list[dict[str, Any]] = [
        {"topic": topic, "channel": channel, "count": counts.get((topic.pk, channel.value), 0)}
        for topic in topics
        for channel in topic.channels
    ]
    most = max((line["count"] for line in lines), default=0) or 1
    return [line | {"percent": round(100 * line["count"] / most, 1)} for line in lines]


def _granted() -> dict[tuple[int, str], int]:
    """One walk along the index of permissions by topic, channel and state."""
    granted = Permission.objects.granted().values_list("topic", "channel").annotate(Count("pk"))
    return {(topic, channel): count for topic, channel, count in granted if topic}


def _moves() -> str:
    """Yes and no per day over the last weeks, as the chart's data."""
    today = timezone.now().date()
    days = [today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    counts: dict[tuple[date, bool], int] = defaultdict(int)
    with connection.cursor() as cursor:
        cursor.execute(_MOVES, {"most": MOST_EVENTS, "since": days[0]})
        for day, is_yes, count in cursor.fetchall():
            counts[day, is_yes] = count
    return json.dumps(
        {
            "labels": [date_format(day, "MONTH_DAY_FORMAT") for day in days],
            "datasets": [
                {
                    "label": _("said yes"),
                    "data": [counts[day, True] for day in days],
                    "backgroundColor": "var(--color-primary-600)",
                },
                {
                    "label": _("said no, or it expired"),
                    "data": [-counts[day, False] for day in days],
                    "backgroundColor": "#d3a054",
                },
            ],
        }
    )
