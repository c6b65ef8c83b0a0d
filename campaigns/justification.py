"""Tells a proof of consent which messages an event justified."""

from collections.abc import Iterator

from campaigns.models import Delivery
from consent.justified import Message
from consent.models import ConsentEvent


def messages_of(event_id: int) -> Iterator[Message]:
    """Looks through the person's own deliveries, since those have an index and events have none."""
    subject = ConsentEvent.objects.values("subject").get(pk=event_id)["subject"]
    deliveries = Delivery.objects.filter(
        contact__subject=subject, event=event_id, handed_over_at__isnull=False
    ).select_related("campaign")
    for delivery in deliveries:
        assert delivery.handed_over_at is not None
        yield Message(delivery.campaign.name, delivery.handed_over_at, delivery.state, delivery.pk)
