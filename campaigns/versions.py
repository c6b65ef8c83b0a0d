"""What a campaign says as it is saved now, as one digest: nobody overwrites what they have not seen."""

from campaigns.approval import SAID
from campaigns.models import Campaign, CampaignContent
from contacts import approval

COMPOSED = ("name", "topic", "channel", "sender", "is_measured")
PACED = ("timezone", "is_local_time", "quiet_from", "quiet_until", "per_minute")


def digest(campaign_id: int, *, written: tuple[str, ...] = COMPOSED) -> str:
    """SHA-256, in hex, of these columns, the segments and all contents, as they are saved now."""
    wanted = CampaignContent.objects.filter(campaign=campaign_id).order_by("pk")
    one = Campaign.objects.filter(pk=campaign_id)
    return approval.digest(
        {
            "chosen": [[str(value) for value in row] for row in one.values_list(*written)],
            "to": list(one.values_list("segments").order_by("segments")),
            "without": list(one.values_list("excluded_segments").order_by("excluded_segments")),
            "contents": list(wanted.values_list("pk", *SAID)),
        }
    )
