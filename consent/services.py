"""The door of consent: every act of a person or of staff that gives, changes or takes back permission.

A service writes the act and what follows from it in one transaction. It refuses by raising a
`ConsentError`, and never brings back a person who said no.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from celery import current_app
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from consent import gate, in_flight, ledger, links, offers
from consent.ledger import PROVIDER, SUBJECT, SYSTEM, Actor
from consent.models import (
    ConsentEvent,
    Kind,
    Method,
    Permission,
    ServiceMail,
    Suppression,
    Topic,
    Wording,
)
from consent.standing import UNDO_WINDOW
from contacts import addresses
from contacts import services as contacts
from contacts.models import Address, Channel, Contact

CONFIRMATIONS_A_DAY = 1
CONFIRMATIONS_A_MONTH = 3
NEW_ADDRESSES_A_DAY = 3


class ConsentError(Exception):
    """This cannot be recorded."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__)


class NothingChosen(ConsentError):
    """Choose at least one topic."""


class WordingNotOffered(ConsentError):
    """These words are not the ones on the form any more; load the form again."""


class AddressMissing(ConsentError):
    """This person has no address on this channel."""


class PersonSaidNo(ConsentError):
    """This person said no; only they themselves can say yes again."""


class EvidenceMissing(ConsentError):
    """A permission that is recorded for somebody needs its source and its date."""


class UndoNotPossible(ConsentError):
    """This can only be undone within ten minutes, from the page that did it."""


class NotPublishable(ConsentError):
    """This is not complete enough to be published."""


class SecondPersonNeeded(NotPublishable):
    """Somebody other than its author has to publish this."""


# Asking and saying yes


@transaction.atomic
def request_consent(
    *,
    email: str,
    wordings: Sequence[Wording],
    language: str,
    details: Mapping[str, str] | None = None,
) -> Contact:
    """A person ticked these boxes at a form: record it, and ask the address to confirm.

    A topic without double opt-in is given at once. Raises `NothingChosen`, `WordingNotOffered` and
    `AddressError`; known, unknown and suppressed addresses are treated alike.
    """
    _check_offered(wordings)
    contact, _ = contacts.find_or_create_contact(email=email, language=language)
    contact = contacts.lock(contact.pk)
    to_confirm = []
    for wording in wordings:
        kind = Kind.REQUESTED if wording.topic.double_opt_in else Kind.GIVEN
        event = ledger.record(
            contact=contact,
            topic=wording.topic,
            channel=wording.channel,
            kind=kind,
            method=Method.FORM,
            actor=SUBJECT,
            wording=wording,
            address=_current_address(contact, wording.channel),
            details=details,
        )
        if not _is_granted_by(contact, event):
            to_confirm.append(wording)
    if to_confirm:
        ask_to_confirm(contact=contact, wordings=to_confirm, language=language)
    return contact


def ask_to_confirm(*, contact: Contact, wordings: Sequence[Wording], language: str) -> None:
    """Queue one confirmation mail, within the budget of an address: one a day, three in thirty days."""
    sent = ServiceMail.objects.filter(contact=contact, purpose=ServiceMail.Purpose.CONFIRMATION)
    now = timezone.now()
    digests = sorted(str(wording.digest) for wording in wordings)
    waiting = sent.filter(sent_at=None, given_up_at=None).first()
    if waiting:
        waiting.details = {"wordings": sorted({*waiting.details["wordings"], *digests})}
        waiting.save(update_fields=["details"])
        return
    if (
        sent.filter(created_at__gte=now - timedelta(days=1)).count() >= CONFIRMATIONS_A_DAY
        or sent.filter(created_at__gte=now - timedelta(days=30)).count() >= CONFIRMATIONS_A_MONTH
    ):
        return
    queue_service_mail(
        contact=contact,
        purpose=ServiceMail.Purpose.CONFIRMATION,
        language=language,
        details={"wordings": digests},
    )


