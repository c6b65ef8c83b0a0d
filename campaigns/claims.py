"""A lane's session with the database: claims a unit, looks again, records what became of it.

One session, one lock, one unit at a time. A claim is durable before anything is handed over, and the
second look is a statement of its own, so that of a claim and a withdrawal the one that commits second sees
the other. Both travel in one round trip.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple, Self

import psycopg
from django.db import connection
from psycopg.rows import tuple_row

from campaigns.letters import Person
from campaigns.models import Campaign
from consent import gate
from consent.models import Topic
from contacts.models import Contact

_LOCKS = 0x4153_0000_0000_0000
_LANES_OF_A_CAMPAIGN = 1024
# A unit is tens of rows, found by their keys: any other plan is a mistake of the estimate, and planning
# costs more than running.
_PLANS = " ".join(
    f"-c {setting}"
    for setting in (
        "plan_cache_mode=force_generic_plan",
        "enable_hashjoin=off",
        "enable_mergejoin=off",
        "enable_seqscan=off",
        "enable_bitmapscan=off",
        "enable_sort=off",
        "enable_memoize=off",
        "join_collapse_limit=1",
        "jit=off",
    )
)


class _Statement:
    """SQL with named parameters, read once: psycopg would read a long one at every execution."""

    def __init__(self, sql: str) -> None:
        self._names: list[str] = []
        self.sql = re.sub(r"%\((\w+)\)s", self._number, sql).encode()

    def _number(self, match: re.Match[str]) -> str:
        if match[1] not in self._names:
            self._names.append(match[1])
        return f"${self._names.index(match[1]) + 1}"

    def order(self, parameters: Mapping[str, Any]) -> list[Any]:
        return [parameters[name] for name in self._names]


# What nearly every unit comes to, with a fraction of the parameters.
_RECORD_SENT = _Statement("""
    WITH settled AS (
        UPDATE campaigns_delivery d
        SET state = 'sent', reason = '', handed_over_at = clock_timestamp(),
            settled_at = clock_timestamp(), provider_id = r.provider_id
        FROM unnest(%(ids)s::bigint[], %(provider_ids)s::text[]) AS r (id, provider_id)
        WHERE d.id = r.id AND d.unit = %(unit)s AND d.state IN ('claimed', 'unknown')
    )
    DELETE FROM campaigns_unit WHERE id = %(unit)s
""")
_RECORD = _Statement("""
    WITH settled AS (
        UPDATE campaigns_delivery d
        SET state = r.state, reason = r.reason, attempt = d.attempt - r.untried,
            due_at = CASE WHEN r.state = 'pending' THEN clock_timestamp() + r.wait END,
            handed_over_at = CASE WHEN r.state = 'sent' THEN clock_timestamp() END,
            settled_at = CASE WHEN r.state <> 'pending' THEN clock_timestamp() END,
            provider_id = r.provider_id, diagnostic = r.diagnostic
        FROM unnest(
            %(ids)s::bigint[], %(states)s::text[], %(reasons)s::text[], %(untried)s::int[],
            %(waits)s::interval[], %(provider_ids)s::text[], %(diagnostics)s::text[]
        ) AS r (id, state, reason, untried, wait, provider_id, diagnostic)
        WHERE d.id = r.id AND d.unit = %(unit)s AND d.state IN ('claimed', 'unknown')
    )
    DELETE FROM campaigns_unit WHERE id = %(unit)s
""")
_RELEASE = _Statement("""
    WITH untouched AS (DELETE FROM campaigns_unit WHERE id = %(unit)s RETURNING id, deliveries)
    UPDATE campaigns_delivery d
    SET state = 'pending', attempt = d.attempt - 1, due_at = clock_timestamp()
    FROM untouched u, unnest(u.deliveries) AS r (id)
    WHERE d.id = r.id AND d.unit = u.id AND d.state IN ('claimed', 'unknown')
