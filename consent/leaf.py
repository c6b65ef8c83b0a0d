"""What the ledger hashes: the canonical text of an event, its leaf, the evidence, the words shown.

Version 1 of the form, the same bytes the database computes when the event is inserted. A change of
form is a new version, never a change of this one: every old leaf must stay computable.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
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
            EVERY if channel == "" else _line(channel),
            _line(kind),
            ABSENT if basis == "" else _line(basis),
            ABSENT if method == "" else _line(method),
        )
    )


@lru_cache(maxsize=4096)
def _source(wording: str | None, role: str, actor: str) -> str:
    return "\n".join(
        (
            ABSENT if wording is None else _line(wording),
            _line(role),
            ABSENT if actor == "" else _line(actor),
        )
    )


def _line(value: str) -> str:
    """The value, refused where it is absent, or could pass for an absent one or for two lines."""
    if not value or value in (EVERY, ABSENT) or "\n" in value:
        raise MalformedEvent(f"{value!r} cannot stand in the canonical text of an event.")
    return value


def canonical_details(details: Mapping[str, str]) -> bytes:
    """The details as canonical JSON: sorted keys, no spaces, UTF-8.

    For strings this is the form of RFC 8785 as long as no key lies outside the Basic Multilingual
    Plane. Raises MalformedDetails.
    """
    try:
        keys, form = _form(tuple(details))
        return (form % tuple([_quoted(details[key]) for key in keys])).encode()
    except (TypeError, UnicodeEncodeError) as error:
        raise MalformedDetails(MalformedDetails.__doc__) from error


# Evidence has few different sets of keys, so that sorting and quoting them is done once each.
@lru_cache(maxsize=1024)
def _form(keys: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """The keys in order, and the text of all details that have them."""
    ordered = tuple(sorted(keys))
    quoted = [_quoted(key).replace("%", "%%") for key in ordered]
    return ordered, f"{{{','.join(f'{key}:%s' for key in quoted)}}}"


def commitment(nonce: bytes, details: Mapping[str, str]) -> bytes:
    """HMAC-SHA256 of the canonical details under a random nonce of 32 bytes.

    Once nonce and details are erased, it says nothing about them and still can be checked against
    a copy the person kept. Raises MalformedDetails, ValueError for a nonce of another length.
    """
    return commitment_to(nonce, canonical_details(details))


def commitments(nonces: Sequence[bytes], details: Sequence[Mapping[str, str]]) -> bytes:
    """The commitments of many, strung together.

    Raises MalformedDetails, ValueError where there are not as many nonces as details.
    """
    return b"".join([commitment(nonce, each) for nonce, each in zip(nonces, details, strict=True)])


def commitment_to(nonce: bytes, canonical: bytes) -> bytes:
    """`commitment` for details that are canonical already: RFC 2104 for a key of half a block.

    Written out, because the library's function costs twice as much for texts this short.
    """
    if len(nonce) != NONCE_SIZE:
        raise ValueError(f"A nonce has {NONCE_SIZE} bytes.")
    inner = sha256(nonce.translate(_INNER) + _INNER_REST + canonical).digest()
    return sha256(nonce.translate(_OUTER) + _OUTER_REST + inner).digest()


_INNER, _OUTER = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))
_INNER_REST, _OUTER_REST = b"\x36" * NONCE_SIZE, b"\x5c" * NONCE_SIZE
