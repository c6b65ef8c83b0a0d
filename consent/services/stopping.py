"""Saying no: withdrawals, objections, stop links, and the undoing of a no within its minutes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from consent import ledger, links
from consent.ledger import SUBJECT, Actor
from consent.models import (
    ConsentEvent,
    InboundText,
    Kind,
    Method,
    Permission,
    Suppression,
    Topic,
)
from consent.services.errors import UndoNotPossible
from consent.services.questions import current_address, is_granted_by
from consent.standing import UNDO_WINDOW
from contacts import addresses
from contacts import services as contacts
from contacts.models import Channel, Contact


@transaction.atomic
def withdraw(
    *,
    contact: Contact,
    topic: Topic | None,
    channel: str,
    method: Method,
    actor: Actor = SUBJECT,
    occurred_at: datetime | None = None,
    details: Mapping[str, str] | None = None,
) -> ConsentEvent:
    """Take back a topic on a channel; `topic=None` is every topic, `channel=""` every channel.

    Always accepted. A second withdrawal of the same adds nothing and returns the event that stands. Edges
    call `in_flight.settle` after the commit, before they answer.
    """
    contact = contacts.lock(contact.pk)
    standing = Permission.objects.filter(contact=contact, topic=topic, channel=channel).first()
    is_withdrawn = standing and standing.state == Permission.State.WITHDRAWN
    if standing and is_withdrawn and occurred_at is None and _is_newest_word(standing):
        return standing.event
    return ledger.record(
        contact=contact,
        topic=topic,
        channel=channel,
        kind=Kind.WITHDRAWN,
        method=method,
        actor=actor,
        occurred_at=occurred_at,
        address=current_address(contact, channel, required=False),
        details=details,
    )


@transaction.atomic
def object_to_everything(
    *,
    contact: Contact,
    channel: str = "",
    method: Method,
    actor: Actor = SUBJECT,
    details: Mapping[str, str] | None = None,
) -> ConsentEvent:
    """The right to object to direct marketing (GDPR art. 21): everything stops, on one channel or all."""
    return ledger.record(
        contact=contact,
        topic=None,
        channel=channel,
        kind=Kind.OBJECTED,
        method=method,
        actor=actor,
        address=current_address(contact, channel, required=False),
        details=details,
    )


@transaction.atomic
def stop_by_answer(*, number: str, message_id: str) -> Contact | None:
    """A number answered STOP: no text goes there any more, whoever it belongs to, known or not.

    `message_id` is the provider's name of the answer: heard once, it changes nothing again; an answer
    without a name is always heard. Returns who was reached there. Raises `AddressError`.
    """
    normalized = addresses.normalize_phone(number)
    contact = contacts.find_contact(channel=Channel.SMS, address=normalized)
    if message_id:
        _heard, is_new = InboundText.objects.get_or_create(provider_id=message_id[:64])
        if not is_new:
            return contact
    event = None
    if contact:
        event = withdraw(contact=contact, topic=None, channel=Channel.SMS, method=Method.KEYWORD)
    ledger.suppress(
        channel=Channel.SMS,
        fingerprint=addresses.fingerprint(normalized),
        topic=None,
        cause=Suppression.Cause.WITHDRAWN,
        since=event.occurred_at if event else timezone.now(),
        event=event,
    )
    return contact


@dataclass(frozen=True, slots=True)
class Stopped:
    """What a stop link did; `topic` is None where everything on the channel was stopped.

    `event` is None where the person is not known any more. Only what this very call took can be undone.
    """

    contact: Contact | None
    topic: Topic | None
    event: ConsentEvent | None
    can_undo: bool


@transaction.atomic
def stop_by_link(
    *, stop: links.Stop, everything: bool, method: Method, details: Mapping[str, str] | None = None
) -> Stopped:
    """Do what a stop link can do: take back its topic and channel, or object to everything on the channel.

    Works years later: where the person was erased or has another address, the address itself is
    suppressed. A topic that is not known any more stops everything. Idempotent.
    """
    topic = None if everything else Topic.objects.filter(key=stop.topic).first()
    contact = contacts.contact_of_subject(stop.subject)
    event, can_undo = None, False
    if contact and not contact.erased_at:
        contact = contacts.lock(contact.pk)
        event = _standing_stop(contact, topic, stop.channel)
        if event is None:
            granted = contact.permissions.granted().filter(topic=topic, channel=stop.channel)
            can_undo = topic is not None and granted.exists()
            event = _stop(contact, topic, stop, method, details)
    _suppress_address_of(stop, topic, event)
    return Stopped(contact, topic, event, can_undo)


def _stop(
    contact: Contact,
    topic: Topic | None,
    stop: links.Stop,
    method: Method,
    details: Mapping[str, str] | None,
) -> ConsentEvent:
    """Straight into the ledger: a mail program waits for the answer, and each statement is a wait."""
    return ledger.record(
        contact=contact,
        topic=topic,
        channel=stop.channel,
        kind=Kind.WITHDRAWN if topic else Kind.OBJECTED,
        method=method,
        actor=SUBJECT,
        address=current_address(contact, stop.channel, required=False),
        details={"message": str(stop.message), **(details or {})},
    )


def _standing_stop(contact: Contact, topic: Topic | None, channel: str) -> ConsentEvent | None:
    """The act by which the person stopped exactly this, while it stands: a second one adds nothing."""
    state = Permission.State.WITHDRAWN if topic else Permission.State.OBJECTED
    standing = (
        contact.permissions.filter(topic=topic, channel=channel, state=state)
        .select_related("event")
        .first()
    )
    return standing.event if standing and _is_newest_word(standing) else None


def _is_newest_word(standing: Permission) -> bool:
    """No yes to one topic came after this stop of every topic."""
    since = Permission.objects.filter(contact=standing.contact_id, channel=standing.channel)
    return bool(standing.topic_id) or not since.filter(fresh_at__gt=standing.since).exists()


def _suppress_address_of(stop: links.Stop, topic: Topic | None, event: ConsentEvent | None) -> None:
    """The address the message went to stops too, with today's fingerprint of it."""
    keys = list(settings.ASSENT_KEYS["fingerprint"].values())[stop.generation :]
    ledger.suppress(
        channel=stop.channel,
        fingerprint=addresses.advance(stop.fingerprint, keys),
        topic=topic,
        cause=Suppression.Cause.WITHDRAWN if topic else Suppression.Cause.OBJECTED,
        since=event.occurred_at if event else timezone.now(),
        event=event,
    )


