"""Drives the delivery engine in this process, against a sink, on the real database."""

from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from django.conf import LazySettings
from django.utils import timezone

from campaigns import claims, delivery, progress, services
from campaigns.models import Campaign, Delivery, Lane
from contacts.models import Contact
from tests import beside, make
from tests.sink import Sink


def use(sink: Sink, settings: LazySettings) -> None:
    """Hand campaigns over to this sink."""
    settings.EMAIL_HOST, settings.EMAIL_PORT = sink.host, sink.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""


def scheduled(campaign: Campaign) -> Campaign:
    make.organization()
    services.schedule_campaign(campaign=campaign, send_at=timezone.now(), actor_id=None)
    return campaign


def started(campaign: Campaign) -> Campaign:
    """Scheduled and started: the audience is frozen."""
    scheduled(campaign)
    progress.start_due()
    campaign.refresh_from_db()
    return campaign


def work(campaign: Campaign) -> Campaign:
    """What a tick and its lanes do, once over."""
    progress.sweep()
    for campaign_id, number in progress.open_lanes():
        delivery.work(campaign_id=campaign_id, number=number)
    progress.end_done()
    campaign.refresh_from_db()
    return campaign


def lanes_are_let_go(campaign: Campaign) -> None:
    """Wait until the server has noticed that whoever held the lanes is gone, a moment after they are."""
    lanes = {
        claims.lock_key(campaign.pk, number)
        for number in Lane.objects.filter(campaign=campaign).values_list("number", flat=True)
    }
    beside.wait_until(lambda: not lanes & claims.held_locks(), "the end of the lanes")


def contact_in(zone: str, email: str | None = None) -> Contact:
    """Somebody in this time zone, also one that no table knows any more."""
    contact = make.contact(email)
    Contact.objects.filter(pk=contact.pk).update(timezone=zone)
    return contact


def read(raw: bytes) -> EmailMessage:
    """A message as a mail program parses it."""
    return message_from_bytes(raw, policy=default)


def recipient_of(raw: bytes) -> str:
    return str(read(raw)["To"])


def states(campaign: Campaign) -> dict[str, int]:
    """How many deliveries are in which state."""
    counted: dict[str, int] = {}
    for state in Delivery.objects.filter(campaign=campaign).values_list("state", flat=True):
        counted[state] = counted.get(state, 0) + 1
    return counted


def wait_is_over(campaign: Campaign) -> None:
    """Bring forward whatever waits for its time."""
    Delivery.objects.filter(campaign=campaign, due_at__isnull=False).update(
        due_at=timezone.now() - timedelta(seconds=1)
    )
