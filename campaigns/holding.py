"""What this app's tables keep about a person: what was sent to them, without what names them."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from campaigns import measurement
from consent.models import Topic
from contacts.holders import Holder, Line, Section
from contacts.models import Contact, DataField

MOST_TOLD = 20
IMPERSONAL = (
    "campaigns.AudienceDay",
    "campaigns.MoveDay",
    "campaigns.Campaign",
    "campaigns.CampaignContent",
    "campaigns.Campaign_editors",
    "campaigns.Campaign_excluded_segments",
    "campaigns.Campaign_segments",
    "campaigns.Destination",
    "campaigns.Heartbeat",
    "campaigns.Image",
    "campaigns.Lane",
    "campaigns.Result",
    "campaigns.Sender",
    "campaigns.Tally",
    "campaigns.Unit",
)


def kept() -> Mapping[str, str]:
    """How long the rows of each table are kept."""
    return {
        "campaigns.Delivery": _(
            "For good; once the person is erased without what mail servers said"
        ),
        "campaigns.Hit": _hits_kept(),
    }


def _hits_kept() -> str:
    return _("%d days after the last; counts without names stay") % settings.MEASUREMENT_DAYS


def export(contact: Contact) -> dict[str, Any]:
    return {
        "deliveries": [
            {
                "campaign": delivery.campaign.name,
                "state": delivery.state,
                "reason": delivery.reason,
                "allowed_by_event": delivery.event_id,
                "handed_over_at": delivery.handed_over_at.isoformat()
                if delivery.handed_over_at
                else None,
                "provider_id": delivery.provider_id,
                "diagnostic": delivery.diagnostic,
            }
            for delivery in contact.deliveries.select_related("campaign").order_by("pk")
        ],
        "hits": [
            {
                "campaign": hit.campaign.name,
                "what": "click" if hit.destination else "open",
                "address": hit.destination.url if hit.destination else None,
                "first_at": hit.first_at.isoformat(),
                "last_at": hit.last_at.isoformat(),
                "times": hit.times,
            }
            for hit in contact.hits.select_related("campaign", "destination").order_by("pk")
        ],
    }


def erase(contact: Contact) -> Mapping[str, int]:
    """What a relay answered can quote the address, and its ids lead to the message."""
    return {
        "campaigns.Hit": measurement.forget(contact),
        "campaigns.Delivery": contact.deliveries.update(provider_id="", diagnostic=""),
    }


def tell(contact: Contact) -> list[Section]:
    """The newest messages that went out, or may have, by campaign and day."""
    sent = (
        contact.deliveries.exclude(handed_over_at=None)
        .select_related("campaign")
        .order_by("-handed_over_at", "-pk")[:MOST_TOLD]
    )
    lines = [
        Line(
            date_format(delivery.handed_over_at, "DATE_FORMAT"),
            delivery.campaign.name,
            delivery.get_state_display().capitalize(),
        )
        for delivery in sent
        if delivery.handed_over_at
    ]
    sections = [Section(_("Messages we sent you"), lines)] if lines else []
    return [*sections, *_hits(contact)]


def _hits(contact: Contact) -> list[Section]:
    """What was counted with the person's permission."""
    newest = contact.hits.select_related("campaign", "destination").order_by("-last_at", "-pk")
    lines = [
        Line(
            date_format(hit.last_at, "DATE_FORMAT"),
            hit.campaign.name,
            _("followed %s") % hit.destination.url if hit.destination else _("opened"),
        )
        for hit in newest[:MOST_TOLD]
    ]
    return [Section(_("What we counted with your permission"), lines)] if lines else []


def record() -> list[Mapping[str, str]]:
    """What is counted, once a topic permits it."""
    return [
        {
            "category": _("What people opened and clicked"),
            "purpose": topic.text("description"),
            "legal_basis": _("consent"),
            "necessity": str(DataField.Need.USEFUL.label),
            "justification": _(
                "Counted only of people who permit it: which message, which link, first, last and how often."
            ),
            "kept": _hits_kept(),
            "depends_on_permission": topic.key,
        }
        for topic in Topic.objects.measuring()
    ]


HOLDER = Holder("campaigns", kept, export, erase, tell, measurement.overdue, record)