""")
_CLAIM = f"""
    WITH picked AS MATERIALIZED (
        SELECT d.id, d.contact_id FROM campaigns_delivery d
        WHERE {{which}} AND d.state = 'pending' AND d.campaign_id = %(campaign)s
          AND EXISTS (
              SELECT FROM campaigns_campaign k WHERE k.id = %(campaign)s AND k.state = 'sending'
          )
        ORDER BY {{order}} LIMIT %(size)s FOR UPDATE OF d SKIP LOCKED
    ), judged AS MATERIALIZED (
        SELECT picked.id, a.id AS address_id, p.event_id, {gate.EVENT} AS standing_id,
            {gate.REASON} AS reason{{judged}}
        FROM picked JOIN contacts_contact c ON c.id = picked.contact_id {gate.JOINS}
    ), marked AS (
        UPDATE campaigns_delivery d
        SET state = CASE WHEN j.reason IS NULL THEN 'claimed' ELSE 'withheld' END,
            reason = coalesce(j.reason, ''),
            event_id = CASE WHEN j.reason IS NULL THEN j.event_id ELSE j.standing_id END,
            address_id = j.address_id,
            unit = CASE WHEN j.reason IS NULL THEN %(unit)s::uuid END,
            attempt = d.attempt + CASE WHEN j.reason IS NULL THEN 1 ELSE 0 END,
            due_at = NULL,
            settled_at = CASE WHEN j.reason IS NOT NULL THEN clock_timestamp() END{{marked}}
        FROM judged j WHERE d.id = j.id
    ), unit AS (
        INSERT INTO campaigns_unit (id, campaign_id, deliveries, lease_until)
        SELECT %(unit)s, %(campaign)s, array_agg(id), clock_timestamp() + %(lease)s
        FROM judged WHERE reason IS NULL HAVING count(*) > 0
    ){{further}}
    SELECT count(*) FROM picked
"""
_WALK = {
    "which": """d.id > (SELECT walked FROM campaigns_lane WHERE id = %(lane)s)
          AND d.id <= (SELECT until FROM campaigns_lane WHERE id = %(lane)s)
          AND (d.due_at IS NULL OR d.due_at <= now())""",
    "order": "d.id",
    "further": """
    , walked AS (
        UPDATE campaigns_lane SET walked = CASE
            WHEN (SELECT count(*) FROM picked) < %(size)s THEN until
            ELSE (SELECT max(id) FROM picked)
        END
        WHERE id = %(lane)s AND walked < until AND EXISTS (
            SELECT FROM campaigns_campaign k WHERE k.id = %(campaign)s AND k.state = 'sending'
        )
    )""",
}
_DRAIN = {
    "which": """d.due_at <= now()
          AND d.id > (SELECT after FROM campaigns_lane WHERE id = %(lane)s)
          AND d.id <= (SELECT until FROM campaigns_lane WHERE id = %(lane)s)""",
    "order": "d.due_at",
    "further": "",
}
_LOOK = f"""
    SELECT d.id, d.attempt,
        (SELECT k.state FROM campaigns_campaign k WHERE k.id = %(campaign)s), {gate.REASON},
        a.id = d.address_id AND {gate.EVENT} = d.event_id, c.subject, c.language, i.email,
        i.first_name, i.last_name, c.attributes, a.fingerprint, c.timezone, i.phone, {{measured}}
    FROM campaigns_unit u
    CROSS JOIN unnest(u.deliveries) AS r (id)
    JOIN campaigns_delivery d ON d.id = r.id AND d.unit = u.id AND d.state = 'claimed'
    JOIN contacts_contact c ON c.id = d.contact_id
    LEFT JOIN contacts_identity i ON i.contact_id = c.id
    {gate.JOINS}
    WHERE u.id = %(unit)s
