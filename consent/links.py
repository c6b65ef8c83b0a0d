"""The capabilities in links. Tokens are encrypted: they name nobody, and cannot be made by others.

*stop* links can only reduce permission, never expire and survive erasure and key rotation.
*manage* links (confirm, see, change) are short-lived. Each kind has a key ring of its own.
*hit* links lead on to a destination, for as long as stop links work; for a while they may also be counted.
Their keys are derived from those of the stop links (HKDF, RFC 5869), so that neither passes for the other.

A token is base64url of: version (1 byte) · length of the key id (1) · key id · nonce (12) · AES-256-GCM of
the payload, with everything before the nonce as associated data.
"""

import base64
import binascii
import json
import secrets
import struct
import time
import uuid
from functools import lru_cache
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

VERSION = 1
NONCE_SIZE = 12
LONGEST = 1500
MANAGE_LIFETIME_S = 60 * 60
CONFIRM_LIFETIME_S = 7 * 24 * 60 * 60
NEW_ADDRESS_LIFETIME_S = 24 * 60 * 60
RENEWAL_LIFETIME_S = 45 * 24 * 60 * 60
HIT_LIFETIME_S = 90 * 24 * 60 * 60
_FOR_HITS = b"assent hit links"


class LinkError(Exception):
    """This link is not complete or not ours."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class LinkExpired(LinkError):
    """This link has expired."""


class Stop(NamedTuple):
    """What a stop link can reduce: one topic and channel of one subject, and their address.

    `generation` is how many fingerprint keys the fingerprint was made with; `message` is the delivery it
    came with, 0 for none.
    """

    subject: uuid.UUID
    fingerprint: bytes
    generation: int
    topic: str
    channel: str
    message: int = 0


def stop_token(stop: Stop) -> str:
    head = struct.pack(
        ">16s32sBQ", stop.subject.bytes, stop.fingerprint, stop.generation, stop.message
    )
    return _seal("stop", head + f"{stop.channel}:{stop.topic}".encode())


def read_stop(token: str) -> Stop:
    """Raises `LinkError`."""
    payload = _open("stop", token)
    try:
        subject, fingerprint, generation, message = struct.unpack(">16s32sBQ", payload[:57])
        channel, _, topic = payload[57:].decode().partition(":")
    except (struct.error, UnicodeDecodeError):
        raise LinkError from None
    return Stop(uuid.UUID(bytes=subject), fingerprint, generation, topic, channel, message)


class Hit(NamedTuple):
    """Which delivery of which campaign a hit belongs to, and until when (seconds of the epoch) it counts."""

    campaign: int
    delivery: int
    until: int


_HIT = struct.Struct(">QQQ")


def hit_token(hit: Hit) -> str:
    return _seal("stop", _HIT.pack(*hit), derived=_FOR_HITS)


def read_hit(token: str) -> Hit:
    """Also one whose time is over, which counts no more but still leads on; raises `LinkError`."""
    payload = _open("stop", token, derived=_FOR_HITS)
    if len(payload) != _HIT.size:
        raise LinkError
    return Hit(*_HIT.unpack(payload))


def manage_token(purpose: str, *, lifetime_s: int, **payload: Any) -> str:
    """A short-lived capability for one purpose; `payload` is JSON, and nobody can read it without the key."""
    body = {"purpose": purpose, "until": int(time.time()) + lifetime_s, **payload}
    return _seal("manage", json.dumps(body, separators=(",", ":")).encode())


def read_manage(purpose: str, token: str) -> dict[str, Any]:
    """The payload of a manage token made for this purpose; raises `LinkError` or `LinkExpired`."""
    try:
        body: dict[str, Any] = json.loads(_open("manage", token))
    except ValueError:
        raise LinkError from None
    if body.get("purpose") != purpose:
        raise LinkError
    if body["until"] < time.time():
        raise LinkExpired
    return body


def _seal(ring: str, payload: bytes, *, derived: bytes = b"") -> str:
    key_id, key = next(reversed(settings.ASSENT_KEYS[ring].items()))
    head = bytes([VERSION, len(key_id)]) + key_id.encode()
    nonce = secrets.token_bytes(NONCE_SIZE)
    return _encode(head + nonce + _cipher(key, derived).encrypt(nonce, payload, head))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _open(ring: str, token: str, *, derived: bytes = b"") -> bytes:
    if len(token) > LONGEST or not token.isascii():
        raise LinkError
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        # base64 has several spellings of the same bytes; ours is the only one taken.
        if raw[0] != VERSION or _encode(raw) != token:
            raise LinkError
        start = 2 + raw[1]
        key = settings.ASSENT_KEYS[ring][raw[2:start].decode()]
        nonce, sealed = raw[start : start + NONCE_SIZE], raw[start + NONCE_SIZE :]
        return _cipher(key, derived).decrypt(nonce, sealed, raw[:start])
    except (binascii.Error, IndexError, KeyError, UnicodeDecodeError, ValueError, InvalidTag):
        raise LinkError from None


@lru_cache(maxsize=16)
def _cipher(key: bytes, derived: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=derived).derive(key) if derived else key)
