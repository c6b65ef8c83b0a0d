"""Reads the whole ledger and says whether anything sealed was changed, dropped, added or reordered.

It trusts neither the database's triggers nor its leaf columns: every leaf is computed again from the event,
every root from the leaves, and every checkpoint is held against its signature and the one before.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

import psycopg
from django.db import connection, transaction

from consent import leaf, merkle, sealing, signing
from consent.merkle import HASH_SIZE
from consent.models import Wording

BATCH = 5_000
MOST_PROBLEMS = 1_000

# One row per run of positions, everything in it strung together: hashing costs more than fetching then.
# An absent field, or one that could pass for absent, leaves its event without text, and so to be looked at
# one by one; a field of two lines shows in the count of lines.
BATCHES = """
    WITH RECURSIVE runs (start) AS (
        SELECT min(position) / %(batch)s * %(batch)s FROM consent_ledgerentry WHERE position >= 0
        UNION ALL
        SELECT (SELECT min(position) / %(batch)s * %(batch)s FROM consent_ledgerentry
                WHERE position >= runs.start + %(batch)s)
        FROM runs WHERE runs.start IS NOT NULL
    )
    SELECT runs.start, run.*
    FROM runs
    CROSS JOIN LATERAL (
        SELECT count(*), max(position), string_agg(sealed, ''), bool_and(leaf IS NOT DISTINCT FROM sealed),
               convert_to(string_agg(text, E'\\n\\n'), 'UTF8'), string_agg(nonce, ''),
               string_agg(details, ','), string_agg(commitment, '') FILTER (WHERE nonce IS NOT NULL)
        FROM (
            SELECT l.position, l.leaf AS sealed, e.leaf, v.nonce, v.details::text AS details,
                   e.commitment,
                   CASE WHEN e.topic_key IN ('', '*', '-') OR e.channel IN ('*', '-')
                        OR e.kind IN ('', '*', '-') OR e.basis IN ('*', '-') OR e.method IN ('*', '-')
                        OR e.wording_digest IN ('', '*', '-') OR e.actor_role IN ('', '*', '-')
                        OR e.actor IN ('*', '-') OR num_nulls(e.id, e.subject, e.channel, e.kind, e.basis,
                            e.method, e.occurred_at, e.recorded_at, e.actor_role, e.actor, e.commitment) > 0
                   THEN NULL
                   ELSE concat_ws(E'\\n', 'assent-event-v1', e.id, e.subject, coalesce(e.topic_key, '*'),
                        coalesce(nullif(e.channel, ''), '*'), e.kind, coalesce(nullif(e.basis, ''), '-'),
                        coalesce(nullif(e.method, ''), '-'),
                        (date_part('epoch', e.occurred_at) * 1000000)::bigint,
                        (date_part('epoch', e.recorded_at) * 1000000)::bigint,
                        coalesce(e.wording_digest, '-'), e.actor_role, coalesce(nullif(e.actor, ''), '-'),
                        coalesce(e.undoes_id::text, '-'), encode(e.commitment, 'hex')) END AS text
            FROM consent_ledgerentry l
            LEFT JOIN consent_consentevent e ON e.id = l.event_id
            LEFT JOIN consent_consentevidence v ON v.event_id = e.id
            WHERE l.position >= runs.start AND l.position < runs.start + %(batch)s
            ORDER BY l.position
        ) entries
    ) run
    WHERE runs.start IS NOT NULL
"""
# Line breaks of a canonical text, and of one with what sets it apart from the next.
BREAKS = 14
BREAKS_APART = BREAKS + 2
# The runs are found by their keys: any other plan is a mistake of the estimate.
PLANS = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL jit = off"
EVENTS = """
    SELECT l.position, l.leaf, e.leaf, e.id, e.subject::text, e.topic_key, e.channel, e.kind, e.basis,
           e.method, (extract(epoch from e.occurred_at) * 1000000)::bigint,
           (extract(epoch from e.recorded_at) * 1000000)::bigint, e.wording_digest, e.actor_role,
           e.actor, e.undoes_id, e.commitment
    FROM consent_ledgerentry l LEFT JOIN consent_consentevent e ON e.id = l.event_id
    WHERE l.position >= %(start)s AND l.position < %(start)s + %(batch)s
    ORDER BY l.position
"""
EVIDENCE = """
    SELECT v.nonce, v.details, e.commitment, coalesce(l.position, v.event_id)
    FROM consent_consentevidence v
    JOIN consent_consentevent e ON e.id = v.event_id
    LEFT JOIN consent_ledgerentry l ON l.event_id = e.id