"""


class _Statements(NamedTuple):
    """What a lane executes for each unit."""

    walk: _Statement
    drain: _Statement
    look: _Statement


_PLAIN = _Statements(
    _Statement(_CLAIM.format(**_WALK, judged="", marked="")),
    _Statement(_CLAIM.format(**_DRAIN, judged="", marked="")),
    _Statement(_LOOK.format(measured="false")),
)
# Who is measured is decided with the claim and asked once more at the second look: the message is made then.
_MEASURING_CLAIM = {
    "judged": f", {gate.permits(contact='picked.contact_id', topic='%(measurement)s')} AS is_measured",
    "marked": ", is_measured = j.reason IS NULL AND j.is_measured",
}
_MEASURING = _Statements(
    _Statement(_CLAIM.format(**_WALK, **_MEASURING_CLAIM)),
    _Statement(_CLAIM.format(**_DRAIN, **_MEASURING_CLAIM)),
    _Statement(
        _LOOK.format(
            measured="d.is_measured AND "
            + gate.permits(contact="d.contact_id", topic="%(measurement)s")
        )
    ),
)
_IN_FLIGHT = """
    SELECT EXISTS (
        SELECT FROM campaigns_delivery d
        JOIN campaigns_unit u ON u.id = d.unit
        JOIN campaigns_campaign k ON k.id = d.campaign_id
        WHERE d.contact_id = %(contact)s AND d.state = 'claimed'
          AND u.lease_until > clock_timestamp()
          AND (%(topic)s::bigint IS NULL OR k.topic_id = %(topic)s)
          AND %(channel)s IN ('', k.channel)
    )
"""


class LaneTaken(Exception):
    """Another worker holds this lane."""


class Claimed(NamedTuple):
    """One delivery of a unit as it was at the second look.

    `reason` says why the gate would withhold it now; `is_sending` is false where the campaign was paused
    or cancelled since it was claimed, or where the address or the consent event is another one than the
    claim wrote down: the next claim decides anew, and writes down what it decides by.
    """

    delivery_id: int
    attempt: int
    is_sending: bool
    reason: str
    person: Person
    timezone: str


@dataclass(slots=True)
class Records:
    """What became of the deliveries of one unit, as columns."""

    unit: uuid.UUID
    ids: list[int] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    untried: list[int] = field(default_factory=list)
    waits: list[timedelta] = field(default_factory=list)
    provider_ids: list[str] = field(default_factory=list)
    diagnostics: list[str] = field(default_factory=list)

    def add(
        self,
        delivery_id: int,
        state: str,
        *,
        reason: str = "",
        untried: bool = False,
        wait: timedelta = timedelta(0),
        provider_id: str = "",
        diagnostic: str = "",
    ) -> None:
        """`wait` is until the next try of a pending one; `untried` takes back the attempt."""
        self.ids.append(delivery_id)
        self.states.append(state)
        self.reasons.append(reason)
        self.untried.append(int(untried))
        self.waits.append(wait)
        self.provider_ids.append(provider_id)
        self.diagnostics.append(diagnostic)

    def statement(self) -> tuple[_Statement, dict[str, Any]]:
        """What to execute, with its parameters."""
        if self.states.count("sent") == len(self.states):
            return _RECORD_SENT, {
                "unit": self.unit, "ids": self.ids, "provider_ids": self.provider_ids
            }  # fmt: skip
        return _RECORD, {name: getattr(self, name) for name in self.__slots__}


class Session:
    """The session of one lane. Raises `LaneTaken` where another one holds its lock."""

    def __init__(self, campaign: Campaign, *, lane: int, number: int, lease: timedelta) -> None:
        self._parameters = gate.parameters(topic=campaign.topic, channel=campaign.channel) | {
            "campaign": campaign.pk,
            "lane": lane,
            "lease": lease,
        }
        topic = Topic.objects.measuring().first() if campaign.is_measured else None
        self._statements = _MEASURING if topic else _PLAIN
        if topic:
            self._parameters["measurement"] = topic.pk
        self._lock = lock_key(campaign.pk, number)
        self._connection = _connect()
        try:
            self._take_lock()
        except BaseException:
            self._connection.close()
            raise

    def _take_lock(self) -> None:
        row = self._connection.execute(
            "SELECT pg_try_advisory_lock($1)", [self._lock], prepare=False
        ).fetchone()
        if row is None or not row[0]:
            raise LaneTaken

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def claim(
        self, unit: uuid.UUID, *, size: int, walking: bool, before: Records | None
    ) -> tuple[int, list[Claimed]]:
        """Record the unit before, claim the next one and look at it again.

        Returns how many deliveries were decided (below `size`, there are no more for now) and those
        that are claimed. A `psycopg.OperationalError` leaves open which of it was committed:
        `record` and `release` may follow in another session.
        """
        parameters = self._parameters | {"unit": unit, "size": size}
        with self._connection.pipeline() as pipeline:
            if before is not None:
                _execute(self._connection, *before.statement())
            claiming = self._statements.walk if walking else self._statements.drain
            picked = _execute(self._connection, claiming, parameters)
            pipeline.sync()
            seen = _execute(self._connection, self._statements.look, parameters)
            pipeline.sync()
            row = picked.fetchone()
            assert row is not None
            return row[0], sorted(map(_claimed, seen))

    def look(self, unit: uuid.UUID) -> list[Claimed]:
        """The second look alone."""
        parameters = self._parameters | {"unit": unit}
        return sorted(map(_claimed, _execute(self._connection, self._statements.look, parameters)))

    def record(self, records: Records) -> None:
        """Settle what is claimed, or became unknown meanwhile, under this unit."""
        _execute(self._connection, *records.statement())

    def release(self, unit: uuid.UUID) -> None:
        """Put a unit back of which nothing was handed over."""
        _execute(self._connection, _RELEASE, {"unit": unit})


def record_in_new_session(records: Records | None, *, untouched: uuid.UUID | None) -> None:
    """What a lane does that has lost both its session and its lane; raises `psycopg.Error`."""
    with _connect() as session:
        if records is not None:
            _execute(session, *records.statement())
        if untouched is not None:
            _execute(session, _RELEASE, {"unit": untouched})


def is_in_flight(contact: Contact, topic_id: int | None, channel: str) -> bool:
    """Whether a hand-over to this person may be under way; see `consent.in_flight`."""
    with connection.cursor() as cursor:
        cursor.execute(_IN_FLIGHT, {"contact": contact.pk, "topic": topic_id, "channel": channel})
        return bool(cursor.fetchone()[0])


def lock_key(campaign_id: int, number: int) -> int:
    """The advisory lock of a lane."""
    return _LOCKS + campaign_id * _LANES_OF_A_CAMPAIGN + number


def held_locks() -> set[int]:
    """The lanes that some worker is at, by `lock_key`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (classid::bigint << 32) + objid::bigint FROM pg_locks"
            " WHERE locktype = 'advisory' AND objsubid = 1 AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return {row[0] for row in cursor.fetchall()}


