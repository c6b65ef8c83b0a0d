"""Asking and saying yes: at a form, from the mail that confirms it, or elsewhere with evidence."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from consent import ledger, offers
from consent.answers import kept_under
from consent.ledger import SUBJECT, Actor
from consent.models import ConsentEvent, Kind, Method, ServiceMail, Topic, Wording
from consent.services.answers import keep_answers
from consent.services.errors import AddressMissing, EvidenceMissing, PersonSaidNo
from consent.services.outbox import queue_service_mail, send_receipt
from consent.services.questions import (
    check_offered,
    current_address,
    has_said_no,
    is_granted_by,
    number_of,
)
from consent.sms import numbers, texting
from contacts import services as contacts
from contacts.fields import Value
from contacts.models import Address, Channel, Contact

CONFIRMATIONS_A_DAY = 1
CONFIRMATIONS_A_MONTH = 3


@transaction.atomic
def request_consent(
    *,
    email: str = "",
    phone: str = "",
    wordings: Sequence[Wording],
    language: str,
    details: Mapping[str, str] | None = None,
    answers: Mapping[str, Value] | None = None,
) -> Contact:
    """A person ticked these boxes at a form: record it, and ask the address or number to confirm.

    One of `email` and `phone`: two that were typed together are two requests, because neither shows that the
    other belongs to the same person.

    `answers` are clean values of registered fields; they wait with the confirmation, without which nothing
    of them is kept. Where all the boxes stand already, what is new in the answers is asked to be confirmed.
    A topic without double opt-in is given at once. Raises `NothingChosen`, `WordingNotOffered` and
    `AddressError`; known, unknown and suppressed addresses are treated alike.
    """
    check_offered(wordings)
    phone = numbers.normalize(phone) if phone else ""
    contact, _ = contacts.find_or_create_contact(email=email, phone=phone, language=language)
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
            address=current_address(contact, wording.channel),
            details=details,
        )
        if not is_granted_by(contact, event):
            to_confirm.append(wording)
    told = {
        key: value
        for key, value in kept_under(wordings, answers or {}).items()
        if contact.attributes.get(key) != value
    }
    if to_confirm or told:
        ask_to_confirm(
            contact=contact,
            wordings=to_confirm,
            language=language,
            answers=told,
            channel=Channel.EMAIL if email else Channel.SMS,
        )
    return contact


def ask_to_confirm(
    *,
    contact: Contact,
    wordings: Sequence[Wording],
    language: str,
    answers: Mapping[str, Value] | None = None,
    channel: Channel = Channel.EMAIL,
) -> None:
    """Queue one confirmation, within the budget of an address or number: one a day, three in thirty days.

    Texts have their budgets besides, see `consent.sms.texting`.
    """
    sent = ServiceMail.objects.filter(
        contact=contact, purpose=ServiceMail.Purpose.CONFIRMATION, channel=channel
    )
    now = timezone.now()
    digests = {str(wording.digest) for wording in wordings}
    waiting = sent.filter(sent_at=None, given_up_at=None).first()
    if waiting:
        waiting.details = _to_confirm(
            {*waiting.details["wordings"], *digests},
            {**waiting.details.get("answers", {}), **(answers or {})},
        )
        waiting.save(update_fields=["details"])
        return
    if (
        sent.filter(created_at__gte=now - timedelta(days=1)).count() >= CONFIRMATIONS_A_DAY
        or sent.filter(created_at__gte=now - timedelta(days=30)).count() >= CONFIRMATIONS_A_MONTH
    ):
        return
    if channel == Channel.SMS and not texting.may_write_to(number_of(contact)):
        return
    queue_service_mail(
        contact=contact,
        purpose=ServiceMail.Purpose.CONFIRMATION,
        language=language,
        details=_to_confirm(digests, answers or {}),
        channel=channel,
    )


def _to_confirm(digests: Iterable[str], answers: Mapping[str, Value]) -> dict[str, object]:
    waiting = {"answers": dict(answers)} if answers else {}
    return {"wordings": sorted(digests), **waiting}


@transaction.atomic
def confirm(
    *,
    contact: Contact,
    wordings: Sequence[Wording],
    address: Address,
    details: Mapping[str, str],
    mail_id: int | None = None,
) -> list[ConsentEvent]:
    """The person acted on the confirmation that was mailed to `address`: what they asked for is given.

    `mail_id` is the service mail they acted on; the answers that waited with it are kept from now on.
    Idempotent: what already stands by a confirmation is left as it is. Without `wordings` only answers are
    confirmed. Raises `AddressMissing` where the address is no longer theirs.
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
                address=current_address(contact, wording.channel),
                details=details,
            )
        )
    if mail_id is not None and (events or not wordings):
        keep_answers(contact=contact, mail_id=mail_id)
    send_receipt(contact, events)
    return events


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
        address=current_address(contact, channel),
        occurred_at=occurred_at,
        details={"source": source, **(details or {})},
    )