@transaction.atomic
def confirm(
    *, contact: Contact, wordings: Sequence[Wording], address: Address, details: Mapping[str, str]
) -> list[ConsentEvent]:
    """The person acted on the confirmation that was mailed to `address`: what they asked for is given.

    Idempotent: what already stands by a confirmation is left as it is. Raises `AddressMissing` where the
    address is no longer theirs.
    """
    if address.retired_at:
        raise AddressMissing
    contact = contacts.lock(contact.pk)
    contacts.verify_address(address=address)
    events = []
    for wording in wordings:
        if not offers.is_unconfirmed(contact=contact, wording=wording):
            continue
        events.append(
            ledger.record(
                contact=contact,
                topic=wording.topic,
                channel=wording.channel,
                kind=Kind.GIVEN,
                method=Method.CONFIRMATION,
                actor=SUBJECT,
                wording=wording,
                address=_current_address(contact, wording.channel),
                details=details,
            )
        )
    _send_receipt(contact, events)
    return events


def _send_receipt(contact: Contact, events: Iterable[ConsentEvent]) -> None:
    """A yes is answered with a receipt; after a no nothing is written to the person unasked."""
    given = [event.pk for event in events if event.kind == Kind.GIVEN]
    if given:
        queue_service_mail(
            contact=contact,
            purpose=ServiceMail.Purpose.RECEIPT,
            language=contact.language,
            details={"events": given},
        )


@transaction.atomic
def give_with_evidence(
    *,
    contact: Contact,
    topic: Topic,
    channel: str,
    occurred_at: datetime,
    source: str,
    actor: Actor,
    method: Method = Method.STAFF,
    wording: Wording | None = None,
    details: Mapping[str, str] | None = None,
) -> ConsentEvent:
    """Record a yes that was given elsewhere and can be shown: on paper, by phone, in another system.

    Raises `EvidenceMissing`, `AddressMissing`, and `PersonSaidNo` where a no stands.
    """
    if not source.strip():
        raise EvidenceMissing
    contact = contacts.lock(contact.pk)
    if has_said_no(contact=contact, topic=topic, channel=channel):
        raise PersonSaidNo
    return ledger.record(
        contact=contact,
        topic=topic,
        channel=channel,
        kind=Kind.GIVEN,
        method=method,
        actor=actor,
        wording=wording,
        address=_current_address(contact, channel),
        occurred_at=occurred_at,
        details={"source": source, **(details or {})},
    )


# Saying no


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
    if standing and standing.state == Permission.State.WITHDRAWN and occurred_at is None:
        return standing.event
    return ledger.record(
        contact=contact,
        topic=topic,
        channel=channel,
        kind=Kind.WITHDRAWN,
        method=method,
        actor=actor,
        occurred_at=occurred_at,
        address=_current_address(contact, channel, required=False),
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
        address=_current_address(contact, channel, required=False),
        details=details,
    )


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
    evidence = {"message": str(stop.message), **(details or {})}
    if topic is None:
        return object_to_everything(
            contact=contact, channel=stop.channel, method=method, details=evidence
        )
    return withdraw(
        contact=contact, topic=topic, channel=stop.channel, method=method, details=evidence
    )


def _standing_stop(contact: Contact, topic: Topic | None, channel: str) -> ConsentEvent | None:
    """The act by which the person stopped exactly this, while it stands: a second one adds nothing."""
    state = Permission.State.WITHDRAWN if topic else Permission.State.OBJECTED
    standing = (
        contact.permissions.filter(topic=topic, channel=channel, state=state)
        .select_related("event")
        .first()
    )
    return standing.event if standing else None


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
        address=_current_address(contact, event.channel, required=False),
    )
    if not _is_granted_by(contact, undone):
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


# Preferences


@dataclass(frozen=True, slots=True)
class Choice:
    """One box that the person changed: what they want now, and the words that stood beside it."""

    topic: Topic
    channel: str
    is_wanted: bool
    wording: Wording | None = None


