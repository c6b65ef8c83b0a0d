"""Counts of a campaign's deliveries: live where that is quick, else the clock's last count with its age.

The clock counts what is under way every two seconds, but never spends more than a twentieth of its time on
one campaign; what has ended it counts every minute for a week (bounces come late), then once a day.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import OperationalError, connection, transaction

from campaigns.models import Campaign, Tally
from contacts import counting

AT_ONCE = 3
_LOCK_SPACE = 0x7A11
_COUNTS = """
    SELECT state, reason, count(*) AS number,
        count(*) FILTER (WHERE handed_over_at > now() - interval '1 minute') AS recent,
        count(*) FILTER (WHERE settled_at > (
            SELECT started_at FROM campaigns_campaign WHERE id = %(campaign)s)) AS later
    FROM campaigns_delivery WHERE campaign_id = %(campaign)s GROUP BY state, reason
"""
_DUE = """
    SELECT c.id FROM campaigns_campaign c LEFT JOIN campaigns_tally t ON t.campaign_id = c.id
    WHERE c.started_at IS NOT NULL AND (t.campaign_id IS NULL OR t.counted_at < now() - greatest(
        20 * t.took,
        CASE WHEN c.finished_at IS NULL OR t.counted_at < c.finished_at THEN interval '2 seconds'
            WHEN c.finished_at > now() - interval '7 days' THEN interval '1 minute'
            ELSE interval '1 day' END))
    ORDER BY c.finished_at IS NOT NULL, t.counted_at NULLS FIRST, c.id
    LIMIT %(most)s
"""
_KEEP = f"""
    INSERT INTO campaigns_tally (campaign_id, counts, counted_at, took)
    SELECT %(campaign)s,
        coalesce(jsonb_agg(jsonb_build_array(state, reason, number, recent, later)), '[]'),
        statement_timestamp(), clock_timestamp() - statement_timestamp()
    FROM ({_COUNTS}) counted
    ON CONFLICT (campaign_id) DO UPDATE
    SET counts = excluded.counts, counted_at = excluded.counted_at, took = excluded.took
"""


class Row(NamedTuple):
    """How many share a state and a reason: `recent` in the last minute, `later` settled after the start."""

    state: str
    reason: str
    number: int
    recent: int
    later: int


@dataclass(frozen=True, slots=True)
class Counted:
    """The rows, and `at` when they were counted, or None where it is live."""

    rows: Sequence[Row]
    at: datetime | None = None


def count(campaign: Campaign) -> Counted:
    """What became of a campaign's deliveries, as fresh as a page can wait for."""
    kept = Tally.objects.filter(campaign=campaign).first()
    if kept is None:
        return Counted(_count(campaign))
    if kept.took < counting.QUICK:
        with suppress(OperationalError), counting.at_most(2 * counting.QUICK):
            return Counted(_count(campaign))
    return Counted([Row(*row) for row in kept.counts], kept.counted_at)


def keep_due() -> None:
    """Count again what is due; at most a few campaigns."""
    keep_each(_DUE, _KEEP, most=AT_ONCE)


def keep_each(due: str, keep: str, **limits: int) -> None:
    """Count what `due` (SQL) names by `keep` (SQL), each campaign by one process at a time."""
    with connection.cursor() as cursor:
        cursor.execute(due, limits)
        campaigns = [campaign_id for (campaign_id,) in cursor.fetchall()]
    for campaign_id in campaigns:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LOCK_SPACE, campaign_id])
            if cursor.fetchone()[0]:
                cursor.execute(keep, {"campaign": campaign_id})


def _count(campaign: Campaign) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, {"campaign": campaign.pk})
        return [Row(*row) for row in cursor.fetchall()]
