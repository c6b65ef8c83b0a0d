"""Who gets a campaign and, for everybody else it is meant for, the reason why not.

The preview and the freeze ask the same question of the gate. Neither reads the vault.
"""

import re
from typing import Any

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from campaigns.models import Campaign
from consent import gate
from contacts import segments
from contacts.models import Contact, Segment

_JUDGED = f"""
    SELECT c.id AS contact_id, {gate.REASON} AS reason, {gate.EVENT} AS event_id,
        a.id AS address_id, c.timezone
    FROM contacts_contact c {gate.JOINS}
    WHERE {{candidates}}
"""
# Zone names that PostgreSQL does not know would end the statement. OFFSET 0: each is judged once.
_FREEZE = """
    WITH zones AS MATERIALIZED (SELECT name FROM pg_timezone_names WHERE %(is_local)s)
    INSERT INTO campaigns_delivery (
        campaign_id, contact_id, state, reason, event_id, address_id, attempt, due_at, settled_at,
        provider_id, diagnostic
    )
    SELECT %(campaign)s, contact_id, CASE WHEN reason IS NULL THEN 'pending' ELSE 'withheld' END,
        coalesce(reason, ''), event_id, address_id, 0,
        CASE WHEN reason IS NULL AND %(is_local)s THEN
            (%(send_at)s AT TIME ZONE %(zone)s) AT TIME ZONE coalesce(zones.name, %(zone)s)
        END,
        CASE WHEN reason IS NOT NULL THEN now() END, '', ''
    FROM ({judged} OFFSET 0) judged LEFT JOIN zones ON zones.name = judged.timezone
    ORDER BY contact_id
"""
_LANES = """
    INSERT INTO campaigns_lane (campaign_id, number, after, until, walked)
    SELECT %(campaign)s, number, first + number * share - 1,
        least(first + (number + 1) * share - 1, last), first + number * share - 1
    FROM (
        SELECT min(id) AS first, max(id) AS last,
            (max(id) - min(id)) / %(lanes)s + 1 AS share
        FROM campaigns_delivery WHERE campaign_id = %(campaign)s
    ) bounds, generate_series(0, %(lanes)s - 1) AS number
    WHERE first + number * share <= last
"""


def candidates(campaign: Campaign) -> QuerySet[Contact]:
    """Everybody the campaign is meant for, permitted or not."""
    people = Contact.objects.living()
    if wanted := list(campaign.segments.all()):
        people = people.filter(_in_any(wanted))
    if unwanted := list(campaign.excluded_segments.all()):
        people = people.exclude(_in_any(unwanted))
    return people


def _in_any(chosen: list[Segment]) -> Q:
    condition = Q()
    for segment in chosen:
        condition |= Q(pk__in=segments.members(segment).values("pk"))
    return condition


def preview_audience(campaign: Campaign) -> list[tuple[str, int]]:
    """How many would get it at this moment (reason `""`), and how many not, by reason; most first."""
    judged, parameters = _judged(campaign)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(reason, ''), count(*)"
            f" FROM ({judged}) judged GROUP BY 1 ORDER BY coalesce(reason, '') <> '', 2 DESC, 1",
            parameters,
        )
        return [(reason, count) for reason, count in cursor.fetchall()]


def people(
    campaign: Campaign, reason: str, *, before: int | None = None, limit: int = 50
) -> list[int]:
    """The contacts (ids, newest first) behind one answer of the preview; `""`: who would get it."""
    judged, parameters = _judged(campaign)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT contact_id FROM ({judged}) judged WHERE coalesce(reason, '') = %(reason)s"
            " AND (%(before)s::bigint IS NULL OR contact_id < %(before)s)"
            " ORDER BY contact_id DESC LIMIT %(limit)s",
            parameters | {"reason": reason, "before": before, "limit": limit},
        )
        return [contact_id for (contact_id,) in cursor.fetchall()]


@transaction.atomic
def freeze(campaign: Campaign, *, lanes: int) -> None:
    """Write one delivery per candidate, pending or withheld with the reason, and its lanes.

    Who is withheld here stays withheld. With local time each waits for the hour of `send_at` on the
    person's own clock.
    """
    judged, parameters = _judged(campaign)
    parameters |= {
        "campaign": campaign.pk,
        "lanes": lanes,
        "is_local": campaign.is_local_time,
        "send_at": campaign.send_at,
        "zone": campaign.timezone,
    }
    with connection.cursor() as cursor:
        cursor.execute(_FREEZE.format(judged=judged), parameters)
        cursor.execute(_LANES, parameters)


def _judged(campaign: Campaign) -> tuple[str, dict[str, Any]]:
    parameters = gate.parameters(topic=campaign.topic, channel=campaign.channel)
    if not campaign.segments.exists() and not campaign.excluded_segments.exists():
        return _JUDGED.format(candidates="c.erased_at IS NULL"), parameters
    sql, values = candidates(campaign).values("pk").query.sql_with_params()
    named = {f"c{index}": value for index, value in enumerate(values)}
    names = iter(named)
    sql = re.sub("%([%s])", lambda match: "%%" if match[1] == "%" else f"%({next(names)})s", sql)
    return _JUDGED.format(candidates=f"c.id IN ({sql})"), parameters | named
