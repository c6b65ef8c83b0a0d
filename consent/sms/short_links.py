"""Links that fit into a text message: a random code of 99 bits that stands for a long token.

The database keeps a hash of the code and the token encrypted under it, so that neither a copy of the
database nor a log of it opens any link. A stop token in it stays what it is: it never ends, it survives the
erasure of the person, and the rotation of keys as every stop link does.
"""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db.models.functions import Now

from consent.links import LinkError
from consent.models import ShortLink

# Without the letters and digits that people take for each other.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
LENGTH = 17
# Each code encrypts one token only.
_NONCE = bytes(12)


@dataclass(frozen=True, slots=True)
class Minted:
    """A new short link; it works once its row is kept."""

    url: str
    row: ShortLink


def mint(page: str, token: str, *, ends_at: datetime | None = None) -> Minted:
    """A short link to a `page` of ours (`stop`, `confirm`, …) with its token."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    sealed = _cipher(code).encrypt(_NONCE, f"{page}:{token}".encode(), None)
    row = ShortLink(digest=_digest(code), sealed=sealed, ends_at=ends_at)
    return Minted(f"{settings.PUBLIC_URL}/s/{code}", row)


def keep(minted: Iterable[Minted]) -> None:
    """Make these links work."""
    ShortLink.objects.bulk_create([each.row for each in minted])


def read(code: str) -> tuple[str, str]:
    """The page and the token behind a code; raises `LinkError`."""
    link = ShortLink.objects.filter(digest=_digest(code)).first()
    if link is None:
        raise LinkError
    try:
        opened = _cipher(code).decrypt(_NONCE, bytes(link.sealed), None)
    except InvalidTag:
        raise LinkError from None
    page, _, token = opened.decode().partition(":")
    return page, token


def forget_ended() -> None:
    """Delete the links that have done their time; those that stop have none."""
    ShortLink.objects.filter(ends_at__lt=Now()).delete()


def _digest(code: str) -> bytes:
    return hashlib.sha256(f"assent short link: {code}".encode()).digest()


def _cipher(code: str) -> AESGCM:
    return AESGCM(hashlib.sha256(f"assent short link key: {code}".encode()).digest())
