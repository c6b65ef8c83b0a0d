"""A small proof of work, asked of a browser only when a public door is used too much.

Nobody else is asked, nothing is stored in the browser: the browser looks for a number so that
SHA-256("challenge:number") begins with enough zero bits. Each challenge counts once, for ten minutes.
"""

import hashlib
import secrets

from django.core import signing

from consent.budgets import Budget

BITS = 16
LIFETIME_S = 600
USED = Budget("work-used", limit=1, window_s=86_400)

_signer = signing.TimestampSigner(salt="consent.work")


def challenge() -> str:
    return _signer.sign(secrets.token_urlsafe(12))


def is_done(answer: str) -> bool:
    """Whether `answer`, as "challenge:number", is fresh work of one of our challenges, not used before."""
    given, _, number = answer.rpartition(":")
    try:
        _signer.unsign(given, max_age=LIFETIME_S)
    except signing.BadSignature:
        return False
    if not number.isascii() or not number.isdigit() or len(number) > 12:
        return False
    digest = hashlib.sha256(answer.encode()).digest()
    return int.from_bytes(digest, "big") >> (256 - BITS) == 0 and USED.spend(given)


def is_only_shown(answer: str) -> bool:
    """Whether `answer` is our challenge sent back as it was, by a browser without scripts; counts once."""
    try:
        _signer.unsign(answer, max_age=LIFETIME_S)
    except signing.BadSignature:
        return False
    return USED.spend(answer)