"""
EVIDENCE_OF_RUN = f"""{EVIDENCE}
    WHERE l.position >= %(start)s AND l.position < %(start)s + %(batch)s ORDER BY l.position
"""
EVIDENCE_NOT_SEALED = f"{EVIDENCE} WHERE l.position IS NULL ORDER BY v.event_id"
LOOSE = """
    SELECT e.id FROM consent_consentevent e
    WHERE NOT EXISTS (SELECT FROM consent_ledgerentry l WHERE l.event_id = e.id)
      AND NOT EXISTS (SELECT FROM consent_unsealed u WHERE u.event_id = e.id)
    ORDER BY e.id LIMIT %s
"""
BEFORE_THE_FIRST = "SELECT position FROM consent_ledgerentry WHERE position < 0 ORDER BY 1 LIMIT %s"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and at which position (an event's id where it has none)."""

    kind: str
    position: int


@dataclass(slots=True)
class Report:
    events: int = 0
    sealed: int = 0
    unsealed: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "events": self.events,
            "sealed": self.sealed,
            "unsealed": self.unsealed,
            "problems": [asdict(problem) for problem in self.problems],
        }

    def add(self, kind: str, position: int) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(kind, position))


class Run(NamedTuple):
    """The entries from position `start` on, strung together; hashes are 32 bytes each."""

    start: int
    entries: int
    last: int
    sealed: bytes
    columns_hold: bool
    texts: bytes | None
    nonces: bytes | None
    details: str | None
    commitments: bytes | None

    def entries_hold(self) -> bool:
        """Whether every event gives the leaf that was sealed, at positions without a gap."""
        texts = self.texts or b""
        computed = b"".join([sha256(b"\x00" + text).digest() for text in texts.split(b"\n\n")])
        return (
            self.columns_hold
            and computed == self.sealed
            and len(computed) == HASH_SIZE * self.entries
            and texts.count(b"\n") == BREAKS_APART * self.entries - (BREAKS_APART - BREAKS)
            and self.last == self.start + self.entries - 1
        )

    def evidence_holds(self) -> bool:
        """Whether all evidence that still exists is what its event committed to."""
        if self.nonces is None and self.details is None:
            return True
        try:
            details = json.loads(f"[{self.details or ''}]")
            return self.commitments == leaf.commitments(_pieces(self.nonces or b""), details)
        except (leaf.MalformedDetails, ValueError, RecursionError):
            return False


def verify(
    *,
    against: str | None = None,
    batch: int = BATCH,
    tell: Callable[[int], None] = lambda _sealed: None,
) -> Report:
    """Verify the ledger of this database, in one snapshot and flat memory.

    `against` is an exported checkpoint (a signed note): it finds a ledger that was cut or rewritten together
    with its own checkpoints. `tell` hears how many sealed events were read so far. Raises
    `signing.SigningError` where that note itself is not to be trusted.
    """
    anchor = signing.verify_note(against, sealing.public_keys())[0] if against else None
    report = Report()
    is_nested = connection.in_atomic_block
    with transaction.atomic():
        with connection.cursor() as cursor:
            if not is_nested:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SELECT count(*) FROM consent_consentevent")
            report.events = cursor.fetchone()[0]
        report.unsealed = sealing.unsealed()
        _verify_loose(report)
        _name_evidence(report, EVIDENCE_NOT_SEALED)
        _verify_wordings(report)
        _verify_entries(report, list(_expected_roots(report, anchor)), batch, tell)
    return report


def _verify_entries(
    report: Report,
    expected: Sequence[tuple[int, list[tuple[str, bytes]]]],
    batch: int,
    tell: Callable[[int], None],
) -> None:
    """Leaves against events, positions without a gap, evidence, and the root at every checkpoint."""
    frontier = merkle.Frontier()
    roots = iter(expected)
    size, hashes = next(roots, (None, []))
    changed, evidence_changed = [], []
    for run in _runs(batch):
        if not run.entries_hold():
            changed.append(run.start)
        if not run.evidence_holds():
            evidence_changed.append(run.start)
        sealed = _pieces(run.sealed)
        while size is not None and size <= frontier.size + len(sealed):
            take = size - frontier.size
            frontier.extend(sealed[:take])
            sealed = sealed[take:]
            _compare(report, frontier, hashes)
            size, hashes = next(roots, (None, []))
        frontier.extend(sealed)
        tell(frontier.size)
    report.sealed = frontier.size
    signed = expected[-1][0] if expected else 0
    if frontier.size > signed:
        report.add("entry_never_signed", signed)
    while size is not None:
        report.add("tail_cut", size)
        size, hashes = next(roots, (None, []))
    for start in changed:
        _name_changed(report, start, batch)
    for start in evidence_changed:
        _name_evidence(report, EVIDENCE_OF_RUN, start=start, batch=batch)


