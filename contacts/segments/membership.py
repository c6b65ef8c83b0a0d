"""To which segments one person belongs: every rule asked of this person alone, in one query."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet, Value

from contacts.models import Contact, Segment
from contacts.segments.conditions import RuleError, known
from contacts.segments.tree import Asked, query, read


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
            person = person.filter(query(part, lambda asked: _ask(asked, contact)))
        found.append(person.annotate(segment=Value(segment.pk)).values_list("segment", flat=True))
    if not found:
        return []
    belongs = set(found[0].union(*found[1:], all=True))
    return [segment for segment in among if segment.pk in belongs]


def _ask(asked: Asked, contact: Contact) -> Q:
    return _about(asked.operator.query(asked.value), contact)


def _about(question: Q, contact: Contact) -> Q:
    """The question with its lists of keys cut to this person.

    Below a `not` PostgreSQL would read `id IN (everybody who …)` to its end for the sake of one row.
    """
    cut = question.copy()
    cut.children = [_cut(child, contact) for child in question.children]
    return cut


def _cut(child: Any, contact: Contact) -> Any:
    if isinstance(child, Q):
        return _about(child, contact)
    match child:
        case ("pk__in", QuerySet() as keys):
            (column,) = keys.query.values_select
            return ("pk__in", keys.filter(**{column: contact.pk}))
    return child
