"""One row of a file as it is taken: the person, and what that person is said to have said."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from consent.imports.reading import Record
from consent.models import Topic, Wording
from contacts.bulk import Arrival
from contacts.models import Sentence

# What stands in the filled cells of a row, by what it means.
Cells = dict[str, str]


@dataclass(slots=True)
class Said:
    """One act that a row reports; `topic` None is every topic, `occurred_at` None not known."""

    kind: str
    topic: Topic | None
    channel: str
    occurred_at: datetime | None
    wording: Wording | None
    details: Mapping[str, str]


@dataclass(slots=True)
class Row:
    """One row that can be taken: the person, and what the person is said to have said.

    `left_out` says what of it could not be taken, and why.
    """

    record: Record
    arrival: Arrival
    said: list[Said] = field(default_factory=list)
    is_undeliverable: bool = False
    suppressed_at: datetime | None = None
    is_suppressed: bool = False
    left_out: Sentence | str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that cannot be taken, why, and what could be read of its addresses."""

    record: Record
    reason: Sentence | str
    arrival: Arrival
