"""What a second person approves: what a campaign says, to whom and from whom, as one digest."""

import hashlib
import json

from campaigns.models import Campaign

SAID = ("language", "subject", "preheader", "body", "markup", "layout")


def digest(campaign: Campaign) -> str:
    """SHA-256, in hex, of all that changes a message or who gets it."""
    content = {
        "name": campaign.name,
        "topic": campaign.topic_id,
        "channel": campaign.channel,
        "sender": campaign.sender_id,
        "to": list(campaign.segments.order_by("pk").values_list("pk", "rule")),
        "without": list(campaign.excluded_segments.order_by("pk").values_list("pk", "rule")),
        "contents": list(campaign.contents.order_by("language").values_list(*SAID)),
    }
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def stands(campaign: Campaign) -> bool:
    """Whether somebody else approved the campaign exactly as it is."""
    return (
        campaign.approved_by_id is not None
        and campaign.approved_by_id not in {campaign.author_id, campaign.changed_by_id}
        and campaign.approved_digest == digest(campaign)
    )
