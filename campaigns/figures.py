"""Counts, every few minutes, what the desk shows over time. Run twice or late, the figures are the same."""

from django.db import connection, transaction

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


@transaction.atomic
def count_audience() -> None:
    """Note how many stand on each topic and channel today."""
    with connection.cursor() as cursor:
        cursor.execute(_AUDIENCE)
        cursor.execute(_EMPTIED)
