"""The gate asked about many people at once: one row each, or how many share an answer."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
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
_KEYED = "SELECT * FROM contacts_contact WHERE id = ANY(%(keys)s)"
# Each of these would read a table to its end for the sake of some thousand people.
_WHOLE_READS = ("enable_hashjoin", "enable_mergejoin", "enable_material", "enable_seqscan")
# So many are judged one by one while somebody waits; a sample tells a share within one and a half percent,
# nineteen times of twenty.
FEW = 10_000
SAMPLED = 5_000


def judged(
    people: "QuerySet[Contact]", *, topic: Topic, channel: str
) -> tuple[str, dict[str, Any]]:
    """A query and its parameters: contact_id, reason (NULL: may), event_id, address_id, timezone."""
    candidates, values = named(people)
    return (
        _JUDGED.format(candidates=candidates),
        gate.parameters(topic=topic, channel=channel) | values,
    )


def judged_by_key(keys: Sequence[int], *, topic: Topic, channel: str) -> tuple[str, dict[str, Any]]:
    """`judged` for some thousand people at most, to be run on a cursor of `by_key`."""
    parameters = gate.parameters(topic=topic, channel=channel) | {"keys": list(keys)}
    return _JUDGED.format(candidates=_KEYED), parameters


@contextmanager
def by_key() -> Iterator[CursorWrapper]:
    """A cursor whose statements look people up by their keys, however many there are in all."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("; ".join(f"SET LOCAL {each} = off" for each in _WHOLE_READS))
        yield cursor
        # Inside an outer transaction the settings would stay.
        cursor.execute("; ".join(f"SET LOCAL {each} = DEFAULT" for each in _WHOLE_READS))


def counts(people: "QuerySet[Contact]", *, topic: Topic, channel: str) -> list[tuple[str, int]]:
    """How many of them may be written to at this moment (`""`), and how many not, by reason; most first."""
    sql, parameters = judged(people, topic=topic, channel=channel)
    with connection.cursor() as cursor:
        cursor.execute(_COUNTED.format(judged=sql), parameters)
        return list(cursor.fetchall())


def estimates(
    people: "QuerySet[Contact]", *, total: int, topic: Topic, channel: str
) -> list[tuple[str, int]]:
    """As `counts` where these `total` people are `FEW`; else scaled up from a random sample of them."""
    sql, values = named(people.values("pk"))
    if is_sampled := total > FEW:
        table, percent = 'FROM "contacts_contact" ', 100 * SAMPLED / total
        sql = sql.replace(table, f"{table}TABLESAMPLE BERNOULLI ({percent:.6f}) ", 1)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        keys = [key for (key,) in cursor.fetchall()]
    judged_keys, parameters = judged_by_key(keys, topic=topic, channel=channel)
    with by_key() as cursor:
        cursor.execute(_COUNTED.format(judged=judged_keys), parameters)
        found = cursor.fetchall()
    if not is_sampled:
        return list(found)
    return [(reason, _in_two_figures(count * total / len(keys))) for reason, count in found]


def _in_two_figures(number: float) -> int:
    """Whoever reads more of them takes an estimate for a count."""
    return int(round(number, 2 - len(str(round(number)))))


def named(people: "QuerySet[Contact, Any]") -> tuple[str, dict[str, Any]]:
    """The query with its parameters by name, as the gate's are."""
    try:
        sql, values = people.query.sql_with_params()
    except EmptyResultSet:
        sql, values = "SELECT * FROM contacts_contact WHERE false", ()
    parameters = {f"c{index}": value for index, value in enumerate(values)}
    names = iter(parameters)
    sql = re.sub("%([%s])", lambda match: "%%" if match[1] == "%" else f"%({next(names)})s", sql)
    return sql, parameters
