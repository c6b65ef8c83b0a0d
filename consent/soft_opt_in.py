"""The one other basis: similar products for existing customers (ePrivacy art. 13(2), CJEU C-654/23).

Off unless the installation says why the law of its country allows it. It is no consent, never follows a
no, and never takes the place of a consent that ended.
"""

from dataclasses import asdict, dataclass, fields
from datetime import datetime

from django.conf import settings
from django.db import transaction

from consent import ledger
from consent.ledger import Actor
from consent.models import Basis, ConsentEvent, Kind, Method, Topic
from consent.services import AddressMissing, ConsentError
from contacts import services as contacts
from contacts.models import Contact


class SoftOptInOff(ConsentError):
    """Soft opt-in is switched off in this installation."""


class FactMissing(ConsentError):
    """Soft opt-in needs every one of its facts: the sale, the products, and how a refusal was offered."""


class NotOpen(ConsentError):
    """This person was asked, or said no: only their own yes counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the law asks to be shown, as texts: all of them, or none of it counts."""

    sale: str
    products: str
    collected_by: str
    refusal_offered: str


@transaction.atomic
def record(
    *,
    contact: Contact,
    topic: Topic,
    channel: str,
    facts: Facts,
    occurred_at: datetime,
    actor: Actor,
    method: Method = Method.STAFF,
) -> ConsentEvent:
    """Record that a customer may be written to about this topic's products until they refuse.

    Raises `SoftOptInOff`, `FactMissing`, `NotOpen` and `AddressMissing`.
    """
    if not settings.SOFT_OPT_IN_REASON:
        raise SoftOptInOff
    if not all(getattr(facts, field.name).strip() for field in fields(facts)):
        raise FactMissing
    contact = contacts.lock(contact.pk)
    address = contact.addresses.current().filter(channel=channel).first()
    if address is None:
        raise AddressMissing
    event = ledger.record(
        contact=contact,
        topic=topic,
        channel=channel,
        kind=Kind.BASIS_RECORDED,
        basis=Basis.SOFT_OPT_IN,
        method=method,
        actor=actor,
        address=address,
        occurred_at=occurred_at,
        details=asdict(facts) | {"reason": settings.SOFT_OPT_IN_REASON},
    )
    if not contact.permissions.granted().filter(event=event).exists():
        raise NotOpen
    return event