def _compare(report: Report, frontier: merkle.Frontier, roots: list[tuple[str, bytes]]) -> None:
    for kind, root in roots:
        if root != frontier.root():
            report.add(kind, frontier.size)


def _name_changed(report: Report, start: int, batch: int) -> None:
    """Which events of a run are not what was sealed, one by one."""
    expected = start
    for position, sealed, column, *fields in _rows(EVENTS, start=start, batch=batch):
        if position != expected:
            report.add("position_missing", expected)
        expected = position + 1
        if fields[0] is None:
            report.add("event_missing", position)
        elif leaf.leaves([leaf.EventFields(*fields)]) != [sealed]:
            report.add("event_changed", position)
        elif column != sealed:
            report.add("leaf_changed", position)


def _expected_roots(
    report: Report, anchor: signing.Checkpoint | None
) -> Iterator[tuple[int, list[tuple[str, bytes]]]]:
    """Each size with what its root must be: from the checkpoints, and from the exported one."""
    pending = anchor
    for size, root in _checkpoint_roots(report):
        if pending and pending.size < size:
            yield pending.size, [("exported_checkpoint_differs", pending.root)]
            pending = None
        roots = [("root_differs", root)]
        if pending and pending.size == size:
            roots.append(("exported_checkpoint_differs", pending.root))
            pending = None
        yield size, roots
    if pending:
        yield pending.size, [("exported_checkpoint_differs", pending.root)]


def _checkpoint_roots(report: Report) -> Iterator[tuple[int, bytes]]:
    keys = sealing.public_keys()
    previous: bytes | None = None
    for checkpoint in sealing.checkpoints():
        try:
            signed = sealing.parse(checkpoint)
            signing.verify(
                signed, signing.Signature(checkpoint.key_id, bytes(checkpoint.signature)), keys
            )
        except signing.SigningError:
            report.add("checkpoint_not_signed", checkpoint.size)
            continue
        if signed.previous != previous:
            report.add("checkpoint_missing", checkpoint.size)
        if signed.size != checkpoint.size or signed.root != bytes(checkpoint.root):
            report.add("checkpoint_changed", checkpoint.size)
        previous = signed.digest()
        yield signed.size, signed.root


def _verify_loose(report: Report) -> None:
    """What came in past the database's own queue and the sealer, or was cut out of the order."""
    with connection.cursor() as cursor:
        for kind, sql in (("event_never_sealed", LOOSE), ("position_unknown", BEFORE_THE_FIRST)):
            cursor.execute(sql, [MOST_PROBLEMS])
            for (place,) in cursor.fetchall():
                report.add(kind, place)


def _name_evidence(report: Report, sql: str, **parameters: int) -> None:
    """Which evidence is not what its event committed to, one by one."""
    for nonce, details, commitment, place in _rows(sql, **parameters):
        if not _matches(nonce, details, commitment):
            report.add("evidence_changed", place)


def _matches(nonce: bytes, details: Mapping[str, str], commitment: bytes) -> bool:
    try:
        return leaf.commitment(nonce, details) == commitment
    except (leaf.MalformedDetails, ValueError, TypeError):
        return False


def _verify_wordings(report: Report) -> None:
    for wording in Wording.objects.published().select_related("topic").order_by("pk").iterator(500):
        if wording.compute_digest() != wording.digest:
            report.add("wording_changed", wording.pk)


def _pieces(hashes: bytes) -> list[bytes]:
    return [hashes[at : at + HASH_SIZE] for at in range(0, len(hashes), HASH_SIZE)]


def _runs(batch: int) -> Iterator[Run]:
    """Streamed: the database strings the next run together while this one is hashed."""
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute(PLANS)
    # Django's own cursors put values together on this side, and take text only.
    with psycopg.Cursor(connection.connection) as cursor:
        for row in cursor.stream(BATCHES, {"batch": batch}, binary=True):
            yield Run(*row)


def _rows(sql: str, **parameters: int) -> Iterator[tuple[Any, ...]]:
    """Rows of a server-side cursor, binary: memory stays flat however many there are."""
    connection.ensure_connection()
    with connection.connection.cursor(name="verify", binary=True) as cursor:
        cursor.itersize = BATCH
        cursor.execute(sql, parameters)
        yield from cursor
