"""Restriction (GDPR art. 18), a right that is an act of consent; so is `services.object_to_everything`."""

from collections.abc import Mapping

from django.db import transaction

from consent import ledger
from consent.ledger import SUBJECT, Actor
from consent.models import ConsentEvent, Kind, Method
from contacts import services as contacts
from contacts.models import Contact


@transaction.atomic
def restrict(
    *,
    contact: Contact,
    actor: Actor = SUBJECT,
    method: Method = Method.STAFF,
    details: Mapping[str, str] | None = None,
) -> ConsentEvent | None:
    """Keep the person's data and use it for nothing; None where that is so already."""
    contact = contacts.lock(contact.pk)
    if contact.restricted_at:
        return None
    return _record(contact, Kind.RESTRICTED, actor, method, details)


@transaction.atomic
def lift_restriction(
    *,
    contact: Contact,
    actor: Actor = SUBJECT,
    method: Method = Method.STAFF,
    details: Mapping[str, str] | None = None,
) -> ConsentEvent | None:
    """Use the data again, as far as permissions stand; None where nothing is restricted."""
    contact = contacts.lock(contact.pk)
    if not contact.restricted_at:
        return None
    return _record(contact, Kind.UNRESTRICTED, actor, method, details)


def _record(
    contact: Contact,
    kind: Kind,
    actor: Actor,
    method: Method,
    details: Mapping[str, str] | None,
) -> ConsentEvent:
    return ledger.record(
        contact=contact,
        topic=None,
        channel="",
        kind=kind,
        method=method,
        actor=actor,
        details=details,
    )
