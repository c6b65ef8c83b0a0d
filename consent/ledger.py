"""Writes the ledger and what follows from it: the one way a consent event comes into being."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from consent import leaf, noes, uses
from consent.models import (
    ActorRole,
    Basis,
    ConsentEvent,
    ConsentEvidence,
    Kind,
    Method,
    Permission,
    Suppression,
    Topic,
    Wording,
)
from consent.standing import NO, Act, Standing, stand
from contacts import services as contacts
from contacts.models import Address, Channel, Contact


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted: the person, staff under a pseudonym, a provider or the system."""

    role: ActorRole
    pseudonym: str = ""


# An act with what it is about: the topic's key or None, the channel or "".
PlacedAct = tuple[str | None, str, Act]

SUBJECT = Actor(ActorRole.SUBJECT)
SYSTEM = Actor(ActorRole.SYSTEM)
PROVIDER = Actor(ActorRole.PROVIDER)


def staff(user_id: int | None) -> Actor:
    return Actor(ActorRole.STAFF, f"staff-{user_id}" if user_id else "command line")


def record(
    *,
    contact: Contact,
    topic: Topic | None,
    channel: str,
    kind: Kind,
    method: Method,
    actor: Actor,
    basis: str = "",
    wording: Wording | None = None,
    address: Address | None = None,
    occurred_at: datetime | None = None,
    undoes: ConsentEvent | None = None,
    details: Mapping[str, str] | None = None,
) -> ConsentEvent:
    """Append one event and bring the permissions of its person up to date, under the person's lock.

    `topic=None` means every topic, `channel=""` every channel; such an event can only reduce. Without
    `occurred_at` the act is live and takes the database's time. `details` is the personal evidence
    (texts only); the event holds a commitment to it, and of somebody erased it is not kept. Needs a
    transaction.
    """
    contact = contacts.lock(contact.pk)
    kept = dict(details or {})
    if address:
        kept |= {"address": str(address.pk), "fingerprint": bytes(address.fingerprint or b"").hex()}
    nonce = secrets.token_bytes(32)
    event = ConsentEvent(
        subject=contact.subject,
        topic=topic,
        channel=channel,
        kind=kind,
        basis=basis or (Basis.CONSENT if kind in {Kind.GIVEN, Kind.RENEWED} else ""),
        method=method,
        wording=wording,
        actor_role=actor.role,
        actor=actor.pseudonym,
        undoes=undoes,
        commitment=leaf.commitment(nonce, kept),
    )
    _insert(event, occurred_at)
    if not contact.erased_at:
        ConsentEvidence.objects.create(event=event, nonce=nonce, details=kept)
    noes.note(noes.act(event))
    _follow(contact, event)
    return event


def _insert(event: ConsentEvent, occurred_at: datetime | None) -> None:
    """A live act happens when it is recorded: both times come from one reading of the database's clock.

    An act with a time of its own is never live, so that a date in the future cannot pass for one.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    event.recorded_at = now
    event.occurred_at = min(occurred_at, now - timedelta(microseconds=1)) if occurred_at else now
    event.save(force_insert=True)


def _follow(contact: Contact, event: ConsentEvent) -> None:
    if event.kind in {Kind.RESTRICTED, Kind.UNRESTRICTED}:
        contact.restricted_at = event.occurred_at if event.kind == Kind.RESTRICTED else None
        contact.save(update_fields=["restricted_at"])
        return
    keys = {
        *keys_of(event.topic_id, event.channel),
        *(
            (topic_key, channel)
            for topic_key, channel in contact.permissions.values_list("topic__key", "channel")
            if event.topic_id in (None, topic_key) and event.channel in ("", channel)
        ),
    }
    history = acts_of(contact)
    for topic_key, channel in keys:
        if standing := standing_of(history, topic_key, channel):
            project(contact, topic_key, channel, standing)
    _suppress(contact, event)
    if event.channel in ("", Channel.DATA):
        uses.end(contact)


def keys_of(topic_key: str | None, channel: str) -> list[tuple[str | None, str]]:
    """The permissions that an act names itself, as (topic key or None, channel)."""
    return [(topic_key, named) for named in ([channel] if channel else Channel.values)]


def history_of(contact: Contact) -> list[ConsentEvent]:
    """Every event of a person in the order recorded."""
    return list(histories().filter(subject=contact.subject))


def histories() -> QuerySet[ConsentEvent]:
    """Events with what the state machine needs to know of them, in the order recorded."""
    return ConsentEvent.objects.select_related("evidence", "wording").order_by("recorded_at", "id")


def acts_of(contact: Contact) -> list[PlacedAct]:
    """The person's history as (topic key or None, channel or "", act)."""
    return [placed_act_of(event) for event in history_of(contact)]


