"""Old lists: whom a topic may reach, whom not, and why, by what can be shown of each person's consent.

Nobody is asked by mail for a consent that cannot be shown; the classes only say where else to ask.
"""

from dataclasses import dataclass

from django.db import connection, models
from django.utils.translation import gettext_lazy as _

from consent import gate
from consent.gate import Reason
from consent.models import Basis, Topic


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

COUNTS = f"""
    SELECT coalesce({gate.REASON}, ''), CASE WHEN {gate.REASON} IS NULL THEN p.basis ELSE '' END, count(*)
    FROM contacts_contact c {gate.JOINS}
    WHERE c.erased_at IS NULL GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Line:
    """How many people of one class, and the gate's reason; empty where they may be mailed."""

    evidence: Evidence
    reason: str
    people: int


def report(*, topic: Topic, channel: str) -> list[Line]:
    """Everybody who was not erased, by class and reason; the largest of a class first."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, gate.parameters(topic=topic, channel=channel))
        counted = cursor.fetchall()
    lines = [Line(_class_of(reason, basis), reason, people) for reason, basis, people in counted]
    return sorted(lines, key=lambda line: (line.evidence, -line.people, line.reason))


def _class_of(reason: str, basis: str) -> Evidence:
    if not reason:
        return Evidence.B if basis == Basis.SOFT_OPT_IN else Evidence.A
    return Evidence.D if reason in SAID_NO else Evidence.C
