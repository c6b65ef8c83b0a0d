"""To which segments one person belongs: every rule asked of this person alone, in one query."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet, Value

from contacts.models import Contact, Segment
from contacts.segments.conditions import RuleError, known
from contacts.segments.tree import query, read


def segments_of(contact: Contact, *, among: Sequence[Segment]) -> list[Segment]:
    """Those of `among` whose rule finds this person now; one whose rule asks what is gone finds nobody."""
    conditions = known()
    found: list[QuerySet[Contact, Any]] = []
    for segment in among:
        try:
            part = read(segment.rule, conditions)
        except RuleError:
            continue
        person = Contact.objects.living().filter(pk=contact.pk)
        if part:
            person = person.filter(query(part))
        found.append(person.annotate(segment=Value(segment.pk)).values_list("segment", flat=True))
    if not found:
        return []
    belongs = set(found[0].union(*found[1:], all=True))
    return [segment for segment in among if segment.pk in belongs]