def placed_act_of(event: ConsentEvent) -> PlacedAct:
    return event.topic_id, event.channel, act_of(event)


def act_of(event: ConsentEvent) -> Act:
    """An event with its evidence, where that still exists, as the state machine sees it."""
    evidence = getattr(event, "evidence", None)
    details: Mapping[str, str] = evidence.details if evidence else {}
    return Act(
        event_id=event.pk,
        kind=event.kind,
        method=event.method,
        actor_role=event.actor_role,
        basis=event.basis,
        occurred_at=event.occurred_at,
        recorded_at=event.recorded_at,
        undoes_id=event.undoes_id,
        address_id=int(details["address"]) if "address" in details else None,
        wording_id=event.wording.pk if event.wording else None,
        valid_until=_valid_until(event, details),
    )


def _valid_until(event: ConsentEvent, details: Mapping[str, str]) -> datetime | None:
    if "valid_until" in details:
        return datetime.fromisoformat(details["valid_until"]).astimezone(UTC)
    return event.occurred_at + event.wording.valid_for if event.wording else None


def standing_of(
    history: Iterable[PlacedAct], topic_key: str | None, channel: str
) -> Standing | None:
    """What stands for a topic and channel: its own acts and those on everything."""
    return stand(
        act
        for act_topic, act_channel, act in history
        if act_topic in (None, topic_key) and act_channel in ("", channel)
    )


def project(contact: Contact, topic_key: str | None, channel: str, standing: Standing) -> None:
    """Write what stands as the permission of a contact whose lock is held."""
    said = columns(standing)
    # Nobody else writes while the lock is held: an update that finds no row is followed by an insert.
    topic = Topic.objects.get(key=topic_key) if topic_key else None
    if not contact.permissions.filter(topic=topic, channel=channel).update(**said):
        Permission.objects.create(contact=contact, topic=topic, channel=channel, **said)


def columns(standing: Standing) -> dict[str, Any]:
    """A standing as the columns of a permission."""
    return {
        "state": standing.state,
        "stopped": standing.stopped,
        "fresh_at": standing.fresh_at,
        "since": standing.since,
        "valid_until": standing.valid_until,
        "basis": standing.basis,
        "method": standing.method,
        "wording_id": standing.wording_id,
        "address_id": standing.address_id,
        "event_id": standing.event_id,
    }


def _suppress(contact: Contact, event: ConsentEvent) -> None:
    """A no also stops the address itself, whoever it belongs to later."""
    if event.kind not in NO or event.kind == Kind.REFUSED:
        return
    for address in contact.addresses.current():
        if event.channel in ("", address.channel):
            suppress(
                channel=address.channel,
                fingerprint=bytes(address.fingerprint or b""),
                topic=event.topic,
                cause=Suppression.Cause(event.kind),
                since=event.occurred_at,
                event=event,
            )


def suppress(
    *,
    channel: str,
    fingerprint: bytes,
    topic: Topic | None,
    cause: Suppression.Cause,
    since: datetime,
    event: ConsentEvent | None = None,
) -> None:
    """Stop an address for a topic, or for every topic; a later stop moves an earlier one forward.

    That an order of the law stops it, or that its person was erased, stays known.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO consent_suppression (channel, fingerprint, topic_id, cause, since, event_id)
            VALUES (%s, %s, %s, %s, %s, %s)
            ON CONFLICT (fingerprint, channel, topic_id) DO UPDATE
            SET since = greatest(consent_suppression.since, excluded.since),
                event_id = coalesce(excluded.event_id, consent_suppression.event_id),
                cause = CASE WHEN consent_suppression.cause IN ('legal', 'erased')
                    THEN consent_suppression.cause ELSE excluded.cause END
            """,
            [
                channel,
                fingerprint,
                topic.pk if topic else None,
                cause,
                since,
                event.pk if event else None,
            ],
        )
    noes.note(
        [
            noes.stop(
                channel=channel,
                fingerprint=fingerprint,
                topic_key=topic.key if topic else None,
                cause=cause,
                since=since,
            )
        ]
    )
