"""What the ledger hashes: the canonical text of an event, its leaf, the evidence, the words shown.

Version 1 of the form, the same bytes the database computes when the event is inserted. A change of
form is a new version, never a change of this one: every old leaf must stay computable.
"""

import hmac
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

VERSION = "assent-event-v1"
NONCE_SIZE = 32
EVERY = "*"
ABSENT = "-"

# What json.dumps writes for a text, without its way there: an import does this for every event.
_quoted = json.encoder.encode_basestring

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class MalformedEvent(ValueError):
    """A field of this consent event cannot be written unmistakably, so the event has no leaf."""


class MalformedDetails(ValueError):
    """The details of an event must be a flat mapping of strings to strings in valid Unicode."""


class EventFields(NamedTuple):
    """The fields of a consent event, in canonical order, so that a database row is one as it is.

    `topic` None means every topic, `channel` empty every channel; times are whole microseconds
    since the Unix epoch; `wording` is the hexadecimal digest of the words shown; `commitment` is 32
    bytes.
    """

    id: int
    subject: str
    topic: str | None
    channel: str
    kind: str
    basis: str
    method: str
    occurred_us: int
    recorded_us: int
    wording: str | None
    actor_role: str
    actor: str
    undoes: int | None
    commitment: bytes

    def text(self) -> str:
        """The canonical text: 15 lines, no line break at the end.

        Raises MalformedEvent.
        """
        return _text(*self)

    def leaf(self) -> bytes:
        """The leaf hash of RFC 9162 over the canonical text in UTF-8."""
        return sha256(b"\x00" + _text(*self).encode()).digest()

    @property
    def occurred_at(self) -> datetime:
        return moment(self.occurred_us)

    @property
    def recorded_at(self) -> datetime:
        return moment(self.recorded_us)


class Words(NamedTuple):
    """What a wording binds: which words, for what, in which language and version."""

    topic: str
    channel: str
    language: str
    version: int
    text: str

    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the five parts as a JSON list: the name an event knows."""
        return sha256(json.dumps(self, ensure_ascii=False).encode()).hexdigest()


def microseconds(at: datetime) -> int:
    """Whole microseconds from the Unix epoch to an aware datetime, exact."""
    return (at - _EPOCH) // _MICROSECOND


def moment(us: int) -> datetime:
    return _EPOCH + us * _MICROSECOND


def leaves(events: Iterable[EventFields]) -> list[bytes]:
    """The leaf hashes of many events; an event that has no canonical text gets the empty leaf.

    So a row that was bent by hand is reported like any other that does not match.
    """
    hashes = []
    for event in events:
        try:
            hashes.append(sha256(b"\x00" + _text(*event).encode()).digest())
        except MalformedEvent:
            hashes.append(b"")
    return hashes


def _text(
    id_: int,
    subject: str,
    topic: str | None,
    channel: str,
    kind: str,
    basis: str,
    method: str,
    occurred_us: int,
    recorded_us: int,
    wording: str | None,
    actor_role: str,
    actor: str,
    undoes: int | None,
    commitment: bytes,
) -> str:
    return (
        f"{VERSION}\n{id_}\n{subject}\n{_act(topic, channel, kind, basis, method)}\n"
        f"{occurred_us}\n{recorded_us}\n{_source(wording, actor_role, actor)}\n"
        f"{ABSENT if undoes is None else undoes}\n{commitment.hex()}"
    )


# A ledger has few different acts and sources, so that joining and checking them is done once each.
@lru_cache(maxsize=4096)
def _act(topic: str | None, channel: str, kind: str, basis: str, method: str) -> str:
    return "\n".join(
        (
            EVERY if topic is None else _line(topic),
            _line(channel) if channel else EVERY,
            _line(kind),
            _line(basis) if basis else ABSENT,
            _line(method) if method else ABSENT,
        )
    )


@lru_cache(maxsize=4096)
def _source(wording: str | None, role: str, actor: str) -> str:
    return "\n".join(
        (
            ABSENT if wording is None else _line(wording),
            _line(role),
            _line(actor) if actor else ABSENT,
        )
    )


def _line(value: str) -> str:
    """The value, refused where it could pass for an absent one or for two lines."""
    if value in ("", EVERY, ABSENT) or "\n" in value:
        raise MalformedEvent(f"{value!r} cannot stand in the canonical text of an event.")
    return value


def canonical_details(details: Mapping[str, str]) -> bytes:
    """The details as canonical JSON: sorted keys, no spaces, UTF-8.

    For strings this is the form of RFC 8785 as long as no key lies outside the Basic Multilingual
    Plane. Raises MalformedDetails.
    """
    try:
        pairs = [f"{_quoted(key)}:{_quoted(details[key])}" for key in sorted(details)]
        return f"{{{','.join(pairs)}}}".encode()
    except (TypeError, UnicodeEncodeError) as error:
        raise MalformedDetails(MalformedDetails.__doc__) from error


def commitment(nonce: bytes, details: Mapping[str, str]) -> bytes:
    """HMAC-SHA256 of the canonical details under a random nonce of 32 bytes.

    Once nonce and details are erased, it says nothing about them and still can be checked against
    a copy the person kept. Raises MalformedDetails, ValueError for a nonce of another length.
    """
    return commitment_to(nonce, canonical_details(details))


def commitment_to(nonce: bytes, canonical: bytes) -> bytes:
    """`commitment` for details that are canonical already."""
    if len(nonce) != NONCE_SIZE:
        raise ValueError(f"A nonce has {NONCE_SIZE} bytes.")
    return hmac.digest(nonce, canonical, "sha256")
