"""How far a campaign is: counts by state, the rate, what remains; unknown deliveries to settle."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from campaigns import services, tally, throttle
from campaigns.admin import workspace
from campaigns.admin.deliveries import reason_text
from campaigns.models import Campaign, Delivery
from consent.gate import Reason

State = Delivery.State
GONE = {State.SENT, State.DELIVERED, State.BOUNCED, State.COMPLAINED}
WAITING = {State.PENDING, State.CLAIMED}
SETTLED_AT_ONCE = 500
SHOWN = 100


@dataclass
class Progress:
    """Counts of one campaign, live or of `counted_at`.

    `rate` is messages in the last minute, `pace` what one may have at most, `left` the time; `last_due_at` is
    when the last of those comes up who wait for their own hour; `cancelled` of those withheld were allowed.
    """

    states: dict[str, int] = field(default_factory=dict)
    cancelled: int = 0
    reasons: list[tuple[str, str, int]] = field(default_factory=list)
    rate: int = 0
    pace: int | None = None
    is_settled: bool = True
    last_due_at: datetime | None = None
    counted_at: datetime | None = None

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def sent(self) -> int:
        return self._sum(GONE)

    @property
    def waiting(self) -> int:
        return self._sum(WAITING)

    @property
    def withheld(self) -> int:
        return self.states.get(State.WITHHELD, 0)

    @property
    def failed(self) -> int:
        return self.states.get(State.FAILED, 0)

    @property
    def unknown(self) -> int:
        return self.states.get(State.UNKNOWN, 0)

    @property
    def allowed(self) -> int:
        return self.total - self.withheld + self.cancelled

    @property
    def sent_percent(self) -> float:
        return round(100 * self.sent / self.allowed, 1) if self.allowed else 0.0

    @property
    def trouble_percent(self) -> float:
        return round(100 * (self.failed + self.unknown) / self.allowed, 1) if self.allowed else 0.0

    @property
    def speed(self) -> int:
        """Messages a minute to reckon with: in its first minute a throttled campaign has no rate yet."""
        if self.pace is None:
            return self.rate
        return min(self.rate, self.pace) if self.rate and self.is_settled else self.pace

    @property
    def left(self) -> timedelta | None:
        """How long those who wait take, and at least until the last of them comes up."""
        if not self.speed or not self.waiting:
            return None
        until_last = (self.last_due_at or timezone.now()) - timezone.now()
        return max(timedelta(minutes=self.waiting / self.speed), until_last)

    @property
    def paced_until(self) -> datetime | None:
        """When those who wait have gone, at the most that one may."""
        return throttle.lasts_until(self.waiting, self.pace) if self.pace and self.waiting else None

    @property
    def is_nearly_done(self) -> bool:
        return self.left is not None and self.left <= timedelta(minutes=1)

    @property
    def ends_at(self) -> Any:
        return timezone.now() + self.left + timedelta(seconds=1) if self.left else None

    def _sum(self, states: set[Delivery.State]) -> int:
        return sum(self.states.get(state, 0) for state in states)


def progress_of(campaign: Campaign) -> Progress:
    counted = tally.count(campaign)
    progress = Progress(
        pace=throttle.pace(campaign),
        is_settled=campaign.started_at is not None
        and timezone.now() - campaign.started_at > timedelta(minutes=1),
        last_due_at=_last_due(campaign),
        counted_at=counted.at,
    )
    for state, reason, count, recent, _later in counted.rows:
        progress.states[state] = progress.states.get(state, 0) + count
        progress.rate += recent
        if reason == Reason.CANCELLED:
            progress.cancelled = count
        if reason:
            progress.reasons.append((str(State(state).label), reason_text(reason), count))
    progress.reasons.sort(key=lambda row: -row[2])
    return progress


def _last_due(campaign: Campaign) -> datetime | None:
    """When the last of those comes up who wait for their own hour; one look at the end of an index."""
    if campaign.state != Campaign.State.SENDING:
        return None
    waiting = campaign.deliveries.filter(due_at__gt=Now()).order_by("-due_at")
    return waiting.values_list("due_at", flat=True).first()


def show_progress(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    campaign = workspace.load(model_admin, request, object_id, "campaigns.view_delivery")
    undecided = campaign.deliveries.undecided().select_related("contact").order_by("-pk")
    unknown = list(undecided[: SHOWN + 1])
    return workspace.show(
        model_admin,
        request,
        campaign,
        "admin/campaigns/progress.html",
        title=campaign.name,
        progress=progress_of(campaign),
        unknown=[(delivery, reason_text(delivery.reason)) for delivery in unknown[:SHOWN]],
        has_more_unknown=len(unknown) > SHOWN,
        may_settle=request.user.has_perm(workspace.SEND),
    )


def show_counts(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    """The part of the page that is looked at again every few seconds until it is over.

    In another state other moves are possible: then the whole page is asked for anew.
    """
    campaign = workspace.load(model_admin, request, object_id, "campaigns.view_delivery")
    context = {
        "campaign": campaign,
        "progress": progress_of(campaign),
        "begins": workspace.begins_of(campaign),
        "pace": throttle.pace(campaign),
    }
    page = TemplateResponse(request, "admin/campaigns/counts.html", context)
    if request.GET.get("state", campaign.state) != campaign.state:
        page["HX-Refresh"] = "true"
    return page


@require_POST
def settle(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    """Send chosen unknown deliveries, or all, again through the gate; or leave them as they are."""
    campaign = workspace.load(model_admin, request, object_id, workspace.SEND)
    chosen = [int(each) for each in request.POST.getlist("delivery") if each.isdecimal()]
    chosen = chosen[:SETTLED_AT_ONCE]
    is_resent = request.POST.get("what") == "resend"
    act = services.resend_unknown if is_resent else services.leave_unknown
    is_all = "all" in request.POST
    if not chosen and not is_all:
        messages.warning(request, _("Choose at least one."))
        return redirect(workspace.url(campaign, "progress"))
    try:
        count = act(delivery_ids=None if is_all else chosen, campaign=campaign)
    except services.CampaignError as refusal:
        messages.error(request, str(refusal))
    else:
        again = ngettext("%d message goes out again.", "%d messages go out again.", count)
        left = ngettext(
            "%d message was left as it is.", "%d messages were left as they are.", count
        )
        messages.success(request, (again if is_resent else left) % count)
    return redirect(workspace.url(campaign, "progress"))
