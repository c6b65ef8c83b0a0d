"""How a person is shown: by name to those who may view identities, else by pseudonym and mask."""

from django.http import HttpRequest

from contacts import addresses
from contacts.models import Channel, Contact, Identity

VIEW_IDENTITY = "contacts.view_identity"


def may_see_identities(request: HttpRequest) -> bool:
    return request.user.has_perm(VIEW_IDENTITY)


def identity_of(contact: Contact) -> Identity | None:
    return getattr(contact, "identity", None)


def name_of(contact: Contact, *, is_clear: bool) -> str:
    """The full name in clear where there is one, else the pseudonym."""
    identity = identity_of(contact)
    if is_clear and identity:
        return f"{identity.first_name} {identity.last_name}".strip() or contact.pseudonym
    return contact.pseudonym


def address_of(contact: Contact, channel: str, *, is_clear: bool) -> str:
    """The address on a channel, masked unless identities may be seen; empty where there is none."""
    identity = identity_of(contact)
    if not identity:
        return ""
    address = identity.phone if channel == Channel.SMS else identity.email
    return address if is_clear else addresses.mask(channel, address)
