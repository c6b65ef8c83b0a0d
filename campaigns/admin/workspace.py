"""What surrounds every page of a campaign: its tabs, the moves that its state allows, its state."""

from typing import Any

from django.conf import settings
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.enums import ActionVariant

from campaigns import approval, local_time, throttle
from campaigns.models import Campaign
from contacts.admin import acts
from contacts.models import Channel

State = Campaign.State
SEND = "campaigns.send_campaign"
APPROVE = "campaigns.approve_campaign"
CHANGE = "campaigns.change_campaign"
VIEW = "campaigns.view_campaign"

TABS = (
    ("change", _("Compose"), VIEW),
    ("preview", _("Preview"), VIEW),
    ("audience", _("Audience"), VIEW),
    ("progress", _("Progress"), "campaigns.view_delivery"),
    ("result", _("Result"), "campaigns.view_delivery"),
    ("person", _("One person"), "campaigns.view_delivery"),
)
# A move is shown where the state allows it: (name, words, states, permission, variant).
MOVES = (
    ("test", _("Send a test"), {State.DRAFT, State.SCHEDULED, State.PAUSED}, CHANGE, "default"),
    ("schedule", _("Schedule"), {State.DRAFT}, SEND, "primary"),
    ("ask", _("Ask for approval"), {State.DRAFT, State.HELD}, CHANGE, "default"),
    ("approve", _("Approve"), {State.DRAFT, State.HELD}, APPROVE, "default"),
    ("unschedule", _("Back to draft"), {State.SCHEDULED, State.HELD}, SEND, "default"),
    ("pause", _("Pause"), {State.SENDING}, SEND, "primary"),
    ("resume", _("Resume"), {State.PAUSED}, SEND, "primary"),
    (
        "pace",
        _("Pace"),
        {State.SCHEDULED, State.SENDING, State.PAUSED, State.HELD},
        SEND,
        "default",
    ),
    ("release", _("Release"), {State.HELD}, SEND, "primary"),
    ("duplicate", _("Duplicate"), set(State), "campaigns.add_campaign", "default"),
    (
        "cancel",
        _("Cancel"),
        {State.SCHEDULED, State.SENDING, State.PAUSED, State.HELD},
        SEND,
        "danger",
    ),
)

# Moves that are there only where a second person is asked for.
FOUR_EYES = {"ask", "approve"}
BEFORE_THE_START = {"unschedule"}
OPEN_TO_APPROVAL = {State.DRAFT, State.SCHEDULED, State.HELD}


def load(page: ModelAdmin, request: HttpRequest, object_id: int, permission: str) -> Campaign:
    """The campaign, for staff with the permission; 403 or 404 otherwise."""
    if not request.user.has_perm(permission):
        raise PermissionDenied
    campaign: Campaign = acts.load(page, request, str(object_id))
    return campaign


def url(campaign: Campaign, name: str) -> str:
    return reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk])


def can(request: HttpRequest, campaign: Campaign, move: str) -> bool:
    """Whether the state allows this move and the staff member may make it."""
    return any(
        campaign.state in states and request.user.has_perm(permission)
        for name, _words, states, permission, _variant in MOVES
        if name == move
        and (name not in FOUR_EYES or settings.CAMPAIGN_NEEDS_APPROVAL)
        and (name not in BEFORE_THE_START or campaign.started_at is None)
        and (name != "test" or campaign.channel != Channel.SMS)
    )


def surroundings(page: ModelAdmin, request: HttpRequest, campaign: Campaign) -> dict[str, Any]:
    """Tabs and buttons, in the form in which Unfold shows them."""
    tabs = [
        {
            "title": words,
            "link": url(campaign, name),
            "has_permission": request.user.has_perm(permission),
            "active": request.path == url(campaign, name),
        }
        for name, words, permission in TABS
    ]
    moves = [
        {
            "title": words,
            "path": url(campaign, name),
            "variant": ActionVariant(variant),
            "attrs": {},
            "icon": None,
            "dialog": None,
        }
        for name, words, _states, _permission, variant in MOVES
        if can(request, campaign, name)
    ]
    model = [{"name": str(page.opts), "detail": True}]
    return {
        "tab_list": [{"page": "desk", "models": model, "items": tabs}],
        "actions_detail": moves,
        "campaign": campaign,
        "begins": begins_of(campaign),
        "pace": throttle.pace(campaign),
        "approval": approval_of(campaign),
    }


def begins_of(campaign: Campaign) -> dict[str, Any]:
    """When it begins and at the latest may, on the campaign's own clock; `first_at`: anybody's first hour."""
    zone = local_time.zone_of(campaign)
    at, latest_at = (
        moment and moment.astimezone(zone)
        for moment in (campaign.send_at, campaign.latest_start_at)
    )
    first_at = campaign.begins_at if campaign.is_local_time else None
    return {"zone": zone.key, "at": at, "latest_at": latest_at, "first_at": first_at}


def approval_of(campaign: Campaign) -> dict[str, Any] | None:
    """Who asked and who approved what, when; `stands` until it ends. None where nobody has to."""
    if not settings.CAMPAIGN_NEEDS_APPROVAL and campaign.approved_by_id is None:
        return None
    is_open = campaign.state in OPEN_TO_APPROVAL
    stands = is_open and approval.stands(campaign)
    is_waiting = is_open and not stands and campaign.asked_at is not None
    return {
        "is_needed": settings.CAMPAIGN_NEEDS_APPROVAL,
        "is_open": is_open,
        "stands": stands,
        "is_asked_no_more": is_waiting and campaign.asked_digest != approval.digest(campaign),
        "has_words": is_open or bool(campaign.approved_by_id or campaign.asked_at),
        "editors": campaign.editors.order_by("pk") if is_open else [],
    }


def show(
    page: ModelAdmin, request: HttpRequest, campaign: Campaign, template: str, **context: Any
) -> TemplateResponse:
    """One page of a campaign inside its surroundings."""
    around = surroundings(page, request, campaign)
    return acts.show(page, request, campaign, template, **around, **context)
