"""Which messages did a consent event justify? Higher apps register the answer; a proof tells it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

_sources: list["Source"] = []


@dataclass(frozen=True, slots=True)
class Message:
    """One message that was handed over, and what became of it."""

    name: str
    handed_over_at: datetime
    state: str
    number: int


Source = Callable[[int], Iterable[Message]]


def register(source: Source) -> None:
    """Add `source(event id)`; it must be cheap for one event."""
    if source not in _sources:
        _sources.append(source)


def messages_of(event_id: int) -> list[Message]:
    """The messages that went out because of an event, the oldest first."""
    found = [message for source in _sources for message in source(event_id)]
    return sorted(found, key=lambda message: message.handed_over_at)
