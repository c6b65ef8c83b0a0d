"""The first page: what goes out, what needs somebody, and how permission moves. Cheap queries only."""

from collections import defaultdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.contrib.admin import ModelAdmin
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection
from django.db.models import Count, F, Max, Min, Q, Window
from django.db.models.functions import RowNumber
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from redis.exceptions import RedisError

from campaigns import figures
from campaigns.admin import begin, workspace
from campaigns.admin.charts import HUES, Chart, Series
from campaigns.admin.progress import progress_of
from campaigns.models import AudienceDay, Campaign, Delivery, MoveDay, Sender, Tally
from consent.models import Permission, Topic, UnwrittenNo
from contacts import counting, exports
from contacts.models import DataField, Export, SubjectRequest

State = Campaign.State
_D = Delivery.State
SHOWN = 6
LABEL = 24
SENDERS = 3
CAMPAIGNS = 12
# The cards that stand there for whoever may see them, and those that appear with what they hold.
ALWAYS = {"next", "audience"}
SOMETIMES = (
    "to_approve",
    "exports",
    "deliverability",
    "to_review",
    "requests",
    "unwritten",
    "steps",
)


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the index page what this staff member may see."""
    user = request.user
    if user.has_perm("campaigns.view_campaign"):
        context |= {"running": running_of(request), "next": _next()}
        drafts = Campaign.objects.filter(state=State.DRAFT).select_related("topic")
        context["drafts"] = drafts.order_by("-pk")[:SHOWN]
        context["recent"] = _recent()
    if user.has_perm(workspace.APPROVE) and settings.CAMPAIGN_NEEDS_APPROVAL:
        context["to_approve"] = _to_approve(user.pk)
    if user.has_perm("contacts.approve_export") and settings.EXPORT_NEEDS_SECOND_PERSON:
        context["exports"] = _exports(user.pk)
    if user.has_perm("campaigns.view_delivery"):
        context["deliverability"] = _deliverability()
    if user.has_perm("consent.view_permission"):
        lines = _audience()
        moves = _moves()
        context |= {"audience_chart": _audience_chart(lines), "moves": moves, "audience": lines}
        # Without anybody, a chart of nothing says nothing.
        context["has_people"] = bool(any(line["count"] for line in lines) or moves.has_values)
    if user.has_perm("contacts.view_datafield"):
        context["to_review"] = DataField.objects.overdue_for_review().order_by("review_on", "pk")
    if user.has_perm("contacts.view_subjectrequest"):
        waiting = SubjectRequest.objects.open().select_related("contact")
        context["requests"] = waiting.order_by("due_at", "pk")[:SHOWN]
    context["unwritten"] = UnwrittenNo.objects.exists()
    context["now"] = timezone.now()
    context["steps"] = [] if begin.is_over() else begin.steps(request)
    context["is_quiet"] = not (context.keys() & ALWAYS or any(map(context.get, SOMETIMES)))
    context["has_role"] = bool(user.get_all_permissions())
    return context


def show_running(request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse:
    """The part of the first page that is looked at again every few seconds while something is sent."""
    if not request.user.has_perm(workspace.VIEW):
        raise PermissionDenied
    context = {"running": running_of(request)}
    return TemplateResponse(request, "admin/campaigns/running.html", context)


def running_of(request: HttpRequest) -> list[dict[str, Any]]:
    """Campaigns under way, with how far they are for those who may see deliveries."""
    may_count = request.user.has_perm("campaigns.view_delivery")
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
    """Live where that is quick, else as the clock counted them some minutes ago."""
    granted = Permission.objects.granted().values_list("topic", "channel").annotate(Count("pk"))
    try:
        with counting.at_most(counting.QUICK):
            return {(topic, channel): count for topic, channel, count in granted if topic}
    except OperationalError:
        newest = AudienceDay.objects.order_by("topic", "channel", "-day").distinct(
            "topic", "channel"
        )
        return {(each.topic_id, each.channel): each.granted for each in newest}


def _to_approve(staff_id: int | None) -> list[Campaign]:
    """Drafts that somebody asked to have approved, and that this staff member may approve."""
    unanswered = Q(approved_by=None) | Q(asked_at__gt=F("approved_at"))
    asked = Campaign.objects.filter(
        unanswered, state__in=[State.DRAFT, State.HELD], asked_at__isnull=False
    )
    others = asked.exclude(author=staff_id).exclude(editors=staff_id).exclude(asked_by=staff_id)
    return list(others.select_related("topic", "asked_by").order_by("asked_at", "pk")[:SHOWN])


def _exports(staff_id: int | None) -> list[Export]:
    """Files of people that wait for a second person, and that this staff member may approve."""
    asked = Export.objects.filter(approved_by=None, asked_at__gt=timezone.now() - exports.KEPT)
    others = asked.exclude(asked_by=staff_id).select_related("asked_by")
    return list(others.order_by("asked_at", "pk")[:SHOWN])


def _days() -> list[date]:
    today = timezone.now().date()
    return [today - timedelta(days=back) for back in range(figures.DAYS - 1, -1, -1)]


def _audience_chart(lines: list[dict[str, Any]]) -> Chart | None:
    """How many said yes, day by day, on the largest topics and channels; None before a second day."""
    days = _days()
    counted: dict[tuple[int, str], dict[date, int]] = defaultdict(dict)
    known = AudienceDay.objects.filter(day__gte=days[0], day__lt=days[-1])
    for topic, channel, day, granted in known.values_list("topic", "channel", "day", "granted"):
        counted[topic, channel][day] = granted
    first_counted = known.filter(is_counted=True).aggregate(first=Min("day"))["first"] or days[-1]
    if not counted:
        return None
    largest = sorted(lines, key=lambda line: -line["count"])[: len(HUES)]
    first = next(day for day in days if any(day in history for history in counted.values()))
    since = date_format(max(first, first_counted), "MONTH_DAY_FORMAT")
    series = []
    for color, line in zip(HUES, largest, strict=False):
        history = counted.get((line["topic"].pk, line["channel"].value), {})
        values: list[float | None] = [history.get(day) for day in days[:-1]]
        name = f"{line['topic'].name} · {line['channel'].label}"
        series.append(Series(name, [*values, line["count"]], color))
        before = next(
            (history[day] for day in days if day >= first_counted and day in history), None
        )
        line |= {"color": color, "moved": _moved(before, line["count"], since)}
    sentence = ""
    if first < first_counted:
        sentence = _("Before %s: those who still say yes today, by the day they did.") % (
            date_format(first_counted, "MONTH_DAY_FORMAT")
        )
    begun = days.index(first)
    cut = [Series(each.name, each.values[begun:], each.color) for each in series]
    labels = [date_format(day, "MONTH_DAY_FORMAT") for day in days[begun:]]
    return Chart(labels, cut, sentence, has_legend=False)


def _moved(before: int | None, now: int, since: str) -> str:
    """+12 since 30 October; nothing where nothing moved."""
    if before is None or before == now:
        return ""
    sign = "+" if now > before else "\u2212"
    return _("%(change)s since %(day)s") % {
        "change": sign + intcomma(abs(now - before)),
        "day": since,
    }


# What was sent is in the table and not in the chart, where it would dwarf all that matters.
_OUTCOMES = (
    (_D.SENT, _D.DELIVERED, HUES[0]),
    (_D.UNKNOWN, None, "#d3a054"),
    (_D.FAILED, None, "#b5563c"),
    (_D.BOUNCED, None, "#8b7cc8"),
    (_D.COMPLAINED, None, "#cf6f8f"),
)


def _deliverability() -> list[dict[str, Any]]:
    """What became of the latest campaigns of each sender, in percent of what was handed over."""
    newest_first = ("-campaign__started_at", "-campaign")
    ranked = Tally.objects.annotate(
        place=Window(RowNumber(), partition_by="campaign__sender", order_by=newest_first),
        sender_sent_at=Window(Max("campaign__started_at"), partition_by="campaign__sender"),
    )
    latest = ranked.filter(place__lte=CAMPAIGNS).select_related("campaign__sender")
    # No sender has more rows than CAMPAIGNS here: so many rows hold those who sent last, whole.
    tallies = latest.order_by("-sender_sent_at", "campaign__sender", "place")[: SENDERS * CAMPAIGNS]
    counts: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for tally in tallies:
        for state, _reason, count, *_times in tally.counts:
            counts[tally.campaign_id][state] += count
    by_sender: dict[Sender, list[Campaign]] = defaultdict(list)
    for campaign in (tally.campaign for tally in tallies):
        by_sender[campaign.sender].insert(0, campaign)
    return [
        {"sender": sender, "chart": _outcomes(campaigns, counts)}
        for sender, campaigns in list(by_sender.items())[:SENDERS]
    ]


def _outcomes(campaigns: list[Campaign], counts: dict[int, dict[str, int]]) -> Chart:
    series = []
    totals: dict[str, int] = defaultdict(int)
    handed = [_handed_over(counts[campaign.pk]) for campaign in campaigns]
    for state, also, color in _OUTCOMES:
        found = [counts[campaign.pk].get(state, 0) for campaign in campaigns]
        if also:
            more = (counts[campaign.pk].get(also, 0) for campaign in campaigns)
            found = [one + other for one, other in zip(found, more, strict=True)]
        totals[state] = sum(found)
        percent = [
            round(100 * count / total, 2) if total else None
            for count, total in zip(found, handed, strict=True)
        ]
        shown = [intcomma(count) for count in found]
        is_drawn = state != _D.SENT
        series.append(Series(str(_D(state).label), list(percent), color, shown, is_drawn))
    labels = [_label(campaign) for campaign in campaigns]
    parts = [_counted(state, totals[state]) for state, *_rest in _OUTCOMES if totals[state]]
    sentence = _("%(total)s handed over: %(parts)s.") % {
        "total": intcomma(sum(handed)),
        "parts": ", ".join(parts) or "0",
    }
    return Chart(labels, series, sentence, is_stacked=True, most=2)


def _counted(state: str, count: int) -> str:
    """So many, and what became of them: a word that agrees with the number where languages ask for it."""
    words = {
        _D.SENT: ngettext("%s sent", "%s sent", count),
        _D.UNKNOWN: ngettext("%s unknown", "%s unknown", count),
        _D.FAILED: ngettext("%s failed", "%s failed", count),
        _D.BOUNCED: ngettext("%s bounced", "%s bounced", count),
        _D.COMPLAINED: ngettext("%s complained", "%s complained", count),
    }
    return words[_D(state)] % intcomma(count)


def _handed_over(counts: dict[str, int]) -> int:
    return sum(
        counts.get(state, 0) for pair in _OUTCOMES for state in pair[:2] if state is not None
    )


def _label(campaign: Campaign) -> str:
    day = date_format(campaign.started_at, "MONTH_DAY_FORMAT") if campaign.started_at else ""
    return f"{Truncator(campaign.name).chars(LABEL)} ({day})"


def _moves() -> Chart:
    """Yes and no per day over the last weeks."""
    days = _days()
    counts = _moved_by_day(days[0])
    yes = [counts.get(day, (0, 0))[0] for day in days]
    no = [counts.get(day, (0, 0))[1] for day in days]
    sentence = _("In %(days)d days %(yes)s times yes, and %(no)s times no or an end.") % {
        "days": figures.DAYS,
        "yes": intcomma(sum(yes)),
        "no": intcomma(sum(no)),
    }
    series = [
        Series(_("said yes"), list(yes), HUES[0]),
        Series(_("said no, or it expired"), [-count for count in no], HUES[1]),
    ]
    labels = [date_format(day, "MONTH_DAY_FORMAT") for day in days]
    return Chart(labels, series, sentence, is_stacked=True)


def _moved_by_day(since: date) -> dict[date, tuple[int, int]]:
    """Yes and no by day: live where that is quick, else as the clock counted them some minutes ago."""
    try:
        with counting.at_most(counting.QUICK), connection.cursor() as cursor:
            cursor.execute(figures.MOVES, {"since": datetime.combine(since, time(), UTC)})
            return {day: (yes, no) for day, yes, no in cursor.fetchall()}
    except OperationalError:
        known = MoveDay.objects.filter(day__gte=since).values_list("day", "yes", "no")
        return {day: (yes, no) for day, yes, no in known}
