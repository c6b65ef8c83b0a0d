"""An uploaded file as it may be shown: its columns with a few values, masked where they name people."""

import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from consent import imports
from consent.imports import mapping, reading
from consent.imports.reading import Format
from consent.models import ImportBatch
from contacts import addresses
from contacts.models import Channel, DataField, Sentence

SHOWN = 3
READ_ROWS = 50
LONGEST_SAMPLE = 60
MOST_COLUMNS = 300
# Columns by these names speak of permission, not of a person; every other value is masked.
_OPEN = frozenset(
    """language timezone lifecycle tags created_at last_active_at status topic channel source consented_at
    wording stopped stopped_at bounced""".split()
)
_EMAIL = re.compile(r"[^\s@,;<>\"“”]+@[^\s@,;<>\"“”]+")
_QUOTED = re.compile(r"[“«][^”»]*[”»]")
_PHONE = re.compile(r"(?<![\d-])\+?\d(?:[ .()]?\d){8,}")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file: its name, and some of its values."""

    name: str
    values: list[str]

    def masked(self) -> "Column":
        is_open = mapping.guess([self.name], []).get(self.name) in _OPEN
        values = [mask(value) if is_open else _hide(value) for value in self.values]
        return Column(self.name, values)


def mask(text: str) -> str:
    """The text with every address in it masked."""
    text = _EMAIL.sub(lambda found: addresses.mask(Channel.EMAIL, found[0]), text)
    return _PHONE.sub(lambda found: addresses.mask(Channel.SMS, found[0]), text)


def mask_reason(reason: Sentence | str) -> str:
    """A reason quotes what stood in the row; the examples it gives stay as they are."""
    return _QUOTED.sub(lambda found: mask(found[0]), str(reason))


def _hide(value: str) -> str:
    masked = mask(value)
    return masked if masked != value else f"{value[:1]}***"


def columns_of(path: Path, written: Format) -> list[Column]:
    """The columns with a few values of each; raises `FileUnreadable` where it is no table with names."""
    names = reading.header(path, written)
    if len(names) > MOST_COLUMNS:
        raise imports.FileUnreadable(Sentence("This file has more than %d columns.") % MOST_COLUMNS)
    if any("@" in name for name in names):
        raise imports.FileUnreadable(
            Sentence("The first line has to name the columns, but there is an address in it.")
        )
    with closing(reading.records(path, written)) as records:
        rows = [
            each.cells for each in islice(records, 1, READ_ROWS) if len(each.cells) == len(names)
        ]
    return [Column(name, _few(row[place] for row in rows)) for place, name in enumerate(names)]


def of_batch(batch: ImportBatch) -> list[Column]:
    written = Format(batch.encoding, batch.delimiter, batch.lines, batch.file_digest)
    return columns_of(Path(batch.path), written)


def _few(cells: Iterable[str]) -> list[str]:
    filled = dict.fromkeys(cell.strip()[:LONGEST_SAMPLE] for cell in cells if cell.strip())
    return list(islice(filled, SHOWN))


def guess(columns: Sequence[Column], fields: Sequence[DataField]) -> dict[str, str]:
    """By the names; a column of addresses is found by its values where no name says so."""
    guessed = mapping.guess([column.name for column in columns], fields)
    if not {"email", "phone"} & set(guessed.values()):
        for column in columns:
            if not guessed[column.name] and any(map(_EMAIL.fullmatch, column.values)):
                return guessed | {column.name: "email"}
    return guessed


def is_there(batch: ImportBatch) -> bool:
    """Whether the file is still kept."""
    return bool(batch.path) and Path(batch.path).is_file()
