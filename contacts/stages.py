"""How many people are at each stage of their lifecycle, and how many of them are new."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Q
from django.utils import timezone

from contacts import counting
from contacts.models import Contact, Lifecycle

KIND = "stages"
NEW_FOR = timedelta(days=30)
# The stage, how many people, how many of them became known within `NEW_FOR`.
Row = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Line:
    """`percent` is of all people who were not erased, from 0 to 100."""

    stage: Lifecycle
    people: int
    new: int
    percent: int


def look() -> counting.Figure:
    """The counts as fresh as a page can wait for; `lines_of` reads their result."""
    return counting.look(KIND)


def count(_about: str) -> list[Row]:
    """The counter of `look`."""
    new = Count("pk", filter=Q(created_at__gte=timezone.now() - NEW_FOR))
    living = Contact.objects.living().order_by()
    return list(living.values_list("lifecycle").annotate(people=Count("pk"), new=new))


def lines_of(counted: Iterable[Row]) -> list[Line]:
    """Every stage in its order, also where nobody is."""
    counts = {stage: (people, new) for stage, people, new in counted}
    total = sum(people for people, _new in counts.values())
    lines = []
    for stage in Lifecycle:
        people, new = counts.get(stage, (0, 0))
        lines.append(Line(stage, people, new, round(100 * people / total) if total else 0))
    return lines
