"""The pages of campaigns: composing, previewing, sending, and what became of each message."""

from campaigns.admin import campaign, deliveries, images, panels, senders, timeline

__all__ = ["campaign", "deliveries", "images", "panels", "senders", "timeline"]
