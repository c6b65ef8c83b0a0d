"""What a second person approves: what a campaign says, to whom and from whom, as one digest."""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from campaigns.models import Campaign, CampaignContent
from consent.models import Organization
from contacts import approval
from contacts.models import Segment

SAID = [
    field.name
    for field in CampaignContent._meta.concrete_fields
    if field.name not in {"id", "campaign"}
]
FROM = ("pk", "from_name", "from_email", "reply_to", "transport", "sms_from")
SIGNED = ("legal_name", "postal_address", "email", "privacy_page")
TOPIC = ("pk", "key", "public_name", "translations")


def digest(campaign: Campaign) -> str:
    """SHA-256, in hex, of all that changes a message or who gets it, members of lists included.

    What a rule finds may change from day to day, as "in the last 7 days" says; the rule may not. Once it
    has started, who gets it is written down and no part of this.
    """
    if campaign.started_at is not None:
        return message_digest(campaign)
    wanted, unwanted = _chosen(campaign.segments), _chosen(campaign.excluded_segments)
    audience = {
        "name": campaign.name,
        "to": [(segment.pk, segment.rule) for segment in wanted],
        "without": [(segment.pk, segment.rule) for segment in unwanted],
        "lists": approval.members(segment.rule for segment in (*wanted, *unwanted)),
    }
    return approval.digest(_message(campaign) | audience)


def message_digest(campaign: Campaign) -> str:
    """SHA-256, in hex, of all that changes a message: the words, the sender, the topic, the footer."""
    return approval.digest(_message(campaign))


def _message(campaign: Campaign) -> dict[str, Any]:
    """The first of the contents goes to everybody whose language has none: their order counts too."""
    return {
        "topic": _of(campaign.topic, TOPIC),
        "channel": campaign.channel,
        "is_measured": campaign.is_measured,
        "sender": _of(campaign.sender, FROM),
        "organization": list(Organization.objects.order_by("pk").values_list(*SIGNED)[:1]),
        "contents": list(campaign.contents.order_by("pk").values_list(*SAID)),
    }


def may_approve(campaign: Campaign, staff_id: int) -> bool:
    """Whether every word is somebody else's: nobody approves what they wrote or changed themselves."""
    is_theirs = staff_id == campaign.author_id or campaign.editors.filter(pk=staff_id).exists()
    return not is_theirs


def is_asked(campaign: Campaign, staff_id: int, *, now: str) -> bool:
    """Whether somebody else asked them to approve what has this digest.

    Who may change a segment, a list or a sender could otherwise approve alone what they made of it.
    """
    return campaign.asked_by_id not in {None, staff_id} and campaign.asked_digest == now


def says_what_it_said(campaign: Campaign) -> bool:
    """Whether its messages are those that it started with, or was released with since."""
    return campaign.started_digest == message_digest(campaign)


def stands(campaign: Campaign) -> bool:
    """Whether somebody else approved the campaign exactly as it is; one that started, whether it still is."""
    if campaign.started_at is not None and says_what_it_said(campaign):
        return True
    return (
        campaign.approved_by_id is not None
        and may_approve(campaign, campaign.approved_by_id)
        and campaign.approved_digest == digest(campaign)
    )


def _of(thing: Any, names: Iterable[str]) -> list[Any]:
    return [getattr(thing, name) for name in names]


def _chosen(chosen: Any) -> list[Segment]:
    found: QuerySet[Segment] = chosen.order_by("pk")
    return list(found)
