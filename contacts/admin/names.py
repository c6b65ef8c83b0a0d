"""How a person is shown: by name to those who may view identities and said why, else pseudonymous."""

import time

from django.http import HttpRequest

from contacts import addresses, services
from contacts.models import Channel, Contact, Identity

VIEW_IDENTITY = "contacts.view_identity"
OPEN_FOR_S = 15 * 60
_SESSION = "identities"


def may_ask_for_identities(request: HttpRequest) -> bool:
    """Whether names can be shown once a reason is given."""
    return request.user.has_perm(VIEW_IDENTITY) and not _reason(request)


def may_see_identities(request: HttpRequest) -> bool:
    """Only with the permission, and for a quarter of an hour after a reason was given."""
    return request.user.has_perm(VIEW_IDENTITY) and bool(_reason(request))


def open_identities(request: HttpRequest, reason: str) -> None:
    """Show this session names and addresses from now on, for this reason."""
    request.session[_SESSION] = {
        "reason": reason,
        "until": time.time() + OPEN_FOR_S,
        "seen": [],
    }


def note_view(request: HttpRequest, contact: Contact) -> None:
    """Note that this person was shown in clear, once for each reason; nothing where masked."""
    if not may_see_identities(request):
        return
    opened = request.session[_SESSION]
    if contact.pk not in opened["seen"]:
        opened["seen"].append(contact.pk)
        request.session.modified = True
        services.note_identity_view(
            staff_id=request.user.pk, contact=contact, reason=opened["reason"]
        )


def note_list(request: HttpRequest, people: int) -> None:
    """Note that a page of so many people was shown in clear."""
    if people and may_see_identities(request):
        services.note_identity_view(
            staff_id=request.user.pk, contact=None, reason=_reason(request), people=people
        )


def _reason(request: HttpRequest) -> str:
    opened = request.session.get(_SESSION, {})
    return str(opened.get("reason", "")) if opened.get("until", 0) > time.time() else ""


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
