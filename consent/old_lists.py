"""Old lists: whom a topic may reach, whom not, and why, by what can be shown of each person's consent.

Nobody is asked by mail for a consent that cannot be shown; the classes only say where else to ask.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection, models
from django.utils.translation import gettext_lazy as _

from consent import gate
from consent.gate import Reason
from consent.models import Basis, Topic
from contacts import counting

# The gate's reason, the basis of those who may be mailed, and how many people.
Row = tuple[str, str, int]


class Evidence(models.TextChoices):
    """What can be shown, and so what may be done."""

    A = "A", _("consent that can be shown: may be mailed")
    B = "B", _("soft opt-in with all its facts: may be mailed about similar products")
    C = "C", _("nothing or not enough that stands: ask in another place, never by message")
    D = "D", _("said no: never")
    E = "E", _("bought or rented: not taken in")


SAID_NO = {
    Reason.SUPPRESSED,
    Reason.OBJECTED,
    Reason.COMPLAINED,
    Reason.REFUSED,
    Reason.WITHDRAWN,
    Reason.RESTRICTED,
}

# OFFSET 0: each is judged once.
COUNTS = f"""
    SELECT coalesce(reason, ''), CASE WHEN reason IS NULL THEN basis ELSE '' END, count(*)
    FROM (
        SELECT {gate.REASON} AS reason, p.basis FROM contacts_contact c {gate.JOINS}
        WHERE c.erased_at IS NULL OFFSET 0
    ) judged GROUP BY 1, 2
"""
KIND = "old_lists"


@dataclass(frozen=True, slots=True)
class Line:
    """How many people of one class, and the gate's reason; empty where they may be mailed."""

    evidence: Evidence
    reason: str
    people: int


def report(*, topic: Topic, channel: str) -> list[Line]:
    """Everybody who was not erased, by class and reason; the largest of a class first."""
    return lines_of(_counted(topic, channel))


def look(*, topic: Topic, channel: str) -> counting.Figure:
    """The report as fresh as a page can wait for; `lines_of` reads its result."""
    return counting.look(KIND, f"{topic.pk}:{channel}")


def count(about: str) -> list[Row]:
    """The counter of `look`."""
    topic, _, channel = about.partition(":")
    return _counted(Topic.objects.get(pk=int(topic)), channel)


def lines_of(counted: Iterable[Row]) -> list[Line]:
    lines = [Line(_class_of(reason, basis), reason, people) for reason, basis, people in counted]
    return sorted(lines, key=lambda line: (line.evidence, -line.people, line.reason))


def _counted(topic: Topic, channel: str) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, gate.parameters(topic=topic, channel=channel))
        return list(cursor.fetchall())


def _class_of(reason: str, basis: str) -> Evidence:
    if not reason:
        return Evidence.B if basis == Basis.SOFT_OPT_IN else Evidence.A
    return Evidence.D if reason in SAID_NO else Evidence.C
