"""Counts, every few minutes, what the desk shows over time. Run twice or late, the figures are the same."""

from datetime import UTC, datetime, timedelta

from django.db import connection, transaction
from django.db.models import Max

from campaigns.models import MoveDay

_AUDIENCE = """
    INSERT INTO campaigns_audienceday (day, topic_id, channel, granted)
    SELECT (now() AT TIME ZONE 'UTC')::date, topic_id, channel, count(*)
    FROM consent_permission WHERE state = 'granted' AND topic_id IS NOT NULL
    GROUP BY topic_id, channel
    ON CONFLICT (day, topic_id, channel) DO UPDATE SET granted = excluded.granted
"""
# Where the last yes of a topic was taken back, the day ends with nobody.
_EMPTIED = """
    UPDATE campaigns_audienceday d SET granted = 0
    WHERE d.day = (now() AT TIME ZONE 'UTC')::date AND NOT EXISTS (
        SELECT FROM consent_permission p
        WHERE p.topic_id = d.topic_id AND p.channel = d.channel AND p.state = 'granted'
    )
"""
# As long as nobody has counted on an earlier day, by when each permission that stands now began.
_BEFORE = """
    WITH today AS (SELECT (now() AT TIME ZONE 'UTC')::date AS day),
    began AS (
        SELECT topic_id, channel, (since AT TIME ZONE 'UTC')::date AS day, count(*) AS people
        FROM consent_permission p
        WHERE state = 'granted' AND topic_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM campaigns_audienceday known, today
            WHERE known.topic_id = p.topic_id AND known.channel = p.channel
              AND known.is_counted AND known.day < today.day
        ) GROUP BY 1, 2, 3
    )
    INSERT INTO campaigns_audienceday (day, topic_id, channel, granted, is_counted)
    SELECT shown::date, began.topic_id, began.channel, sum(began.people), false
    FROM today, generate_series(today.day - %(days)s, today.day - 1, interval '1 day') AS shown
    JOIN began ON began.day <= shown::date
    GROUP BY 1, 2, 3
    ON CONFLICT (day, topic_id, channel) DO UPDATE SET granted = excluded.granted
    WHERE NOT campaigns_audienceday.is_counted
"""
MOVES = """
    SELECT (recorded_at AT TIME ZONE 'UTC')::date AS day,
        count(*) FILTER (WHERE kind IN ('given', 'renewed', 'undone')) AS yes,
        count(*) FILTER (
            WHERE kind IN ('withdrawn', 'objected', 'complained', 'expired')) AS no
    FROM consent_consentevent WHERE recorded_at >= %(since)s GROUP BY 1
"""
_KEEP_MOVES = f"""
    INSERT INTO campaigns_moveday (day, yes, no) {MOVES}
    ON CONFLICT (day) DO UPDATE SET yes = excluded.yes, no = excluded.no
"""
DAYS = 30


def count() -> None:
    """Note how many stand on each topic and channel today, and how many moved today and yesterday."""
    _count_audience()
    _count_moves()


@transaction.atomic
def _count_audience() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_AUDIENCE)
        cursor.execute(_EMPTIED)
        cursor.execute(_BEFORE, {"days": DAYS - 1})


@transaction.atomic
def _count_moves() -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    # The first time, and after a pause of the clock, the days before as well.
    known = MoveDay.objects.aggregate(last=Max("day"))["last"]
    back = DAYS if known is None else min(DAYS, (today.date() - known).days + 1)
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_MOVES, {"since": today - timedelta(days=back)})