@transaction.atomic
def save_preferences(
    *, contact: Contact, choices: Iterable[Choice], details: Mapping[str, str] | None = None
) -> list[ConsentEvent]:
    """Record the boxes that the person changed on the preference page; returns the new events.

    The page was opened by a fresh link to the person's address, so a yes is the person's own act. What
    already is as wanted is left alone. Raises `WordingNotOffered` and `AddressMissing`.
    """
    choices = list(choices)
    _check_offered([choice.wording for choice in choices if choice.wording], allow_none=True)
    contact = contacts.lock(contact.pk)
    events = []
    for choice in choices:
        if choice.is_wanted == is_allowed(
            contact=contact, topic=choice.topic, channel=choice.channel
        ):
            continue
        if choice.is_wanted and choice.wording is None:
            raise WordingNotOffered
        events.append(
            ledger.record(
                contact=contact,
                topic=choice.topic,
                channel=choice.channel,
                kind=Kind.GIVEN if choice.is_wanted else Kind.WITHDRAWN,
                method=Method.PREFERENCES,
                actor=SUBJECT,
                wording=choice.wording,
                address=_current_address(contact, choice.channel, required=choice.is_wanted),
                details=details,
            )
        )
    _send_receipt(contact, events)
    return events


def choose_language(*, contact: Contact, language: str) -> None:
    """Write to this person in another language from now on."""
    Contact.objects.filter(pk=contact.pk, erased_at=None).update(language=language)


def request_new_address(*, contact: Contact, email: str, language: str) -> None:
    """Write to the address that a person wants to move to; nothing changes before they act there.

    The address waits encrypted in the outbox. At most three a day; raises `AddressError`.
    """
    normalized = addresses.normalize_email(email)
    today = ServiceMail.objects.filter(
        contact=contact,
        purpose=ServiceMail.Purpose.NEW_ADDRESS,
        created_at__gte=timezone.now() - timedelta(days=1),
    )
    if today.count() < NEW_ADDRESSES_A_DAY:
        token = links.manage_token(
            "new_address",
            lifetime_s=links.NEW_ADDRESS_LIFETIME_S,
            contact=contact.pk,
            email=normalized,
        )
        queue_service_mail(
            contact=contact,
            purpose=ServiceMail.Purpose.NEW_ADDRESS,
            language=language,
            details={"token": token},
        )


@transaction.atomic
def move_to_address(*, contact: Contact, email: str) -> Address:
    """The person acted on the message to their new address: it is theirs from now on.

    Permissions do not move with them, they were given for the old one. Raises `ContactError`.
    """
    contact = contacts.lock(contact.pk)
    address = contacts.change_address(contact=contact, channel=Channel.EMAIL, address=email)
    contacts.verify_address(address=address)
    return address


def request_manage_link(*, email: str, language: str) -> None:
    """Mail a fresh manage link to an address, if it is known; the caller's answer is the same either way."""
    contact = contacts.find_contact(channel=Channel.EMAIL, address=email)
    if contact and not contact.erased_at:
        send_manage_link(contact=contact, language=language)


def send_manage_link(*, contact: Contact, language: str) -> None:
    """Mail a fresh manage link to the person's own current address, once in some minutes."""
    recent = ServiceMail.objects.filter(
        contact=contact,
        purpose=ServiceMail.Purpose.MANAGE_LINK,
        created_at__gte=timezone.now() - timedelta(minutes=5),
    )
    if not recent.exists():
        queue_service_mail(
            contact=contact, purpose=ServiceMail.Purpose.MANAGE_LINK, language=language, details={}
        )


# Feedback and jobs


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
        address=_current_address(contact, channel, required=False),
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


# Topics and words


