"""What a person changes of their own on the page that a fresh link opens."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from consent import ledger, links
from consent.ledger import SUBJECT
from consent.models import ConsentEvent, Kind, Method, ServiceMail, Topic, Wording
from consent.services.errors import WordingNotOffered
from consent.services.outbox import queue_service_mail, send_receipt
from consent.services.questions import check_offered, current_address, is_permitted
from contacts import addresses
from contacts import services as contacts
from contacts.models import Address, Channel, Contact

NEW_ADDRESSES_A_DAY = 3


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
    check_offered([choice.wording for choice in choices if choice.wording], allow_none=True)
    contact = contacts.lock(contact.pk)
    events = []
    for choice in choices:
        if choice.is_wanted == is_permitted(
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
                address=current_address(contact, choice.channel, required=choice.is_wanted),
                details=details,
            )
        )
    send_receipt(contact, events)
    return events


def choose_language(*, contact: Contact, language: str) -> None:
    """Write to this person in another language from now on."""
    Contact.objects.filter(pk=contact.pk, erased_at=None).update(language=language)


def pause(*, contact: Contact, weeks: int, now: datetime) -> None:
    """Send no message for some weeks; what is permitted stands, and is used again after them.

    Edges call `in_flight.settle` after the commit, before they answer.
    """
    Contact.objects.living().filter(pk=contact.pk).update(paused_until=now + timedelta(weeks=weeks))


def resume(*, contact: Contact) -> None:
    """End a pause before its time."""
    Contact.objects.filter(pk=contact.pk).update(paused_until=None)


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
