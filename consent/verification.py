"""Reads the whole ledger and says whether anything sealed was changed, dropped, added or reordered.

It trusts neither the database's triggers nor its leaf columns: every leaf is computed again from the event,
every root from the leaves, and every checkpoint is held against its signature and the one before.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from django.db import connection, transaction

from consent import leaf, merkle, sealing, signing
from consent.models import Wording

READ = 5_000
MOST_PROBLEMS = 1_000

EVENTS = """
    SELECT l.position, l.leaf, e.leaf, e.id, e.subject::text, e.topic_key, e.channel, e.kind, e.basis,
           e.method, (extract(epoch from e.occurred_at) * 1000000)::bigint,
           (extract(epoch from e.recorded_at) * 1000000)::bigint, e.wording_digest, e.actor_role,
           e.actor, e.undoes_id, e.commitment
    FROM consent_ledgerentry l LEFT JOIN consent_consentevent e ON e.id = l.event_id
    ORDER BY l.position
"""
EVIDENCE = "SELECT v.nonce, v.details, e.commitment, v.event_id FROM consent_consentevidence v \
    JOIN consent_consentevent e ON e.id = v.event_id"
LOOSE = """
    SELECT e.id FROM consent_consentevent e
    WHERE NOT EXISTS (SELECT FROM consent_ledgerentry l WHERE l.event_id = e.id)
      AND NOT EXISTS (SELECT FROM consent_unsealed u WHERE u.event_id = e.id)
    ORDER BY e.id LIMIT %s
"""


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


def verify(*, against: str | None = None) -> Report:
    """Verify the ledger of this database, in one snapshot and flat memory.

    `against` is an exported checkpoint (a signed note): it finds a ledger that was cut or rewritten together
    with its own checkpoints. Raises `signing.SigningError` where that note itself is not to be trusted.
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
        _verify_entries(report, anchor)
        _verify_loose(report)
        _verify_evidence(report)
        _verify_wordings(report)
    return report


def _verify_entries(report: Report, anchor: signing.Checkpoint | None) -> None:
    """Leaves against events, positions without a gap, and the root at every checkpoint."""
    frontier = merkle.Frontier()
    expected = _expected_roots(report, anchor)
    size, roots = next(expected, (None, []))
    for rows in _chunks(_stream(EVENTS)):
        sealed = _verified_leaves(report, rows, frontier.size)
        while size is not None and size <= frontier.size + len(sealed):
            take = size - frontier.size
            frontier.extend(sealed[:take])
            sealed = sealed[take:]
            _compare(report, frontier, roots)
            size, roots = next(expected, (None, []))
        frontier.extend(sealed)
    report.sealed = frontier.size
    while size is not None:
        report.add("tail_cut", size)
        size, roots = next(expected, (None, []))


def _compare(report: Report, frontier: merkle.Frontier, roots: list[tuple[str, bytes]]) -> None:
    for kind, root in roots:
        if root != frontier.root():
            report.add(kind, frontier.size)


def _verified_leaves(report: Report, rows: Sequence[tuple[Any, ...]], start: int) -> list[bytes]:
    """The stored leaves of a chunk, each held against its event."""
    stored = [row[1] for row in rows]
    computed = leaf.leaves([leaf.EventFields(*row[3:]) for row in rows if row[3] is not None])
    if [row[0] for row in rows] != list(range(start, start + len(rows))):
        at = next(index for index, row in enumerate(rows) if row[0] != start + index)
        report.add("position_missing", start + at)
    if computed != stored or any(row[2] != row[1] for row in rows):
        _name_changed(report, rows, computed)
    return stored


def _name_changed(
    report: Report, rows: Sequence[tuple[Any, ...]], computed: Iterable[bytes]
) -> None:
    fresh = iter(computed)
    for position, sealed, column, event_id, *_ in rows:
        if event_id is None:
            report.add("event_missing", position)
        elif next(fresh) != sealed:
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
    """Events that came in past the database's own queue: inserted by hand, or cut out of the order."""
    with connection.cursor() as cursor:
        cursor.execute(LOOSE, [MOST_PROBLEMS])
        for (event_id,) in cursor.fetchall():
            report.add("event_never_sealed", event_id)


def _verify_evidence(report: Report) -> None:
    for nonce, details, commitment, event_id in _stream(EVIDENCE):
        if not _matches(nonce, details, commitment):
            report.add("evidence_changed", event_id)


def _matches(nonce: bytes, details: Mapping[str, str], commitment: bytes) -> bool:
    try:
        return leaf.commitment(nonce, details) == commitment
    except (leaf.MalformedDetails, ValueError, AttributeError):
        return False


def _verify_wordings(report: Report) -> None:
    for wording in Wording.objects.published().select_related("topic").order_by("pk").iterator(500):
        if wording.compute_digest() != wording.digest:
            report.add("wording_changed", wording.pk)


def _stream(sql: str) -> Iterator[tuple[Any, ...]]:
    """Rows of a server-side cursor, binary: memory stays flat however many there are."""
    connection.ensure_connection()
    with connection.connection.cursor(name="verify", binary=True) as cursor:
        cursor.itersize = READ
        cursor.execute(sql)
        yield from cursor


def _chunks(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while chunk := list(islice(rows, READ)):
        yield chunk
