"""The rights that are acts of consent, restriction and objection, and erasure, which begins with one."""

import logging
from collections.abc import Mapping

from django.db import transaction

from consent import ledger, services
from consent.ledger import SUBJECT, Actor
from consent.models import ConsentEvent, Kind, Method, Permission
from contacts import rights as requests
from contacts import services as contacts
from contacts.models import Channel, Contact, Sentence

logger = logging.getLogger(__name__)

State = Permission.State
LOOKS = 5


@transaction.atomic
def restrict(
    *,
    contact: Contact,
    actor: Actor = SUBJECT,
    method: Method = Method.STAFF,
    details: Mapping[str, str] | None = None,
) -> ConsentEvent | None:
    """Keep the person's data and use it for nothing; None where that is so already."""
    contact = contacts.lock_living(contact.pk)
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
    contact = contacts.lock_living(contact.pk)
    if not contact.restricted_at:
        return None
    return _record(contact, Kind.UNRESTRICTED, actor, method, details)


@transaction.atomic
def object_to_everything(
    *,
    contact: Contact,
    actor: Actor = SUBJECT,
    method: Method = Method.STAFF,
    details: Mapping[str, str] | None = None,
) -> ConsentEvent | None:
    """Every use for advertising stops, on every channel; None where that stands already."""
    contact = contacts.lock_living(contact.pk)
    if has_objected(contact):
        return None
    return services.object_to_everything(
        contact=contact, method=method, actor=actor, details=details
    )


def has_objected(contact: Contact) -> bool:
    """Whether an objection to everything stands on every channel, and nothing was asked for after it."""
    objected = contact.permissions.filter(topic=None, state=State.OBJECTED)
    later = contact.permissions.filter(state__in=[State.GRANTED, State.PENDING, State.CLAIMED])
    return objected.count() == len(Channel.values) and not later.exists()


def erase(*, contact: Contact, handler_id: int | None = None, outcome: Sentence | str = "") -> None:
    """Wait for what is on its way to somebody who objected to everything, then erase them.

    Longer than a withdrawal waits: what a relay answers after the erasure would be kept again. Call it
    once the objection is committed; raises what `contacts.rights.erase` raises.
    """
    for _again in range(LOOKS):
        if services.answer_is_final(contact=contact, topic=None, channel=""):
            break
    else:
        logger.warning("Contact %s is erased while a hand-over is in doubt", contact.pk)
    requests.erase(contact=contact, handler_id=handler_id, outcome=outcome)


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
