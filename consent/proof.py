"""The proof that one consent event stands in the ledger, as it travels inside a receipt."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID, uuid5

from consent.leaf import EventFields, Words, microseconds, moment

VERSION = "assent-proof-v1"
MEMBER = "assentProof"  # where a receipt carries it

# The kinds a standing consent can rest on; soft opt-in is a permission, but no consent.
CONSENTING = frozenset({"given", "renewed", "asserted", "undone"})


class MalformedProof(ValueError):
    """This is not a proof of a consent event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """That an event stands in the ledger: `path` leads to the root in `checkpoint`, a signed note.

    `nonce` and `details` are None once the evidence is erased, `words` where none were shown.
    """

    event: EventFields
    nonce: bytes | None
    details: Mapping[str, str] | None
    words: Words | None
    leaf: bytes
    position: int
    path: tuple[bytes, ...]
    checkpoint: str

    def to_json(self) -> dict[str, Any]:
        """The proof as JSON values: hashes and nonce in base64, the commitment in hexadecimal."""
        return {
            "version": VERSION,
            "event": self.event._asdict() | {"commitment": self.event.commitment.hex()},
            "nonce": None if self.nonce is None else _base64(self.nonce),
            "details": None if self.details is None else dict(self.details),
            "words": None if self.words is None else self.words._asdict(),
            "leaf": _base64(self.leaf),
            "position": self.position,
            "path": [_base64(node) for node in self.path],
            "checkpoint": self.checkpoint,
        }

    @classmethod
    def from_json(cls, proof: Any) -> Self:
        """The proof that `to_json` wrote, from anybody's hands. Raises MalformedProof."""
        try:
            if proof["version"] != VERSION:
                raise MalformedProof(MalformedProof.__doc__)
            return cls(
                event=_event(proof["event"]),
                nonce=None if proof["nonce"] is None else _bytes(proof["nonce"]),
                details=None if proof["details"] is None else dict(proof["details"]),
                words=None if proof["words"] is None else Words(**proof["words"]),
                leaf=_bytes(proof["leaf"]),
                position=_whole(proof["position"]),
                path=tuple(_bytes(node) for node in proof["path"]),
                checkpoint=_text(proof["checkpoint"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise MalformedProof(MalformedProof.__doc__) from error


def _event(values: Mapping[str, Any]) -> EventFields:
    return EventFields(
        id=_whole(values["id"]),
        subject=str(UUID(_text(values["subject"]))),
        topic=None if values["topic"] is None else _text(values["topic"]),
        channel=_text(values["channel"]),
        kind=_text(values["kind"]),
        basis=_text(values["basis"]),
        method=_text(values["method"]),
        occurred_us=_time(values["occurred_us"]),
        recorded_us=_time(values["recorded_us"]),
        wording=None if values["wording"] is None else _text(values["wording"]),
        actor_role=_text(values["actor_role"]),
        actor=_text(values["actor"]),
        undoes=None if values["undoes"] is None else _whole(values["undoes"]),
        commitment=bytes.fromhex(_text(values["commitment"])),
    )


def receipt_id(event: EventFields) -> str:
    """The one receipt id of an event: a version 5 UUID of its leaf in the name of its subject."""
    return str(uuid5(UUID(event.subject), event.leaf().hex()))


def _text(value: Any) -> str:
    if type(value) is not str:
        raise MalformedProof(MalformedProof.__doc__)
    value.encode()  # a lone surrogate is no text: nothing can be hashed from it
    return value


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise MalformedProof(MalformedProof.__doc__)
    return value


def _time(value: Any) -> int:
    return microseconds(moment(_whole(value)))


def _bytes(value: Any) -> bytes:
    return b64decode(_text(value), validate=True)


def _base64(value: bytes) -> str:
    return b64encode(value).decode()
