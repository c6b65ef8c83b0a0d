"""The gate asked about many people at once: one row each, or how many share an answer."""

import re
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from consent import gate
from consent.models import Topic
from contacts.models import Contact

# The candidates' own conditions stand inside, so that nobody else is joined with what they permit.
_JUDGED = f"""
    SELECT c.id AS contact_id, {gate.REASON} AS reason, {gate.EVENT} AS event_id,
        a.id AS address_id, c.timezone
    FROM ({{candidates}}) c {gate.JOINS}
"""
# OFFSET 0: each is judged once, and PostgreSQL expects few answers, so that its workers count side by side.
_COUNTED = """
    SELECT coalesce(reason, ''), count(*) FROM ({judged} OFFSET 0) judged
    GROUP BY reason ORDER BY reason IS NOT NULL, 2 DESC, 1
"""
# A sample this large tells a share within a percent, nineteen times of twenty.
SAMPLED = 10_000


def judged(
    people: "QuerySet[Contact]", *, topic: Topic, channel: str
) -> tuple[str, dict[str, Any]]:
    """A query and its parameters: contact_id, reason (NULL: may), event_id, address_id, timezone."""
    candidates, values = named(people)
    return (
        _JUDGED.format(candidates=candidates),
        gate.parameters(topic=topic, channel=channel) | values,
    )


def counts(people: "QuerySet[Contact]", *, topic: Topic, channel: str) -> list[tuple[str, int]]:
    """How many of them may be written to at this moment (`""`), and how many not, by reason; most first."""
    sql, parameters = judged(people, topic=topic, channel=channel)
    with connection.cursor() as cursor:
        cursor.execute(_COUNTED.format(judged=sql), parameters)
        return list(cursor.fetchall())


def estimates(
    people: "QuerySet[Contact]", *, total: int, topic: Topic, channel: str
) -> list[tuple[str, int]]:
    """As `counts`, judged on a random sample of these `total` people and scaled up."""
    percent = min(100 * SAMPLED / max(total, 1), 100)
    sampled, values = judged(people, topic=topic, channel=channel)
    table = 'FROM "contacts_contact" '
    sql = sampled.replace(table, f"{table}TABLESAMPLE BERNOULLI ({percent:.6f}) ", 1)
    with connection.cursor() as cursor:
        cursor.execute(_COUNTED.format(judged=sql), values)
        found = cursor.fetchall()
    seen = sum(count for _reason, count in found) or 1
    return [(reason, round(count * total / seen)) for reason, count in found]


def named(people: "QuerySet[Contact]") -> tuple[str, dict[str, Any]]:
    """The query with its parameters by name, as the gate's are."""
    try:
        sql, values = people.query.sql_with_params()
    except EmptyResultSet:
        sql, values = "SELECT * FROM contacts_contact WHERE false", ()
    parameters = {f"c{index}": value for index, value in enumerate(values)}
    names = iter(parameters)
    sql = re.sub("%([%s])", lambda match: "%%" if match[1] == "%" else f"%({next(names)})s", sql)
    return sql, parameters
