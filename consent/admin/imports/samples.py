"""An uploaded file as it may be shown: its columns with a few values, masked where they name people."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from consent import imports
from consent.imports import guessing, reading
from consent.imports.reading import Format
from consent.models import ImportBatch
from contacts import addresses
from contacts.models import Channel, DataField, Sentence

SHOWN = 3
MOST_BITS = 16
MOST_COLUMNS = 300
# Columns by these names speak of permission, not of a person; every other value is masked.
_OPEN = frozenset(
    """language timezone lifecycle tags created_at last_active_at status topic channel source consented_at
    wording stopped stopped_at bounced""".split()
)
_EMAIL = re.compile(r"[^\s@,;<>\"“”]+@[^\s@,;<>\"“”]+")
_QUOTED = re.compile(r"[“«][^”»]*[”»]")
_BIT = re.compile(r"[a-zA-Z]?[^\x00-\x7f]")
_PHONE = re.compile(r"(?<![\d-])\+?\d(?:[ .()]?\d){8,}")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file: its name, and some of what stands in it."""

    name: str
    cells: list[str]

    def shown(self) -> list[str]:
        is_open = guessing.guess([self.name], [])[self.name] in _OPEN
        return [mask(cell) if is_open else _hide(cell) for cell in self.cells[:SHOWN]]


def letters_in_doubt(batch: ImportBatch) -> list[str]:
    """Letters beyond ASCII, each with the one before it: enough to see whether they read well, no name.

    None where the file itself says how it is written.
    """
    is_unicode = batch.encoding.startswith("utf")
    text = reading.sample(Path(batch.path), batch.encoding)
    if is_unicode and "\N{REPLACEMENT CHARACTER}" not in text:
        return []
    found = dict.fromkeys(bit for bit in _BIT.findall(text) if not bit[-1].isspace())
    return sorted(islice(found, MOST_BITS))


def mask(text: str) -> str:
    """The text with every address in it masked."""
    text = _EMAIL.sub(lambda found: addresses.mask(Channel.EMAIL, found[0]), text)
    return _PHONE.sub(lambda found: addresses.mask(Channel.SMS, found[0]), text)


def mask_reason(reason: Sentence | str) -> str:
    """A reason quotes what stood in the row; the examples it gives stay as they are."""
    return _QUOTED.sub(lambda found: mask(found[0]), str(reason))


def _hide(value: str) -> str:
    """Its addresses, masked, without the name beside them; else its first letter."""
    found = _EMAIL.findall(value) or _PHONE.findall(value)
    return " ".join(map(mask, found)) or f"{value[:1]}***"


def columns_of(path: Path, written: Format) -> list[Column]:
    """The columns with a few values of each; raises `FileUnreadable` where it is no table with names."""
    head = reading.head(path, written)
    if len(head.columns) > MOST_COLUMNS:
        raise imports.FileUnreadable(Sentence("This file has more than %d columns.") % MOST_COLUMNS)
    return [Column(name, cells) for name, cells in reading.samples(path, written, head).items()]


def of_batch(batch: ImportBatch) -> list[Column]:
    written = Format(batch.encoding, batch.delimiter, batch.lines, batch.file_digest)
    return columns_of(Path(batch.path), written)


def guess(columns: Sequence[Column], fields: Sequence[DataField]) -> dict[str, str]:
    cells = {column.name: column.cells for column in columns}
    return guessing.guess(list(cells), fields, cells)


def is_there(batch: ImportBatch) -> bool:
    """Whether the file is still kept."""
    return bool(batch.path) and Path(batch.path).is_file()
