"""What staff wrote that is no contact's own and may name one: blanked when that person is erased."""

import re
from functools import reduce
from operator import or_
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import Q, QuerySet

from contacts.models import (
    Contact,
    Export,
    Hold,
    Identity,
    IdentityView,
    Segment,
    StaticList,
    SubjectRequest,
)

SHORTEST = 3


def forget(contact: Contact) -> None:
    """Blank the person out of what is written here: reasons, also about others, and names of lists."""
    blank(contact, Export.objects.all(), "reason", is_about_people=True)
    blank(contact, IdentityView.objects.all(), "reason", is_about_people=True)
    blank(contact, Hold.objects.all(), "reason")
    for column in ("how", "outcome", "extended_because"):
        blank(contact, SubjectRequest.objects.all(), column)
    blank(contact, Export.objects.all(), "segment_name")
    blank(contact, Segment.objects.all(), "name")
    blank(contact, StaticList.objects.all(), "name")
    blank(contact, LogEntry.objects.all(), "object_repr")


def blank(
    contact: Contact, written: "QuerySet[Any]", column: str, *, is_about_people: bool = False
) -> None:
    """Put the row's number where the person's address, number or whole name stands in a column.

    In what is said about people, their last name alone is theirs, too. Needs the vault's row.
    """
    words = _words(contact, is_about_people=is_about_people)
    if not words:
        return
    naming = reduce(or_, [Q(**{f"{column}__icontains": word}) for word in words])
    pattern = re.compile(
        "|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words), re.IGNORECASE
    )
    for pk, text in list(written.filter(naming).values_list("pk", column)):
        if isinstance(text, str):  # not one of our own sentences
            written.filter(pk=pk).update(**{column: pattern.sub(f"#{pk}", text)})


def _words(contact: Contact, *, is_about_people: bool) -> list[str]:
    identity = Identity.objects.filter(contact=contact).first()
    if identity is None:
        return []
    first, last = identity.first_name, identity.last_name
    whole = [f"{first} {last}", f"{last} {first}", f"{last}, {first}"] if first and last else []
    told = [identity.email, identity.phone, *whole, last if is_about_people else ""]
    return [word for word in told if len(word) >= SHORTEST]
