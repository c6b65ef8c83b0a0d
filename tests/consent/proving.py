"""A small sealed ledger without a database, and one receipt out of it."""

from datetime import UTC, datetime
from typing import Any

from consent import leaf, merkle, receipts, signing
from consent.leaf import EventFields, Words
from consent.proof import Proof
from consent.receipts import Act, OrganizationFacts, Record, TopicFacts

SUBJECT = "0b5c6f1e-7c3e-4a53-9a5b-1f0a8f6f4a11"
NONCE = bytes(range(32))
DETAILS = {"form": "/newsletter", "ip": "192.0.2.0"}
WORDS = Words(
    "news", "email", "fr", 2, "Écrivez-moi une fois par mois. Je peux arrêter à tout moment."
)
KEY = signing.SigningKey("k1", bytes(32))
OTHER_KEY = signing.SigningKey("k2", b"\x01" * 32)
KEYS = {"k1": KEY.public(), "k2": OTHER_KEY.public()}


def event(kind: str = "given", **fields: Any) -> EventFields:
    values: dict[str, Any] = {
        "id": 7,
        "subject": SUBJECT,
        "topic": "news",
        "channel": "email",
        "kind": kind,
        "basis": "consent" if kind in ("given", "renewed") else "",
        "method": "confirmation",
        "occurred_us": 1_790_000_000_500_000,
        "recorded_us": 1_790_000_000_500_000,
        "wording": WORDS.digest(),
        "actor_role": "subject",
        "actor": "",
        "undoes": None,
        "commitment": leaf.commitment(NONCE, DETAILS),
    }
    return EventFields(**values | fields)


def act(kind: str = "given", **fields: Any) -> Act:
    return Act(event=event(kind, **fields), how="Box ticked, confirmed by email", words=WORDS)


def proof(
    of: EventFields, key: signing.SigningKey = KEY, position: int = 4, size: int = 11
) -> Proof:
    """The proof of an event among other entries of a ledger of `size`."""
    leaves = [merkle.leaf_hash(str(number).encode()) for number in range(size)]
    leaves[position] = of.leaf()
    checkpoint = signing.Checkpoint(
        origin="lumen.example/ledger",
        size=size,
        root=merkle.root(leaves),
        previous=b"\x05" * 32,
        created_at=datetime(2026, 9, 21, 14, 20, tzinfo=UTC),
    )
    return Proof(
        event=of,
        nonce=NONCE,
        details=DETAILS,
        words=WORDS,
        leaf=of.leaf(),
        position=position,
        path=tuple(
            merkle.inclusion_proof(position, size, lambda tier, start, stop: leaves[start:stop])
        ),
        checkpoint=signing.note(checkpoint, key.sign(checkpoint), key.public()),
    )


def record(*acts: Act, standing: Act | None = None, **topic: Any) -> Record:
    facts: dict[str, Any] = {
        "key": "news",
        "channel": "email",
        "name": "Nouveautés",
        "description": "Ce qui change dans nos livres.",
        "validity": "P3Y",
        "retention": "P3Y",
        "withdrawal_url": "https://lumen.example/stop",
        "storage_countries": ("FR",),
        "personal_data": {"pd:EmailAddress": "Email address"},
    }
    return Record(
        organization=OrganizationFacts(
            legal_name="Lumen Books SARL",
            postal_address="12 rue des Lilas\n75011 Paris",
            country="FR",
            contact_name="Claire Martin",
            email="privacy@lumen.example",
            phone="+33 1 23 45 67 89",
            website="https://lumen.example",
            privacy_page="https://lumen.example/privacy",
            authority="CNIL",
        ),
        topic=TopicFacts(**facts | topic),
        acts=acts,
        standing=standing,
    )


def receipt(kind: str = "given", key: signing.SigningKey = KEY, **topic: Any) -> dict[str, Any]:
    """The Kantara receipt of one consent, as it is written to a file."""
    yes = act(kind)
    return receipts.kantara(
        record(yes, standing=yes, **topic), proof(yes.event, key), public_keys=KEYS
    )
