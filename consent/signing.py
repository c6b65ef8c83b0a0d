"""Signed checkpoints: what the ledger's tree was at one moment, and which key says so.

The text follows the C2SP tlog-checkpoint form, the exported note the C2SP signed-note form, with
Ed25519 (RFC 8032). Keys go by id, so that several stay valid through a rotation.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]+", re.ASCII)
_HASH_SIZE = 32
_NOTE_ED25519 = b"\x01"


class SigningError(Exception):
    """This checkpoint cannot be trusted."""


class MalformedCheckpoint(SigningError):
    """This is not the text of a signed checkpoint."""


class UnknownKey(SigningError):
    """The checkpoint is signed by a key that was not given."""


class BadSignature(SigningError):
    """The signature does not belong to this checkpoint and this key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The tree of the first `size` entries of the ledger named `origin`.

    `previous` is the `digest()` of the checkpoint before, None for the first one. `created_at` is
    aware. The text is one line each, and the same bytes for the same values, to the microsecond.
    """

    origin: str
    size: int
    root: bytes
    previous: bytes | None
    created_at: datetime

    def __post_init__(self) -> None:
        if (
            not _NAME.fullmatch(self.origin)
            or self.size < 0
            or len(self.root) != _HASH_SIZE
            or (self.previous is not None and len(self.previous) != _HASH_SIZE)
            or self.created_at.tzinfo is None
        ):
            raise MalformedCheckpoint(MalformedCheckpoint.__doc__)

    def text(self) -> bytes:
        """What is signed, and what `digest()` is taken of."""
        previous = "-" if self.previous is None else _base64(self.previous)
        created = self.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return (
            f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"
            f"previous {previous}\ncreated {created}\n"
        ).encode()

    def digest(self) -> bytes:
        """SHA-256 of the text: the `previous` of the next checkpoint."""
        return sha256(self.text()).digest()

    @classmethod
    def from_text(cls, text: bytes) -> Self:
        """The checkpoint with exactly this text. Raises MalformedCheckpoint."""
        try:
            origin, size, root, previous, created, end = text.decode().split("\n")
            checkpoint = cls(
                origin=origin,
                size=int(size),
                root=b64decode(root, validate=True),
                previous=None
                if previous == "previous -"
                else b64decode(previous.removeprefix("previous "), validate=True),
                created_at=datetime.fromisoformat(created.removeprefix("created ")),
            )
        except ValueError as error:
            raise MalformedCheckpoint(MalformedCheckpoint.__doc__) from error
        if end or checkpoint.text() != text:
            raise MalformedCheckpoint(MalformedCheckpoint.__doc__)
        return checkpoint


@dataclass(frozen=True, slots=True)
class Signature:
    """64 bytes of Ed25519 over a checkpoint's text, by the key with this id."""

    key_id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key: its id and the 32 random bytes it grows from."""

    id: str
    seed: bytes

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.id) or len(self.seed) != _HASH_SIZE:
            raise ValueError("A signing key is an id without spaces or + and 32 bytes.")

    def __repr__(self) -> str:
        return f"SigningKey({self.id!r})"

    def public(self) -> bytes:
        """The 32 bytes anybody may have."""
        return self._private().public_key().public_bytes_raw()

    def sign(self, checkpoint: Checkpoint) -> Signature:
        return Signature(self.id, self._private().sign(checkpoint.text()))

    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def verify(checkpoint: Checkpoint, signature: Signature, keys: Mapping[str, bytes]) -> None:
    """Return only where the signature is good by the public key of its id among `keys`.

    Raises UnknownKey, BadSignature.
    """
    try:
        public = keys[signature.key_id]
    except KeyError as error:
        raise UnknownKey(UnknownKey.__doc__) from error
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature.value, checkpoint.text())
    except (InvalidSignature, ValueError) as error:
        raise BadSignature(BadSignature.__doc__) from error


def note(checkpoint: Checkpoint, signature: Signature, public: bytes) -> str:
    """The checkpoint and its signature as one exportable text (C2SP signed-note)."""
    mark = _note_mark(signature.key_id, public)
    return (
        checkpoint.text().decode() + f"\n— {signature.key_id} {_base64(mark + signature.value)}\n"
    )


def verify_note(text: str, keys: Mapping[str, bytes]) -> tuple[Checkpoint, Signature]:
    """The parts of a note, only where the signature is good by a key among `keys`.

    Raises MalformedCheckpoint, UnknownKey, BadSignature.
    """
    checkpoint, signature = from_note(text)
    verify(checkpoint, signature, keys)
    if note(checkpoint, signature, keys[signature.key_id]) != text:
        raise BadSignature(BadSignature.__doc__)
    return checkpoint, signature


def from_note(text: str) -> tuple[Checkpoint, Signature]:
    """The parts of a note with one signature, which is not verified.

    Raises MalformedCheckpoint.
    """
    try:
        body, signed = text.split("\n\n")
        dash, key_id, marked = signed.removesuffix("\n").split(" ")
        checkpoint = Checkpoint.from_text(f"{body}\n".encode())
        value = b64decode(marked, validate=True)[4:]
    except ValueError as error:
        raise MalformedCheckpoint(MalformedCheckpoint.__doc__) from error
    if dash != "—" or not _NAME.fullmatch(key_id):
        raise MalformedCheckpoint(MalformedCheckpoint.__doc__)
    return checkpoint, Signature(key_id, value)


def _note_mark(key_id: str, public: bytes) -> bytes:
    """The four bytes by which note tools tell keys of the same name apart."""
    return sha256(key_id.encode() + b"\n" + _NOTE_ED25519 + public).digest()[:4]


def _base64(value: bytes) -> str:
    return b64encode(value).decode()
