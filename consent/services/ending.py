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
