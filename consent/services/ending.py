"""Permissions that end by what a provider or the calendar says."""

from collections.abc import Mapping

from django.db import transaction
from django.db.models.functions import Now

from consent import ledger
from consent.ledger import PROVIDER, SYSTEM
from consent.models import ConsentEvent, Kind, Method, Permission, Suppression, Topic
from consent.services.questions import current_address
from consent.services.stopping import withdraw
from contacts import services as contacts
from contacts.models import Address, Contact


@transaction.atomic
def record_complaint(
    *,
    contact: Contact,
    topic: Topic | None = None,
    channel: str,
    address: Address | None = None,
    details: Mapping[str, str],
) -> ConsentEvent:
    """The person pressed "this is spam": the topic stops, without one everything on the channel.

    `address` is the one the message went to, by default the current one; it is suppressed with it. A second
    complaint about the same adds nothing and returns the event that stands.
    """
    contact = contacts.lock(contact.pk)
    standing = Permission.objects.filter(contact=contact, topic=topic, channel=channel).first()
    if standing and standing.state == Permission.State.COMPLAINED:
        return standing.event
    event = ledger.record(
        contact=contact,
        topic=topic,
        channel=channel,
        kind=Kind.COMPLAINED,
        method=Method.FEEDBACK,
        actor=PROVIDER,
        address=address or current_address(contact, channel, required=False),
        details=details,
    )
    if address and address.fingerprint:
        # It may have been left since, and belong to somebody later.
        ledger.suppress(
            channel=address.channel,
            fingerprint=bytes(address.fingerprint),
            topic=topic,
            cause=Suppression.Cause.COMPLAINED,
            since=event.occurred_at,
            event=event,
        )
    return event


def record_unsubscription(
    *, contact: Contact, topic: Topic, channel: str, details: Mapping[str, str]
) -> ConsentEvent:
    """The person unsubscribed at the provider: it is a withdrawal of the topic."""
    return withdraw(
        contact=contact,
        topic=topic,
        channel=channel,
        method=Method.FEEDBACK,
        actor=PROVIDER,
        details=details,
    )


def expire_permissions(*, batch: int = 1000) -> int:
    """Record the end of every permission past its validity; returns how many ended.

    Each is looked at once: one that disagrees with its ledger is left to `rebuild_permissions`.
    """
    ended, seen = 0, 0
    while overdue := list(
        Permission.objects.granted()
        .filter(valid_until__lte=Now(), pk__gt=seen)
        .select_related("contact", "topic")
        .order_by("pk")[:batch]
    ):
        ended += sum(_expire(permission) for permission in overdue)
        seen = overdue[-1].pk
    return ended


@transaction.atomic
def _expire(permission: Permission) -> bool:
    """Whether it was still past its validity once its person was locked."""
    contact = contacts.lock(permission.contact_id)
    still = Permission.objects.granted().filter(pk=permission.pk, valid_until__lte=Now())
    if not still.exists():
        return False
    ledger.record(
        contact=contact,
        topic=permission.topic,
        channel=permission.channel,
        kind=Kind.EXPIRED,
        method=Method.JOB,
        actor=SYSTEM,
    )
    return True
