"""Proves what the ledger holds: one event with its place in the tree, one person's consent, a receipt.

A proof is self-contained: with the public keys of this installation it can be checked by
`python -m consent.verifier` without this database, also after the evidence in it was erased.
"""

from base64 import b64encode
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from consent import dpv, justified, ledger, merkle, receipts, sealing
from consent.leaf import EventFields, Words, microseconds
from consent.models import (
    ConsentEvent,
    ConsentEvidence,
    LedgerCheckpoint,
    LedgerEntry,
    Method,
    Organization,
    Permission,
    Topic,
    Wording,
)
from consent.proof import Proof
from consent.receipts import Act, NoConsentStandsError, OrganizationFacts, Record, TopicFacts
from contacts.models import Channel, Contact

# How long a proof is kept after the last message it justified (CNIL: at least three years).
RETENTION = timedelta(days=3 * 365)
PERSONAL_DATA = {
    Channel.EMAIL: {"pd:EmailAddress": "Email address"},
    Channel.SMS: {"pd:TelephoneNumber": "Phone number"},
    Channel.DATA: {"pd:Behavioral": "Use of messages and data given"},
}


class NotSealedYet(Exception):
    """This event is newer than the last checkpoint; it can be proved in a few seconds."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


def prove(event: ConsentEvent) -> Proof:
    """The event, what was shown and kept with it, and its place under the newest checkpoint.

    Raises `NotSealedYet`.
    """
    entry = LedgerEntry.objects.filter(event=event).first()
    checkpoint = LedgerCheckpoint.objects.order_by("-size").first()
    if entry is None or checkpoint is None or entry.position >= checkpoint.size:
        raise NotSealedYet
    evidence = ConsentEvidence.objects.filter(event=event).first()
    path = merkle.inclusion_proof(entry.position, checkpoint.size, sealing.fetch_nodes)
    return Proof(
        event=fields_of(event),
        nonce=bytes(evidence.nonce) if evidence else None,
        details=evidence.details if evidence else None,
        words=words_of(event.wording) if event.wording else None,
        leaf=bytes(entry.leaf),
        position=entry.position,
        path=tuple(path),
        checkpoint=sealing.export(checkpoint),
    )


def fields_of(event: ConsentEvent) -> EventFields:
    """What the ledger hashes of an event."""
    return EventFields(
        id=event.pk,
        subject=str(event.subject),
        topic=event.topic_id,
        channel=event.channel,
        kind=event.kind,
        basis=event.basis,
        method=event.method,
        occurred_us=microseconds(event.occurred_at),
        recorded_us=microseconds(event.recorded_at),
        wording=event.wording_id,
        actor_role=event.actor_role,
        actor=event.actor,
        undoes=event.undoes_id,
        commitment=bytes(event.commitment),
    )


def words_of(wording: Wording) -> Words:
    """The words as they were published, byte for byte."""
    return Words(
        wording.topic.key, wording.channel, wording.language, wording.version, wording.text
    )


# Receipts


def receipt_of(event: ConsentEvent) -> dict[str, Any]:
    """The Kantara receipt of a consent that stands by this event, with its proof and nonce inside.

    Seals what is waiting first, so that it works right after the act. Raises `NotSealedYet` where another
    sealer is at it, and `receipts.NoConsentStandsError`.
    """
    permission = Permission.objects.granted().filter(event=event).select_related("contact").first()
    if permission is None or permission.topic is None:
        raise NoConsentStandsError(NoConsentStandsError.__doc__)
    if not LedgerEntry.objects.filter(event=event).exists():
        sealing.seal()
    record = record_of(
        contact=permission.contact, topic=permission.topic, channel=permission.channel
    )
    return receipts.kantara(record, prove(event), public_keys=sealing.public_keys())


def standing_receipt_of(*, contact: Contact, topic: Topic, channel: str) -> dict[str, Any]:
    """`receipt_of` for whatever consent stands."""
    granted = contact.permissions.granted().filter(topic=topic, channel=channel)
    permission = granted.select_related("event").first()
    if permission is None:
        raise NoConsentStandsError(NoConsentStandsError.__doc__)
    return receipt_of(permission.event)


def history_receipt_of(*, contact: Contact, topic: Topic, channel: str) -> dict[str, Any]:
    """The whole history as a consent receipt of the W3C Data Privacy Vocabulary (JSON-LD).

    Raises `receipts.NothingSaidError` where there is none.
    """
    record = record_of(contact=contact, topic=topic, channel=channel)
    return dpv.receipt(record, created_at=timezone.now())


def record_of(*, contact: Contact, topic: Topic, channel: str) -> Record:
    """Everything between one person and one topic on one channel; raises `Organization.DoesNotExist`."""
    events = events_about(contact, topic, channel)
    acts = {event.pk: _act(event) for event in events}
    permission = (
        contact.permissions.granted()
        .filter(topic=topic, channel=channel)
        .select_related("wording")
        .first()
    )
    return Record(
        organization=_organization(),
        topic=_topic(topic, channel, permission.wording if permission else None),
        acts=tuple(acts.values()),
        standing=acts.get(permission.event_id) if permission else None,
    )


def events_about(contact: Contact, topic: Topic, channel: str) -> list[ConsentEvent]:
    """The acts of a person about a topic on a channel and about everything, in the order recorded."""
    return [
        event
        for event in ledger.history_of(contact)
        if event.topic_id in (None, topic.key) and event.channel in ("", channel)
    ]


def _act(event: ConsentEvent) -> Act:
    how = str(Method(event.method).label) if event.method else ""
    return Act(
        event=fields_of(event), how=how, words=words_of(event.wording) if event.wording else None
    )


def _organization() -> OrganizationFacts:
    organization = Organization.objects.order_by("pk")[:1].get()
    return OrganizationFacts(
        legal_name=organization.legal_name,
        postal_address=organization.postal_address,
        country=organization.country,
        contact_name=organization.contact_name,
        email=organization.email,
        phone=organization.phone,
        website=organization.website,
        privacy_page=organization.privacy_page,
        authority=organization.authority,
    )


def _topic(topic: Topic, channel: str, wording: Wording | None) -> TopicFacts:
    valid_for = wording.valid_for if wording else Wording._meta.get_field("valid_for").default
    return TopicFacts(
        key=topic.key,
        channel=channel,
        name=topic.name,
        description=topic.text("description"),
        validity=f"P{valid_for.days}D",
        retention=f"P{RETENTION.days}D",
        withdrawal_url=f"{settings.PUBLIC_URL}{reverse('consent:ask_for_link')}",
        storage_countries=(_organization().country,),
        personal_data=PERSONAL_DATA[Channel(channel)],
    )


# The whole proof


def proof_of(*, contact: Contact, topic: Topic, channel: str, at: datetime) -> dict[str, Any]:
    """Was this person's consent in force at this moment, by which words, collected how? As JSON values.

    Every act about it with its evidence (null once erased), the words shown, its proof in the ledger (null
    for some seconds) and the messages it justified. `at` is an aware moment; acts recorded after it that
    happened before it are marked `learned_later` and do not count for what stood.
    """
    events = events_about(contact, topic, channel)
    standing = ledger.standing_of(
        (ledger.placed_act_of(event) for event in events if event.recorded_at <= at),
        topic.key,
        channel,
    )
    in_force = bool(
        standing
        and standing.state == Permission.State.GRANTED
        and (standing.valid_until is None or standing.valid_until > at)
    )
    return {
        "asked": {
            "subject": str(contact.subject),
            "topic": topic.key,
            "topic_name": topic.name,
            "channel": channel,
            "at": _iso(at),
        },
        "answer": {
            "in_force": in_force,
            "state": standing.state if standing else None,
            "event": standing.event_id if standing else None,
            "basis": standing.basis if standing else "",
            "since": _iso(standing.since) if standing else None,
            "valid_until": _iso(standing.valid_until)
            if standing and standing.valid_until
            else None,
            "address": standing.address_id if standing else None,
        },
        "acts": [_told(event, at) for event in events],
        "public_keys": {
            key_id: b64encode(key).decode() for key_id, key in sealing.public_keys().items()
        },
    }


def _told(event: ConsentEvent, at: datetime) -> dict[str, Any]:
    evidence = getattr(event, "evidence", None)
    wording = event.wording
    return {
        "event": event.pk,
        "kind": event.kind,
        "is_said": str(event.get_kind_display()),
        "collected": str(event.get_method_display()),
        "by": event.actor_role,
        "staff": event.actor,
        "basis": event.basis,
        "about": event.topic_id or _("every topic"),
        "occurred_at": _iso(event.occurred_at),
        "recorded_at": _iso(event.recorded_at),
        "learned_later": event.recorded_at > at >= event.occurred_at,
        "after_the_moment": event.occurred_at > at,
        "words": None
        if wording is None
        else {
            "text": wording.text,
            "language": wording.language,
            "version": wording.version,
            "sha256": wording.digest,
            "published_at": _iso(wording.published_at) if wording.published_at else None,
            "found_bad_at": _iso(wording.invalidated_at) if wording.invalidated_at else None,
        },
        "evidence": evidence.details if evidence else None,
        "messages": [
            {
                "campaign": message.name,
                "delivery": message.number,
                "handed_over_at": _iso(message.handed_over_at),
                "state": message.state,
            }
            for message in justified.messages_of(event.pk)
        ],
        "proof": _proof(event),
    }


def _proof(event: ConsentEvent) -> dict[str, Any] | None:
    try:
        return prove(event).to_json()
    except NotSealedYet:
        return None


def _iso(at: datetime) -> str:
    return at.astimezone(timezone.get_default_timezone()).isoformat().replace("+00:00", "Z")
