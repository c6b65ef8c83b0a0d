"""The sealer: gives every committed event its position, and signs the tree of all positions.

An event waits in `Unsealed` until its transaction is committed and the sealer comes by; so the newest
seconds are not sealed yet, and nobody ever waits for the sealer.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection, transaction

from consent import merkle, signing
from consent.models import LedgerCheckpoint, LedgerEntry, LedgerNode

BATCH = 20_000
LOCK = 0x0A55E27  # any number, as long as nothing else takes it

# In the order of the events' ids; a row enters the order only once, when it is committed.
MOVE = """
    WITH waiting AS (
        DELETE FROM consent_unsealed
        WHERE event_id IN (SELECT event_id FROM consent_unsealed ORDER BY event_id LIMIT %(batch)s)
        RETURNING event_id
    )
    INSERT INTO consent_ledgerentry (position, event_id, leaf)
    SELECT %(next)s + row_number() OVER (ORDER BY e.id) - 1, e.id, e.leaf
    FROM waiting JOIN consent_consentevent e ON e.id = waiting.event_id
    RETURNING position, leaf
"""


def seal(*, batch: int = BATCH) -> int:
    """Seal everything that is committed, in transactions of `batch` events; returns how many.

    Two sealers never work at once: the second returns 0 at once.
    """
    sealed = 0
    while count := _seal_batch(batch):
        sealed += count
    return sealed


@transaction.atomic
def _seal_batch(batch: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return 0
        last = LedgerCheckpoint.objects.order_by("-size").first()
        frontier = merkle.Frontier.from_bytes(bytes(last.frontier)) if last else merkle.Frontier()
        cursor.execute(MOVE, {"batch": batch, "next": frontier.size})
        leaves = [bytes(leaf) for _, leaf in sorted(cursor.fetchall())]
    if leaves:
        nodes = frontier.extend(leaves)
        LedgerNode.objects.bulk_create(LedgerNode(**node._asdict()) for node in nodes)
        _sign(frontier, last)
    return len(leaves)


def _sign(frontier: merkle.Frontier, last: LedgerCheckpoint | None) -> None:
    checkpoint = signing.Checkpoint(
        origin=f"{urlsplit(settings.PUBLIC_URL).netloc}/ledger",
        size=frontier.size,
        root=frontier.root(),
        previous=parse(last).digest() if last else None,
        created_at=datetime.now(UTC),
    )
    signature = signing_key().sign(checkpoint)
    LedgerCheckpoint.objects.create(
        size=checkpoint.size,
        root=checkpoint.root,
        previous=checkpoint.previous,
        frontier=frontier.to_bytes(),
        created_at=checkpoint.created_at,
        text=checkpoint.text().decode(),
        key_id=signature.key_id,
        signature=signature.value,
    )


def parse(checkpoint: LedgerCheckpoint) -> signing.Checkpoint:
    """What was signed; raises `signing.MalformedCheckpoint`."""
    return signing.Checkpoint.from_text(checkpoint.text.encode())


def signing_key() -> signing.SigningKey:
    key_id, seed = next(reversed(settings.ASSENT_KEYS["ledger"].items()))
    return signing.SigningKey(key_id, seed)


def public_keys() -> dict[str, bytes]:
    """The public half of every signing key, by id: what a verifier needs."""
    return {
        key_id: signing.SigningKey(key_id, seed).public()
        for key_id, seed in settings.ASSENT_KEYS["ledger"].items()
    }


def export(checkpoint: LedgerCheckpoint) -> str:
    """The checkpoint as a signed note (C2SP), to be kept outside this database."""
    signature = signing.Signature(checkpoint.key_id, bytes(checkpoint.signature))
    return signing.note(parse(checkpoint), signature, public_keys()[checkpoint.key_id])


def fetch_nodes(tier: int, start: int, stop: int) -> list[bytes]:
    """What `merkle` reads proofs from: leaves at tier 0, kept nodes above."""
    rows = (
        LedgerEntry.objects.filter(position__gte=start, position__lt=stop)
        .order_by("position")
        .values_list("leaf", flat=True)
        if tier == 0
        else LedgerNode.objects.filter(tier=tier, place__gte=start, place__lt=stop)
        .order_by("place")
        .values_list("hash", flat=True)
    )
    return [bytes(row) for row in rows]


def unsealed() -> int:
    """How many committed events wait for the sealer."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM consent_unsealed")
        return int(cursor.fetchone()[0])


def checkpoints() -> Iterator[LedgerCheckpoint]:
    """Every checkpoint from the smallest on, streamed."""
    return LedgerCheckpoint.objects.order_by("size").iterator(chunk_size=1000)
