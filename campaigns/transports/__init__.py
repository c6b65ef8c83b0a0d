"""Hands messages over to a relay or provider, and says exactly what became of each."""

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from campaigns.mime import Letter
from campaigns.replies import status_in
from contacts.models import Sentence


class Outcome(StrEnum):
    """What became of a message.

    `deferred`: refused for now, or the connection was lost before its final dot was written.
    `unknown`: it may or may not have been taken. `not_tried`: nothing of it was handed over.
    """

    SENT = "sent"
    DEFERRED = "deferred"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    NOT_TRIED = "not_tried"


class Envelope(NamedTuple):
    """A letter with its return path and its recipient (RFC 5321 §2.3.1)."""

    sender: str
    recipient: str
    letter: Letter


class Result(NamedTuple):
    """The outcome with the server's own words: `code` (0 if none), enhanced status (RFC 3463),
    diagnostic text with addresses masked, and the provider's id of the message."""

    outcome: Outcome
    code: int = 0
    status: str = ""
    diagnostic: str = ""
    provider_id: str = ""


NOT_TRIED = Result(Outcome.NOT_TRIED)


class RelayDown(Exception):
    """The relay takes no messages now; those without a result yet were not tried.

    `results` has one entry per message of the unit, in order.
    """

    def __init__(self, reason: Sentence | str, results: Sequence[Result] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.results = list(results)

    def __str__(self) -> str:
        return str(self.reason)


class Transport(Protocol):
    """Keeps its connection between units; `close` ends it."""

    def hand_over(self, messages: Sequence[Envelope], *, go_on: Callable[[], bool]) -> list[Result]:
        """Hand the messages over, one after another, while `go_on()` is true.

        Returns one result per message, in order; those left when `go_on()` turned false, or the
        connection was lost, are `not_tried`.

        Raises:
            RelayDown: the relay cannot be reached, or refuses to talk; with the results so far.
        """
        ...

    def close(self) -> None:
        """End the connection; the next unit opens a new one."""
        ...


_ADDRESS = re.compile(r"[^\s<>\"'(),:;]+@[^\s<>\"'(),:;]+")


def result(outcome: Outcome, code: int, text: str, *, recipient: str = "") -> Result:
    """A result from a reply, its text masked: no address, no local part of the recipient."""
    return Result(outcome, code, status_in(text), masked(text, recipient))


def masked(text: str, recipient: str = "") -> str:
    """`text` (at most 500 characters) without addresses."""
    local = recipient.rpartition("@")[0]
    for part in (recipient, local):
        if len(part) > 2:
            text = re.sub(re.escape(part), "…", text, flags=re.IGNORECASE)
    return _ADDRESS.sub("…", text)[:500]