@transaction.atomic
def undo_withdrawal(*, event: ConsentEvent, contact: Contact) -> ConsentEvent:
    """Put back what one withdrawal took, from the page that made it; raises `UndoNotPossible`."""
    contact = contacts.lock(contact.pk)
    standing = Permission.objects.filter(
        contact=contact, topic__key=event.topic_id, channel=event.channel, event=event
    ).first()
    if (
        standing is None
        or standing.topic is None
        or event.kind != Kind.WITHDRAWN
        or timezone.now() - event.recorded_at > UNDO_WINDOW
    ):
        raise UndoNotPossible
    undone = ledger.record(
        contact=contact,
        topic=standing.topic,
        channel=event.channel,
        kind=Kind.UNDONE,
        method=Method.STOP_PAGE,
        actor=SUBJECT,
        undoes=event,
        address=current_address(contact, event.channel, required=False),
    )
    if not is_granted_by(contact, undone):
        raise UndoNotPossible
    return undone


@transaction.atomic
def suppress_address(
    *, channel: str, address: str, topic: Topic | None, cause: Suppression.Cause
) -> Suppression:
    """Stop an address, known or not, for a topic or for every topic; raises `AddressError`.

    Only its fingerprint is kept. Where it is stopped already, the earlier one is moved forward.
    """
    fingerprint = addresses.fingerprint(addresses.normalize(channel, address))
    ledger.suppress(
        channel=channel, fingerprint=fingerprint, topic=topic, cause=cause, since=timezone.now()
    )
    return Suppression.objects.get(channel=channel, fingerprint=fingerprint, topic=topic)
