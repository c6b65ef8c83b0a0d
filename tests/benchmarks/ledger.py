"""How fast the ledger takes events, seals and verifies them, beside bare SHA-256 over the same bytes.

    python -m tests.benchmarks.ledger --events 1000000 [--json]

Each event has a subject of its own, evidence and a wording. Engines of its own in a temporary folder.
"""

import json
import os
import resource
import time
import uuid
from hashlib import sha256
from typing import Any

from tests.benchmarks.stage import run

BATCH = 10_000
SAMPLE = 200_000
EVENT = """id subject topic_key channel kind basis method occurred_at recorded_at wording_digest actor_role
    actor commitment""".split()


def measure(events: int) -> dict[str, Any]:
    """Needs a stage. Rates are per second, memory in megabytes."""
    from consent import sealing, verification
    from tests import make

    words = make.wording(make.topic())
    began = time.monotonic()
    for start in range(0, events, BATCH):
        append(start, min(BATCH, events - start), str(words.digest))
    appended = time.monotonic() - began
    began = time.monotonic()
    assert sealing.seal() == events
    sealed = time.monotonic() - began
    _vacuum()
    began = time.monotonic()
    report = verification.verify()
    verified = time.monotonic() - began
    assert report.ok, report.problems[:10]
    assert report.sealed == report.events == events
    peak_memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    hashed_per_s = bare(min(events, SAMPLE))
    return {
        "events": events,
        "append_per_s": round(events / appended),
        "seal_per_s": round(events / sealed),
        "verify_per_s": round(events / verified),
        "peak_memory_mb": round(peak_memory_mb, 1),
        "bare_sha256_per_s": round(hashed_per_s),
        "verify_to_bare": round(events / verified / hashed_per_s, 3),
    }


def append(start: int, count: int, wording: str) -> None:
    """One batch of grants with their evidence, in one transaction, as an import writes them."""
    from django.db import transaction

    from consent import leaf
    from contacts.copying import copy_into, next_ids

    rows, evidence = [], []
    with transaction.atomic():
        for number, event_id in enumerate(next_ids("consent_consentevent", count), start):
            details = {"source": "Sign-up form on lumen.example", "row": str(number)}
            nonce = os.urandom(leaf.NONCE_SIZE)
            at = f"2026-01-{number % 28 + 1:02}T12:00:00.{number % 1000000:06}+00:00"
            rows.append(
                f"{event_id}\t{uuid.uuid4()}\tproduct-news\temail\tgiven\tconsent\timport\t{at}\t{at}"
                f"\t{wording}\tstaff\tstaff-1\t\\\\x{leaf.commitment(nonce, details).hex()}"
            )
            evidence.append(f"{event_id}\t\\\\x{nonce.hex()}\t{json.dumps(details)}")
        copy_into("consent_consentevent", EVENT, rows)
        copy_into("consent_consentevidence", ["event_id", "nonce", "details"], evidence)


def bare(events: int) -> float:
    """Leaves per second of nothing but SHA-256 over the canonical texts, already in memory."""
    from django.db import connection

    from consent import leaf, verification

    with connection.cursor() as cursor:
        cursor.execute(verification.EVENTS, {"start": 0, "batch": events})
        rows = cursor.fetchall()
    texts = [b"\x00" + leaf.EventFields(*row[3:]).text().encode() for row in rows]
    began = time.perf_counter()
    for text in texts:
        sha256(text).digest()
    return len(texts) / (time.perf_counter() - began)


def _vacuum() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


if __name__ == "__main__":
    run(measure, size="events", default=100_000, about=__doc__)