def _execute(
    session: psycopg.Connection[tuple[Any, ...]],
    statement: _Statement,
    parameters: Mapping[str, Any],
) -> psycopg.Cursor[tuple[Any, ...]]:
    return session.execute(statement.sql, statement.order(parameters))


def _connect() -> psycopg.Connection[tuple[Any, ...]]:
    known = connection.get_connection_params()
    parameters = {
        name: value
        for name, value in known.items()
        if name not in {"context", "cursor_factory", "prepare_threshold", "options"}
    }
    options = " ".join(filter(None, [known.get("options"), _PLANS]))
    return psycopg.connect(
        **parameters,
        options=options,
        autocommit=True,
        prepare_threshold=0,
        row_factory=tuple_row,
        cursor_factory=psycopg.RawCursor,
    )


def _claimed(line: Sequence[Any]) -> Claimed:
    (delivery_id, attempt, state, reason, is_as_claimed, subject, language) = line[:7]
    (email, first_name, last_name, attributes, fingerprint, timezone, phone, is_measured) = line[7:]
    return Claimed(
        delivery_id,
        attempt,
        state == Campaign.State.SENDING and bool(is_as_claimed),
        reason or "",
        Person(
            subject,
            language,
            email or "",
            first_name or "",
            last_name or "",
            attributes,
            fingerprint or b"",
            phone or "",
            is_measured,
        ),
        timezone,
    )
