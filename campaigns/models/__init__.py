"""What is sent: senders, campaigns with their content per language, and one delivery per contact."""

from campaigns.models.campaigns import Campaign, CampaignContent, Sender
from campaigns.models.deliveries import Delivery, Heartbeat, Lane, Unit
from campaigns.models.figures import AudienceDay, MoveDay
from campaigns.models.hits import Destination, Hit, Result
from campaigns.models.images import Image
from campaigns.models.tallies import Tally

__all__ = [
    "AudienceDay",
    "Campaign",
    "CampaignContent",
    "Delivery",
    "Destination",
    "Heartbeat",
    "Hit",
    "Image",
    "Lane",
    "MoveDay",
    "Result",
    "Sender",
    "Tally",
    "Unit",
]
