"""What a person can ask of their data: access, portability, rectification, erasure, each with its due date.

Restriction and objection are acts of consent and live in the app above.
"""

import calendar
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from contacts import holders, journal, services
from contacts.models import Contact, Hold, Sentence, SubjectRequest

Kind = SubjectRequest.Kind
State = SubjectRequest.State
# What everybody who got the data has to hear of, as far as that is possible (GDPR art. 19).
TOLD = (Kind.RECTIFICATION, Kind.RESTRICTION, Kind.ERASURE)
ERASED_FIRST = Sentence("The person was erased before this was answered.")


class RequestSettled(services.ContactError):
    """This request was answered already."""


class ReasonMissing(services.ContactError):
    """Write why: the person can be told this."""


class TooLateToExtend(services.ContactError):
    """Two more months are taken once, and only before the first month is over."""


class NothingCorrected(services.ContactError):
    """Write at least one thing that was wrong, as it is right."""


class ErasureHeld(services.ContactError):
    """A hold stands: this person's data may not be erased before it is lifted."""


class JournalUnwritable(services.ContactError):
    """The journal of erasures cannot be written, so nobody was erased: is its disk full?"""


class HoldStands(services.ContactError):
    """A hold on this person's data stands already."""


class HoldLifted(services.ContactError):
    """This hold was lifted already."""


@transaction.atomic
def receive(
    *, contact: Contact, kind: str, how: Sentence | str = "", received_at: datetime | None = None
) -> SubjectRequest:
    """Note a request; it is due within one month (GDPR art. 12(3)). Raises `ContactErased`."""
    services.lock_living(contact.pk)
    at = received_at or timezone.now()
    return SubjectRequest.objects.create(
        contact=contact, kind=Kind(kind), how=how, received_at=at, due_at=due(at)
    )


