"""How a person is shown: pseudonymous, and by name to those who may view identities and said why.

A view is opened by a POST with its reason, for the people it names, and noted then and there; to look
again within a quarter of an hour writes nothing.
"""

import time
from collections.abc import Sequence

from django.http import HttpRequest

from contacts import addresses, services
from contacts.models import Channel, Contact, Identity

VIEW_IDENTITY = "contacts.view_identity"
OPEN_FOR_S = 15 * 60
# What was typed into a page that was opened in time is still taken.
EDIT_FOR_S = 60 * 60
_SESSION = "identities"


def may_ask_for_identity(request: HttpRequest, contact_id: int | None) -> bool:
    """Whether this person's name can be shown once a reason is given."""
    return request.user.has_perm(VIEW_IDENTITY) and not may_see_identity(request, contact_id)


def may_see_identity(request: HttpRequest, contact_id: int | None) -> bool:
    """Only with the permission, and for a quarter of an hour after a reason was given for this person."""
    until = request.session.get(_SESSION, {}).get(str(contact_id), 0)
    grace = EDIT_FOR_S - OPEN_FOR_S if request.method == "POST" else 0
    return request.user.has_perm(VIEW_IDENTITY) and bool(until + grace > time.time())


def open_identities(request: HttpRequest, people: Sequence[Contact], reason: str) -> None:
    """Note that these people are shown in clear to this session from now on, and why."""
    services.note_identity_views(staff_id=request.user.pk, contacts=people, reason=reason)
    now = time.time()
    earlier = request.session.get(_SESSION, {}).items()
    kept = {key: until for key, until in earlier if until + EDIT_FOR_S > now}
    opened = {str(contact.pk): now + OPEN_FOR_S for contact in people}
    request.session[_SESSION] = kept | opened


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
