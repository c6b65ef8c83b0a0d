"""Files of people in clear: asked for with a reason, approved by somebody else where the setting asks.

A file is fetched by whoever asked for it, within a week, and each time is noted. People who are erased or
restricted are in none: what is restricted is kept and used for nothing (GDPR art. 18).
"""

import io
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from defusedcsv import csv
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from contacts import approval, segments, services
from contacts.models import Contact, Export, Segment

KEPT = timedelta(days=7)
ROWS_AT_ONCE = 1000
COLUMNS = (
    "subject",
    "identity__first_name",
    "identity__last_name",
    "identity__email",
    "identity__phone",
    "language",
    "lifecycle",
)


class ExportError(services.ContactError):
    """This file cannot be had."""


class TooManyPeople(ExportError):
    """These are more people than one file may hold; choose a segment with fewer."""

    def __init__(self, people: int) -> None:
        sentence = _(
            "These are %(people)d people, and one file may hold %(most)d: choose a segment with fewer."
        )
        super().__init__(sentence % {"people": people, "most": settings.EXPORT_ROWS})


class SegmentUnreadable(ExportError):
    """This segment asks for something that is gone: mend it first."""


class SecondPersonNeeded(ExportError):
    """Whoever asked for a file cannot approve it: a second person has to."""


class NotApproved(ExportError):
    """A second person has to approve it, as it is now, before the file can be fetched."""


class NotYours(ExportError):
    """Only the person who asked for a file fetches it."""


class ExportOver(ExportError):
    """It was asked for more than a week ago: ask again."""


def people_of(rule: object) -> "QuerySet[Contact]":
    """Whom a file holds; raises `SegmentUnreadable`."""
    try:
        return segments.matching(rule).filter(restricted_at=None)
    except segments.RuleError as error:
        raise SegmentUnreadable from error


@transaction.atomic
def ask(*, segment: Segment | None, reason: str, staff_id: int | None) -> Export:
    """Ask for a file of a segment, or of everybody; raises `TooManyPeople` and `SegmentUnreadable`."""
    rule = segment.rule if segment else {}
    return Export.objects.create(
        segment=segment,
        segment_name=segment.name if segment else "",
        rule=rule,
        reason=reason,
        people=_count(rule),
        asked_by_id=staff_id,
    )


def _count(rule: object) -> int:
    people = people_of(rule).count()
    if people > settings.EXPORT_ROWS:
        raise TooManyPeople(people)
    return people


def digest(export: Export) -> str:
    """What a second person approves: whom it holds, members of lists included, and why."""
    return approval.digest(
        {
            "rule": export.rule,
            "lists": approval.members([export.rule]),
            "reason": export.reason,
            "asked_by": export.asked_by_id,
        }
    )


def is_approved(export: Export) -> bool:
    """Whether somebody else approved it exactly as it is; True where no setting asks for that."""
    if not settings.EXPORT_NEEDS_SECOND_PERSON:
        return True
    is_second = export.approved_by_id not in {None, export.asked_by_id}
    return is_second and export.approved_digest == digest(export)


def is_over(export: Export, *, now: datetime) -> bool:
    return export.asked_at + KEPT < now


@transaction.atomic
def approve(*, export: Export, staff_id: int | None) -> None:
    """Let the file be fetched; any change of its lists ends that. Raises `SecondPersonNeeded`."""
    locked = Export.objects.select_for_update().get(pk=export.pk)
    if staff_id is None or staff_id == locked.asked_by_id:
        raise SecondPersonNeeded
    Export.objects.filter(pk=export.pk).update(
        approved_by_id=staff_id, approved_digest=digest(locked)
    )
    export.refresh_from_db()


@transaction.atomic
def fetch(*, export: Export, staff_id: int | None, now: datetime) -> Iterator[str]:
    """The file as CSV, in pieces; that it was fetched is noted first.

    Raises `NotYours`, `ExportOver`, `NotApproved`, `TooManyPeople` and `SegmentUnreadable`.
    """
    locked = Export.objects.select_for_update().get(pk=export.pk)
    if staff_id is None or staff_id != locked.asked_by_id:
        raise NotYours
    if is_over(locked, now=now):
        raise ExportOver
    if not is_approved(locked):
        raise NotApproved
    people = _count(locked.rule)
    services.note_identity_view(
        staff_id=staff_id, contact=None, people=people, reason=locked.reason, export=locked
    )
    Export.objects.filter(pk=export.pk).update(fetched_at=Now())
    return _csv(people_of(locked.rule).order_by("pk").values_list(*COLUMNS)[:people])


def _csv(rows: Any) -> Iterator[str]:
    """Cells that a spreadsheet would take for a formula are made text."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(
        [
            _("pseudonym"),
            _("first name"),
            _("last name"),
            _("email"),
            _("phone"),
            _("language"),
            _("lifecycle stage"),
        ]
    )
    for number, row in enumerate(rows.iterator(ROWS_AT_ONCE), start=1):
        table.writerow(["" if cell is None else str(cell) for cell in row])
        if number % ROWS_AT_ONCE == 0:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()
