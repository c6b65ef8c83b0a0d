"""What was measured of a campaign, of how many: counted now and then by the clock, read by pages.

Opened: the pixel was loaded or a link followed. Clicked: a link was followed. People are counted, not times.
When hits grow too old to be kept, the last count stays.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import OperationalError, connection

from campaigns import tally
from campaigns.models import Campaign, Result
from contacts import counting

AT_ONCE = 2
_COUNT = """
    SELECT d.received, d.measured, h.opened, h.clicked, l.clicks
    FROM (
        SELECT count(*) AS received, count(*) FILTER (WHERE is_measured) AS measured
        FROM campaigns_delivery
        WHERE campaign_id = %(campaign)s AND state IN ('sent', 'delivered', 'complained')
    ) d, (
        SELECT count(DISTINCT contact_id) AS opened,
            count(DISTINCT contact_id) FILTER (WHERE destination_id IS NOT NULL) AS clicked
        FROM campaigns_hit WHERE campaign_id = %(campaign)s
    ) h, (
        SELECT coalesce(jsonb_object_agg(number, people), '{}') AS clicks FROM (
            SELECT n.number, count(*) AS people
            FROM campaigns_hit c JOIN campaigns_destination n ON n.id = c.destination_id
            WHERE c.campaign_id = %(campaign)s GROUP BY n.number
        ) by_link
    ) l
"""
# Often while the first readers come; a campaign whose hits may have been erased as too old never again.
_DUE = """
    SELECT c.id FROM campaigns_campaign c LEFT JOIN campaigns_result r ON r.campaign_id = c.id
    WHERE c.is_measured AND c.started_at > now() - make_interval(days => %(days)s)
      AND (r.campaign_id IS NULL OR r.counted_at < now() - greatest(
        20 * r.took,
        CASE WHEN c.finished_at IS NULL OR c.finished_at > now() - interval '1 day'
                THEN interval '10 seconds'
            WHEN c.finished_at > now() - interval '7 days' THEN interval '1 minute'
            WHEN c.finished_at > now() - interval '90 days' THEN interval '1 hour'
            ELSE interval '1 day' END))
    ORDER BY r.counted_at NULLS FIRST, c.id
    LIMIT %(most)s
"""
_KEEP = f"""
    INSERT INTO campaigns_result
        (campaign_id, received, measured, opened, clicked, clicks, counted_at, took)
    SELECT %(campaign)s, counted.*, statement_timestamp(), clock_timestamp() - statement_timestamp()
    FROM ({_COUNT}) counted
    ON CONFLICT (campaign_id) DO UPDATE
    SET received = excluded.received, measured = excluded.measured, opened = excluded.opened,
        clicked = excluded.clicked, clicks = excluded.clicks, counted_at = excluded.counted_at,
        took = excluded.took
"""


@dataclass(frozen=True, slots=True)
class Link:
    """A destination, and how many people followed a link to it."""

    number: int
    url: str
    people: int


@dataclass(frozen=True, slots=True)
class Measured:
    """Of `received` people `measured` permitted it; `opened`, `clicked` and `links` are of those only.

    `counted_at` is None where it was counted at this moment.
    """

    received: int
    measured: int
    opened: int
    clicked: int
    links: list[Link]
    counted_at: datetime | None = None

    def percent(self, people: int) -> float:
        """Of those measured."""
        return round(100 * people / self.measured, 1) if self.measured else 0.0


def of(campaign: Campaign) -> Measured | None:
    """What is known; None where it is not measured, has not started, or cannot be counted at once."""
    if not campaign.is_measured or campaign.started_at is None:
        return None
    kept = Result.objects.filter(campaign=campaign).first()
    if kept:
        people = (kept.received, kept.measured, kept.opened, kept.clicked)
        return Measured(*people, _links(campaign, kept.clicks), kept.counted_at)
    try:
        with counting.at_most(2 * counting.QUICK), connection.cursor() as cursor:
            cursor.execute(_COUNT, {"campaign": campaign.pk})
            received, measured, opened, clicked, clicks = cursor.fetchone()
    except OperationalError:
        return None
    return Measured(received, measured, opened, clicked, _links(campaign, json.loads(clicks)))


def _links(campaign: Campaign, clicks: dict[str, Any]) -> list[Link]:
    """The most followed first; those that nobody followed, too."""
    found = [
        Link(number, url, int(clicks.get(str(number), 0)))
        for number, url in campaign.destinations.values_list("number", "url")
    ]
    return sorted(found, key=lambda link: (-link.people, link.number))


def keep_due() -> None:
    """Count again what is due; at most a few campaigns."""
    tally.keep_each(_DUE, _KEEP, most=AT_ONCE, days=settings.MEASUREMENT_DAYS)
