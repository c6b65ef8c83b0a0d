"""What a person changes of their own on the page that a fresh link opens."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from consent import ledger, links
from consent.ledger import SUBJECT
from consent.models import ConsentEvent, Kind, Method, ServiceMail, Topic, Wording
from consent.services.asking import ask_to_confirm
from consent.services.errors import WordingNotOffered
from consent.services.outbox import queue_service_mail, send_receipt
from consent.services.questions import check_offered, current_address, is_permitted, number_of
from consent.sms import numbers, texting
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

    The page was opened by a fresh link to the person's address, so a yes is the person's own act; only a
    number that nobody has confirmed yet is asked first. What already is as wanted is left alone. Raises
    `WordingNotOffered` and `AddressMissing`.
    """
    choices = list(choices)
    check_offered([choice.wording for choice in choices if choice.wording], allow_none=True)
    contact = contacts.lock(contact.pk)
    events, to_confirm = [], []
    for choice in choices:
        if choice.is_wanted == is_permitted(
            contact=contact, topic=choice.topic, channel=choice.channel
        ):
            continue
        if choice.is_wanted and choice.wording is None:
            raise WordingNotOffered
        address = current_address(contact, choice.channel, required=choice.is_wanted)
        events.append(
            ledger.record(
                contact=contact,
                topic=choice.topic,
                channel=choice.channel,
                kind=_kind(choice, address),
                method=Method.PREFERENCES,
                actor=SUBJECT,
                wording=choice.wording,
                address=address,
                details=details,
            )
        )
        if events[-1].kind == Kind.REQUESTED and choice.wording:
            to_confirm.append(choice.wording)
    if to_confirm:
        ask_to_confirm(
            contact=contact,
            wordings=to_confirm,
            language=contact.language,
            channel=Channel.SMS,
        )
    send_receipt(contact, events)
    return events


def _kind(choice: Choice, address: Address | None) -> Kind:
    if not choice.is_wanted:
        return Kind.WITHDRAWN
    is_unshown = choice.channel == Channel.SMS and address and address.verified_at is None
    return Kind.REQUESTED if is_unshown else Kind.GIVEN


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


def request_new_number(*, contact: Contact, phone: str, language: str) -> None:
    """Write to the number that a person wants to be reached at; nothing changes before they act there.

    The number waits encrypted in the outbox, within the budgets of texts. Raises `AddressError`.
    """
    number = numbers.normalize(phone)
    today = ServiceMail.objects.filter(
        contact=contact,
        purpose=ServiceMail.Purpose.NEW_NUMBER,
        created_at__gte=timezone.now() - timedelta(days=1),
    )
    if today.count() >= NEW_ADDRESSES_A_DAY or not texting.may_write_to(number):
        return
    token = links.manage_token(
        "new_number", lifetime_s=links.NEW_ADDRESS_LIFETIME_S, contact=contact.pk, phone=number
    )
    queue_service_mail(
        contact=contact,
        purpose=ServiceMail.Purpose.NEW_NUMBER,
        language=language,
        details={"token": token},
        channel=Channel.SMS,
    )


@transaction.atomic
def move_to_number(*, contact: Contact, phone: str) -> Address:
    """The person acted on the text to their number: it is theirs from now on, and nobody else's.

    It permits nothing: they choose on their own page what may come there. Raises `ContactError`.
    """
    contact = contacts.lock(contact.pk)
    address = contacts.take_number(contact=contact, phone=phone)
    contacts.verify_address(address=address)
    return address


def request_manage_link(*, email: str = "", phone: str = "", language: str) -> None:
    """Send a fresh manage link to whoever is reached there; the caller's answer is the same either way."""
    channel, address = (Channel.EMAIL, email) if email else (Channel.SMS, phone)
    contact = contacts.find_contact(channel=channel, address=address)
    if contact and not contact.erased_at:
        send_manage_link(contact=contact, language=language)


def send_manage_link(*, contact: Contact, language: str) -> None:
    """Send a fresh manage link to the person's own current address, once in some minutes.

    It goes by text only to whoever has no address: a number passes to its next owner sooner than a mailbox.
    """
    channel = _where_links_go(contact)
    recent = ServiceMail.objects.filter(
        contact=contact,
        purpose=ServiceMail.Purpose.MANAGE_LINK,
        created_at__gte=timezone.now() - timedelta(minutes=5),
    )
    if channel is None or recent.exists():
        return
    if channel == Channel.SMS and not texting.may_write_to(number_of(contact)):
        return
    queue_service_mail(
        contact=contact,
        purpose=ServiceMail.Purpose.MANAGE_LINK,
        language=language,
        details={},
        channel=channel,
    )


def _where_links_go(contact: Contact) -> Channel | None:
    reached = set(contact.addresses.current().values_list("channel", flat=True))
    if Channel.EMAIL in reached:
        return Channel.EMAIL
    return Channel.SMS if Channel.SMS in reached and texting.are_offered() else None
