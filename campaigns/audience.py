"""Who gets a campaign and, for everybody else it is meant for, the reason why not.

The preview and the freeze ask the same question of the gate. Neither reads the vault.
"""

from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from campaigns.models import Campaign
from consent import judging
from contacts import segments
from contacts.models import Contact

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
    return segments.chosen(
        among=[segment.rule for segment in campaign.segments.all()],
        without=[segment.rule for segment in campaign.excluded_segments.all()],
    )


def preview_audience(campaign: Campaign) -> list[tuple[str, int]]:
    """How many would get it at this moment (reason `""`), and how many not, by reason; most first."""
    return judging.counts(candidates(campaign), topic=campaign.topic, channel=campaign.channel)


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
    return judging.judged(candidates(campaign), topic=campaign.topic, channel=campaign.channel)
