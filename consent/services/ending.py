"""Permissions that end by what a provider or the calendar says."""

from collections.abc import Mapping

from django.db import transaction
from django.db.models.functions import Now

from consent import ledger
from consent.ledger import PROVIDER, SYSTEM
from consent.models import ConsentEvent, Kind, Method, Permission
from consent.services.questions import current_address
from contacts import services as contacts
from contacts.models import Contact


@transaction.atomic
def record_complaint(*, contact: Contact, channel: str, details: Mapping[str, str]) -> ConsentEvent:
    """The person pressed "this is spam": everything on the channel stops."""
    return ledger.record(
        contact=contact,
        topic=None,
        channel=channel,
        kind=Kind.COMPLAINED,
        method=Method.FEEDBACK,
        actor=PROVIDER,
        address=current_address(contact, channel, required=False),
        details=details,
    )


def expire_permissions(*, batch: int = 1000) -> int:
    """Record the end of every permission past its validity; returns how many ended."""
    ended = 0
    while overdue := list(
        Permission.objects.granted()
        .filter(valid_until__lte=Now())
        .select_related("contact", "topic")
        .order_by("valid_until", "pk")[:batch]
    ):
        for permission in overdue:
            with transaction.atomic():
                contact = contacts.lock(permission.contact_id)
                still = Permission.objects.granted().filter(
                    pk=permission.pk, valid_until__lte=Now()
                )
                if not still.exists():
                    continue
                ledger.record(
                    contact=contact,
                    topic=permission.topic,
                    channel=permission.channel,
                    kind=Kind.EXPIRED,
                    method=Method.JOB,
                    actor=SYSTEM,
                )
                ended += 1
    return ended
