"""Reads what somebody typed as a pseudonym: whole, or the beginning that staff see."""

import uuid

SHORTEST = 6


def bounds(term: str) -> tuple[uuid.UUID, uuid.UUID] | None:
    """The first and last pseudonym that begin with at least six hexadecimal digits; None for other text.

    Digits alone may be a pseudonym, too: of the short ones one in forty is made of nothing else.
    """
    digits = term.strip().replace("-", "").lower()
    if not SHORTEST <= len(digits) <= 32 or set(digits) - set("0123456789abcdef"):
        return None
    return uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))