def due(received_at: datetime, *, months: int = 1) -> datetime:
    """The same day so many months later, or the last day of that month where it has no such day."""
    year, month = divmod(received_at.year * 12 + received_at.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return received_at.replace(year=year, month=month + 1, day=min(received_at.day, last))


def extend(*, request: SubjectRequest, reason: str) -> None:
    """Take two more months, where a request is complex, and say why (GDPR art. 12(3)).

    Raises `ReasonMissing`, `RequestSettled` and `TooLateToExtend`. Telling the person is for the caller.
    """
    if not reason.strip():
        raise ReasonMissing
    in_time = SubjectRequest.objects.open().filter(
        pk=request.pk, extended_because="", due_at__gte=Now()
    )
    is_extended = in_time.update(
        due_at=due(request.received_at, months=3), extended_because=reason.strip()
    )
    request.refresh_from_db()
    if not is_extended:
        raise TooLateToExtend if request.state == State.OPEN else RequestSettled


def settle(
    *,
    request: SubjectRequest,
    handler_id: int | None,
    outcome: Sentence | str = "",
    manifest: Mapping[str, int] | None = None,
) -> None:
    """Note that a request was answered; raises `RequestSettled`."""
    _settle(request, State.DONE, handler_id, outcome, manifest or {})


def refuse(*, request: SubjectRequest, handler_id: int | None, reason: str) -> None:
    """Note that a request is not followed, and why; raises `ReasonMissing` and `RequestSettled`."""
    if not reason.strip():
        raise ReasonMissing
    _settle(request, State.REFUSED, handler_id, reason, {})


def _settle(
    request: SubjectRequest,
    state: str,
    handler_id: int | None,
    outcome: Sentence | str,
    manifest: Mapping[str, int],
) -> None:
    moved = SubjectRequest.objects.filter(pk=request.pk, state=State.OPEN).update(
        state=state,
        handler_id=handler_id,
        outcome=outcome,
        manifest=dict(manifest),
        settled_at=Now(),
    )
    if not moved:
        raise RequestSettled
    request.refresh_from_db()


def export(*, contact: Contact) -> dict[str, Any]:
    """Everything that is kept about a person, by holder, as plain values (GDPR art. 15 and 20)."""
    return {holder.name: holder.export(contact) for holder in holders.registered()}


@transaction.atomic
def note_processors_told(*, request: SubjectRequest) -> None:
    """Note that everybody who got the data was told what became of it (GDPR art. 19); once is enough."""
    SubjectRequest.objects.filter(
        pk=request.pk, state=State.DONE, kind__in=TOLD, processors_told_at=None
    ).update(processors_told_at=Now())
    request.refresh_from_db()


@transaction.atomic
def rectify(*, contact: Contact, corrections: Mapping[str, str]) -> list[str]:
    """Correct what is given and not empty, under the names of `update_contact`; returns those names.

    Raises `NothingCorrected`, and what `update_contact` raises.
    """
    given: dict[str, Any] = {name: value for name, value in corrections.items() if value}
    if not given:
        raise NothingCorrected
    services.update_contact(contact=contact, **given)
    return sorted(given)


@transaction.atomic
def place_hold(*, contact: Contact, reason: str, placer_id: int | None) -> Hold:
    """Keep a person's data from erasure, for a reason in law; raises `ReasonMissing` and `HoldStands`."""
    if not reason.strip():
        raise ReasonMissing
    contact = services.lock_living(contact.pk)
    if contact.holds.standing().exists():
        raise HoldStands
    return Hold.objects.create(contact=contact, reason=reason.strip(), placer_id=placer_id)


def lift_hold(*, hold: Hold) -> None:
    """Let the person be erased again, if they ask for it; raises `HoldLifted`."""
    if not Hold.objects.standing().filter(pk=hold.pk).update(lifted_at=Now()):
        raise HoldLifted
    hold.refresh_from_db()


@transaction.atomic
def erase(
    *,
    contact: Contact,
    is_again: bool = False,
    handler_id: int | None = None,
    outcome: Sentence | str = "",
) -> dict[str, int]:
    """Erase a person, and return the rows touched by table; a second time nothing is left to do.

    Raises `ErasureHeld` where a hold stands, unless they were erased before and a backup brought them back
    (`is_again`), and `JournalUnwritable`.

    What stays is the pseudonym, the day, the consent events without their evidence, and the suppression of
    the addresses. The journal has the pseudonym before this commits. What was asked to be erased is settled
    with this outcome; nobody is left to answer anything else. In-flight messages are for the caller to wait
    for, before it.
    """
    contact = services.lock(contact.pk)
    manifest = {} if contact.erased_at else _erase(contact, is_again=is_again)
    for request in SubjectRequest.objects.open().filter(contact=contact).order_by("pk"):
        if request.kind == Kind.ERASURE:
            settle(request=request, handler_id=handler_id, outcome=outcome, manifest=manifest)
        else:
            _settle(request, State.REFUSED, handler_id, ERASED_FIRST, {})
    return manifest


def _erase(contact: Contact, *, is_again: bool) -> dict[str, int]:
    if not is_again and contact.holds.standing().exists():
        raise ErasureHeld
    manifest: dict[str, int] = {}
    for holder in reversed(holders.registered()):
        for table, rows in holder.erase(contact).items():
            manifest[table] = manifest.get(table, 0) + rows
    try:
        journal.note(contact.subject, timezone.now())
    except OSError as error:
        raise JournalUnwritable from error
    return {table: rows for table, rows in manifest.items() if rows}


def returned(file: Path | None = None) -> list[Contact]:
    """People in the journal of erasures who live in the database: it was restored from a backup."""
    subjects = list(journal.subjects(file))
    return list(Contact.objects.living().filter(subject__in=subjects)) if subjects else []


def check_erasures() -> None:
    """Raise `ImproperlyConfigured` where a restored backup brought erased people back."""
    if returned():
        raise ImproperlyConfigured(
            "The database holds people who were erased: it comes from a backup."
            " Run `manage.py replay_erasures` first."
        )
