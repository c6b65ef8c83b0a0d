"""What this app's tables keep about a person: what was sent to them, without what names them."""

from collections.abc import Mapping
from typing import Any

from contacts.holders import Holder
from contacts.models import Contact

HOLDER_TABLES = frozenset({"campaigns.Delivery"})
IMPERSONAL = (
    "campaigns.Campaign",
    "campaigns.CampaignContent",
    "campaigns.Campaign_excluded_segments",
    "campaigns.Campaign_segments",
    "campaigns.Heartbeat",
    "campaigns.Lane",
    "campaigns.Sender",
    "campaigns.Unit",
)


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
        ]
    }


def erase(contact: Contact) -> Mapping[str, int]:
    """What a relay answered can quote the address, and its ids lead to the message."""
    return {"campaigns.Delivery": contact.deliveries.update(provider_id="", diagnostic="")}


HOLDER = Holder("campaigns", HOLDER_TABLES, export, erase)
