"""What a person does with their own data by a fresh link: done at once, and noted with its dates."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction

from consent import rights, services
from consent.models import ConsentEvent, Method
from contacts import rights as requests
from contacts import services as contacts
from contacts.models import Contact, Sentence, SubjectRequest

logger = logging.getLogger(__name__)

Kind = SubjectRequest.Kind
HOW = Sentence("By a fresh link to their address.")
AT_ONCE = Sentence("Done at once.")
LONGEST = 2000


@transaction.atomic
def ask(*, contact: Contact, kind: str, words: str = "") -> SubjectRequest:
    """Note a request that staff have to answer; the same one is not noted twice while it is open."""
    open_ones = SubjectRequest.objects.open().filter(contact=contact, kind=kind)
    known = None if words else open_ones.first()
    how = Sentence("By a fresh link to their address: %s") % words[:LONGEST] if words else HOW
    return known or requests.receive(contact=contact, kind=kind, how=how)


@transaction.atomic
def correct(
    *, contact: Contact, changes: Mapping[str, Any], changed: Iterable[str]
) -> SubjectRequest:
    """Change what is kept of the person: `changes` as `contacts.services.update_contact` takes them.

    `changed` names what changed, for the note of it: no values. Raises `ContactError` and `FieldError`.
    """
    contacts.update_contact(contact=contact, **changes)
    noted = requests.receive(contact=contact, kind=Kind.RECTIFICATION, how=HOW)
    requests.settle(
        request=noted,
        handler_id=None,
        outcome=Sentence("Done at once: %s.") % ", ".join(sorted(changed)),
    )
    return noted


@transaction.atomic
def restrict(*, contact: Contact, details: Mapping[str, str]) -> ConsentEvent | None:
    """Keep the data and use it for nothing, done at once; None where that is so already."""
    event = rights.restrict(contact=contact, method=Method.PREFERENCES, details=details)
    if event:
        _note_as_done(contact, Kind.RESTRICTION)
    return event


def lift_restriction(*, contact: Contact, details: Mapping[str, str]) -> ConsentEvent | None:
    """Use the data again, as far as permissions stand; None where nothing is restricted."""
    return rights.lift_restriction(contact=contact, method=Method.PREFERENCES, details=details)


@transaction.atomic
def object_to_everything(*, contact: Contact, details: Mapping[str, str]) -> ConsentEvent | None:
    """Every use for advertising stops, on every channel; None where that stands already."""
    event = rights.object_to_everything(contact=contact, method=Method.PREFERENCES, details=details)
    if event:
        _note_as_done(contact, Kind.OBJECTION)
    return event


@transaction.atomic
def keep_only_name(*, contact: Contact, details: Mapping[str, str]) -> ConsentEvent:
    """Every permission ends, and what is noted beside the name goes with its reason."""
    event = services.withdraw(
        contact=contact, topic=None, channel="", method=Method.PREFERENCES, details=details
    )
    contacts.keep_only_name(contact=contact)
    return event


def erase(*, contact: Contact, details: Mapping[str, str]) -> bool:
    """Stop everything, wait for what is on its way, then erase the person.

    False where that is for staff, because a hold stands or the journal of erasures cannot be written: the
    request stays open with its due date. Each step is a transaction of its own: whatever fails later,
    nothing is sent any more and the request is known.
    """
    if not _ask_to_be_forgotten(contact, details):
        return True
    try:
        rights.erase(contact=contact, outcome=AT_ONCE)
    except requests.ErasureHeld:
        return False
    except requests.JournalUnwritable:
        logger.exception("Contact %s could not be erased; the request is for staff", contact.pk)
        return False
    return True


@transaction.atomic
def _ask_to_be_forgotten(contact: Contact, details: Mapping[str, str]) -> bool:
    """False where they are erased already, by another press of the button."""
    contact = contacts.lock(contact.pk)
    if contact.erased_at:
        return False
    ask(contact=contact, kind=Kind.ERASURE)
    rights.object_to_everything(contact=contact, method=Method.PREFERENCES, details=details)
    return True


def _note_as_done(contact: Contact, kind: Kind) -> None:
    """The request that is open, or one of this moment, was fulfilled."""
    requests.settle(request=ask(contact=contact, kind=kind), handler_id=None, outcome=AT_ONCE)