@transaction.atomic
def publish_topic(*, topic: Topic) -> None:
    """Offer a topic; raises `NotPublishable` with what is missing."""
    missing = [
        str(getattr(Topic, field).field.verbose_name)
        for field in ("public_name", "description", "frequency")
        if not getattr(topic, field).strip()
    ]
    if missing:
        raise NotPublishable(f"Still missing: {', '.join(missing)}.")
    if topic.use == Topic.Use.MESSAGE and not topic.channels:
        raise NotPublishable("Offer it on at least one channel.")
    Topic.objects.filter(pk=topic.pk).update(status=Topic.Status.PUBLISHED)
    topic.refresh_from_db()


def retire_topic(*, topic: Topic) -> None:
    """A retired topic sends nothing and is offered to nobody; its permissions and proofs stay."""
    Topic.objects.filter(pk=topic.pk).update(status=Topic.Status.RETIRED)
    topic.refresh_from_db()


@transaction.atomic
def publish_wording(*, wording: Wording, publisher_id: int | None) -> Wording:
    """Freeze the words and show them beside the box from now on; raises a `NotPublishable`."""
    if wording.published_at:
        return wording
    if len(wording.text.strip()) < 20:
        raise NotPublishable("The words beside the box must say what the person says yes to.")
    if settings.WORDING_NEEDS_SECOND_PERSON and (
        publisher_id is None or publisher_id == wording.author_id
    ):
        raise SecondPersonNeeded
    wording.digest = wording.compute_digest()
    wording.published_at = timezone.now()
    wording.publisher_id = publisher_id
    wording.save(update_fields=["digest", "published_at", "publisher"])
    return wording


# Questions


def has_said_no(*, contact: Contact, topic: Topic, channel: str) -> bool:
    """Whether a no of the person stands for this topic or for everything on the channel."""
    return (
        contact.permissions.filter(topic__in=[None, topic], channel=channel, stopped=True).exists()
        or contact.permissions.filter(topic=None, channel=channel, stopped=True).exists()
    )


def is_allowed(*, contact: Contact, topic: Topic, channel: str) -> bool:
    """Whether this may be done now, by what the gate says."""
    return gate.explain(contact=contact, topic=topic, channel=channel).is_allowed


def answer_is_final(*, contact: Contact | None, topic: Topic | None, channel: str) -> bool:
    """After a withdrawal's commit: wait until nothing is under way; False where one is still in doubt."""
    return contact is None or in_flight.settle(contact, topic.pk if topic else None, channel)


def queue_service_mail(
    *, contact: Contact, purpose: ServiceMail.Purpose, language: str, details: Mapping[str, object]
) -> ServiceMail:
    """Put a service mail in the outbox, and nudge its queue once the transaction is committed."""
    mail = ServiceMail.objects.create(
        contact=contact, purpose=purpose, language=language, details=dict(details)
    )
    transaction.on_commit(nudge("consent.send_service_mail"), robust=True)
    return mail


def nudge(task: str, **ids: int) -> Callable[[], None]:
    """A task by name with ids: lost, it costs seconds, because a sweep does the same."""

    def send() -> None:
        current_app.send_task(task, kwargs=ids, retry=False)

    return send


def _check_offered(wordings: Sequence[Wording], *, allow_none: bool = False) -> None:
    if not wordings and not allow_none:
        raise NothingChosen
    offered = set(
        Wording.objects.current()
        .filter(pk__in=[wording.pk for wording in wordings], topic__status=Topic.Status.PUBLISHED)
        .values_list("pk", flat=True)
    )
    if any(wording.pk not in offered for wording in wordings):
        raise WordingNotOffered


def _current_address(contact: Contact, channel: str, *, required: bool = True) -> Address | None:
    """The address a permission is given for; data-use permissions are tied to the email address."""
    at = Channel.EMAIL if channel in (Channel.DATA, "") else channel
    address = contact.addresses.current().filter(channel=at).first()
    if address is None and required:
        raise AddressMissing
    return address


def _is_granted_by(contact: Contact, event: ConsentEvent) -> bool:
    return (
        contact.permissions.granted()
        .filter(topic__key=event.topic_id, channel=event.channel)
        .exists()
    )
