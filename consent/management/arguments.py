"""What commands of consent have in common: whom and what they are asked about."""

from argparse import ArgumentParser

from django.core.management.base import CommandError

from consent.models import Topic
from contacts import pseudonyms
from contacts import services as contacts
from contacts.addresses import AddressError
from contacts.models import Channel, Contact


def add_question(parser: ArgumentParser) -> None:
    parser.add_argument("--contact", required=True, help="a pseudonym, a number or an address")
    parser.add_argument("--topic", required=True, help="the key of a topic")
    parser.add_argument("--channel", choices=Channel.values, default=Channel.EMAIL.value)


def contact(text: str) -> Contact:
    """Raises `CommandError`, which does not repeat what was asked: it may be an address."""
    if "@" in text or text.startswith("+"):
        found = _reached_at(text)
    elif known := contacts.find_by_pseudonym(text):
        if len(known) > 1:
            raise CommandError("Several pseudonyms begin like this: write more of it.")
        found = known[0]
    elif text.isdecimal():
        found = Contact.objects.filter(pk=int(text)).first()
    elif pseudonyms.bounds(text):
        found = None
    else:
        raise CommandError("A contact is a pseudonym, a number or an address.")
    if found is None:
        raise CommandError("No such contact.")
    return found


def _reached_at(address: str) -> Contact | None:
    channel = Channel.EMAIL if "@" in address else Channel.SMS
    try:
        return contacts.find_contact(channel=channel, address=address)
    except AddressError as error:
        raise CommandError(str(error)) from error


def topic(key: str) -> Topic:
    try:
        return Topic.objects.get(key=key)
    except Topic.DoesNotExist as error:
        raise CommandError(f"There is no topic {key!r}.") from error
