"""Reads a delimited text file in any usual encoding, record by record, however large it is.

A quote that is never closed costs its own line, not the rest of the file.
"""

import codecs
import csv
import hashlib
import os
import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

from consent.imports import encodings, values
from consent.imports.errors import FileEmpty, FileUnreadable
from contacts.models import Sentence

DELIMITERS = (",", ";", "\t", "|")
HEAD_BYTES = 65_536
BLOCK_BYTES = 1 << 20
# A cell is no longer than this; of a line that cannot be read no more is kept.
LONGEST_KEPT = csv.field_size_limit()
# Of a line that is longer nothing more is read into memory.
LONGEST_LINE = 1 << 22
SAMPLED_ROWS = 1000
MOST_SAMPLES = 50
LONGEST_SAMPLE = 60
_SPREADSHEET = Sentence("This is a spreadsheet. Save it as CSV first.")
_ZIP = b"PK\x03\x04"
# What a zip archive begins with that Excel, LibreOffice or Numbers wrote.
_ZIPPED_SHEET = re.compile(rb"\[Content_Types\]\.xml|_rels/|xl/|mimetype|docProps/|Index/")
_NO_TEXT = {
    b"\xd0\xcf\x11\xe0": _SPREADSHEET,
    b"%PDF": Sentence("This is a PDF. A table in CSV is needed."),
    b"\x1f\x8b": Sentence("This file is compressed. Unpack it first."),
    b"\x89PNG": Sentence("This is a picture. A table in CSV is needed."),
    b"\xff\xd8\xff": Sentence("This is a picture. A table in CSV is needed."),
    b"BEGIN:VCARD": Sentence("These are address cards (vCard). A table in CSV is needed."),
    b"{\\rtf": Sentence("This is a text document. A table in CSV is needed."),
    b"<": Sentence("This is a web page, though its name says otherwise. Save it as CSV first."),
    b"[": Sentence("This is JSON. A table in CSV is needed."),
    b"{": Sentence("This is JSON. A table in CSV is needed."),
}
_NAME_IN_ZIP = 30  # a zip archive: the name of its first file stands at this byte
_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\r")
# The line by which Excel is told how a file is divided.
_DIVIDED_BY = re.compile(r"\ufeff?\"?sep=(.)\"?\s*\Z", re.IGNORECASE)
_PHONE = re.compile(r"\+?(?:[ .()/-]*\d){9,15}")
# A letter of UTF-8 beyond ASCII. In the older encodings such signs hardly stand side by side.
_OF_UTF8 = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
)
_ASCII = bytes(range(128))
_BREAK = re.compile(rb"[\r\n]+")


@dataclass(frozen=True, slots=True)
class Format:
    """How a file is written: its encoding (a Python name), delimiter, count of lines and SHA-256."""

    encoding: str
    delimiter: str
    lines: int
    digest: str


class Record(NamedTuple):
    """One record and the line it begins on, from 1.

    `cells` is empty where it cannot be read, and `text` then its first line, or the beginning of that.
    """

    line: int
    cells: list[str]
    text: str = ""


def inspect(path: Path, *, encoding: str = "") -> Format:
    """Read the whole file, without keeping it; raises `FileUnreadable` or `FileEmpty`.

    `encoding` is a Python name, guessed where none is given.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if not head.strip():
                raise FileEmpty
            _check_text(head)
            file.seek(0)
            is_utf8, lines, digest = _scan(file_blocks(file))
            file.seek(0)
            encoding = (
                encoding or _marked(head) or ("utf-8" if is_utf8 else _older(file_blocks(file)))
            )
    except OSError as error:
        raise FileUnreadable(Sentence("%(file)s: %(reason)s.") % _names(path, error)) from error
    return Format(encoding, _delimiter(_decoded(head, encoding)), lines, digest)


def read_as(path: Path, written: Format, encoding: str) -> Format:
    """The same file in another encoding; raises `FileUnreadable`."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise FileUnreadable(Sentence("%(file)s: %(reason)s.") % _names(path, error)) from error
    return replace(written, encoding=encoding, delimiter=_delimiter(_decoded(head, encoding)))


def _decoded(head: bytes, encoding: str) -> str:
    """A decoder that waits for more forgives the character that the head cuts in two."""
    return codecs.getincrementaldecoder(encoding)(errors="replace").decode(head)


def _check_text(head: bytes) -> None:
    """Whatever its name says: what begins like this is no table in text."""
    begins = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if begins.startswith(_ZIP):
        if _ZIPPED_SHEET.match(begins, _NAME_IN_ZIP):
            raise FileUnreadable(_SPREADSHEET)
        raise FileUnreadable(
            Sentence("This is a zip archive. Unpack it, and import each of its files.")
        )
    for mark, sentence in _NO_TEXT.items():
        if begins.startswith(mark):
            raise FileUnreadable(sentence)
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if not _marked(head) and 0 in head and controls > len(head) // 20:
        raise FileUnreadable(Sentence("This is no text. A table in CSV is needed."))


def _names(path: Path, error: OSError) -> dict[str, str]:
    return {"file": path.name, "reason": error.strerror or type(error).__name__}


def file_blocks(file: Iterable[bytes]) -> Iterator[bytes]:
    read = getattr(file, "read")  # noqa: B009 - any binary file
    while block := read(BLOCK_BYTES):
        yield block


def _marked(head: bytes) -> str:
    """The encoding that a byte order mark, or the zeros of UTF-16 text, give away; else none."""
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head.count(0) > len(head) // 4:
        return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
    return ""


def _scan(blocks: Iterator[bytes]) -> tuple[bool, int, str]:
    """Whether it is UTF-8, the count of line breaks, and the digest."""
    digest = hashlib.sha256()
    utf8 = codecs.getincrementaldecoder("utf-8")()
    breaks = returns = 0
    is_utf8 = True
    for block in blocks:
        digest.update(block)
        breaks += block.count(b"\n")
        returns += block.count(b"\r")
        is_utf8 = is_utf8 and _takes(utf8, block)
    is_utf8 = is_utf8 and _takes(utf8, b"", is_last=True)
    return is_utf8, 1 + (breaks or returns), digest.hexdigest()


def _takes(decoder: codecs.IncrementalDecoder, block: bytes, *, is_last: bool = False) -> bool:
    try:
        decoder.decode(block, final=is_last)
    except UnicodeDecodeError:
        return False
    return True


def _older(blocks: Iterator[bytes]) -> str:
    """UTF-8 all the same, with some letters spoiled; else that of the older encodings which reads best."""
    lines = encodings.sample_of(_lines(blocks))
    beyond = len(lines.translate(None, _ASCII))
    of_utf8 = len(b"".join(_OF_UTF8.findall(lines)))
    return "utf-8" if 2 * of_utf8 > beyond else encodings.guess(lines)


def _lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Those with letters beyond ASCII, and more; of a line that goes on and on the beginning."""
    rest = b""
    for block in blocks:
        if rest.isascii() and block.isascii():
            last = max(block.rfind(b"\n"), block.rfind(b"\r")) + 1
            rest = block[last:] if last else rest + block
        else:
            *whole, rest = _BREAK.split(rest + block)
            yield from whole
        rest = rest[: encodings.LONGEST_PIECE]
    yield rest


def sample(path: Path, encoding: str) -> str:
    """Some lines with letters beyond ASCII; of UTF-16, whose letters are no bytes, none."""
    if encoding.startswith(("utf-16", "utf-32")):
        return ""
    with path.open("rb") as file:
        return encodings.sample_of(_lines(file_blocks(file))).decode(encoding, "replace")


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, as `inspect` finds it; raises `FileUnreadable`."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileUnreadable(Sentence("%(file)s: %(reason)s.") % _names(path, error)) from error


def _delimiter(head: str) -> str:
    """The mark that cuts the first lines into the most columns, equally many in each."""
    lines = head.splitlines()[:20]
    if lines and (said := _DIVIDED_BY.match(lines[0])) and said[1] in DELIMITERS:
        return said[1]
    whole = lines[:-1] if len(lines) > 1 and len(head) >= HEAD_BYTES // 4 else lines

    def fitness(mark: str) -> tuple[int, int]:
        counts = [len(cells) for cells in csv.reader(whole, delimiter=mark) if cells]
        width = counts[0] if counts else 1
        return (width if width > 1 else 0) and counts.count(width), width

    return max(DELIMITERS, key=fitness)


class Head(NamedTuple):
    """The names of the columns, each once, and the line on which the first row begins."""

    columns: list[str]
    first_row: int


def head(path: Path, written: Format) -> Head:
    """Raises `FileEmpty` or `FileUnreadable`.

    Where a file begins with an address or a number, its columns have letters, as in a spreadsheet.
    """
    with closing(records(path, written)) as rows:
        first = next(rows, None)
    if first is None:
        raise FileEmpty
    if not first.cells:
        raise FileUnreadable(Sentence("The first line cannot be read: it has to name the columns."))
    if any(values.is_email_address(cell) or is_phone_number(cell) for cell in first.cells):
        return Head([_letters(place) for place in range(len(first.cells))], first.line)
    names = (cell.strip().replace("\x00", "\N{REPLACEMENT CHARACTER}") for cell in first.cells)
    return Head(distinct(names), first.line + 1)


def is_phone_number(cell: str) -> bool:
    return _PHONE.fullmatch(cell.strip()) is not None


def _letters(place: int) -> str:
    """A, B, … Z, AA, AB, …"""
    before, letter = divmod(place, 26)
    return (_letters(before - 1) if before else "") + chr(ord("A") + letter)


def samples(path: Path, written: Format, head: Head) -> dict[str, list[str]]:
    """Some different values of each column, from the first rows."""
    found: dict[str, dict[str, None]] = {column: {} for column in head.columns}
    with closing(records(path, written, from_line=head.first_row)) as rows:
        for row in islice(rows, SAMPLED_ROWS):
            if len(row.cells) == len(head.columns):
                for some, cell in zip(found.values(), row.cells, strict=True):
                    if len(some) < MOST_SAMPLES and (value := cell.strip()[:LONGEST_SAMPLE]):
                        some[value] = None
    return {column: list(some) for column, some in found.items()}


def distinct(names: Iterable[str]) -> list[str]:
    """The names with a number behind those that come again, so that each column has one of its own."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result


def records(path: Path, written: Format, *, from_line: int = 1) -> Generator[Record, None, None]:
    """The records that begin on `from_line` or later; empty lines are passed over."""
    try:
        with path.open(encoding=written.encoding, errors="replace", newline="") as file:
            yield from _records(file, written.delimiter, from_line)
    except OSError as error:
        raise FileUnreadable(Sentence("%(file)s: %(reason)s.") % _names(path, error)) from error


def blank(path: Path, written: Format, lines: Iterable[range]) -> str:
    """Empty these lines of a file, in order, and keep all others byte for byte; returns its new SHA-256."""
    # Latin-1 has a letter for each byte, and ends its lines where every encoding but UTF-16 does.
    is_wide = written.encoding.startswith(("utf-16", "utf-32"))
    encoding = written.encoding if is_wide else "latin-1"
    errors = "surrogatepass" if is_wide else "strict"
    copy = path.with_name(f"{path.name}.copy")
    ranges = iter(lines)
    empty = next(ranges, range(0))
    with (
        path.open(encoding=encoding, errors=errors, newline="") as file,
        open(
            os.open(copy, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600),
            "w",
            encoding=encoding,
            errors=errors,
            newline="",
        ) as kept,
    ):
        for number, line in enumerate(file, start=1):
            if number >= empty.stop:
                empty = next(ranges, empty)
            kept.write(_end_of(line) if number in empty else line)
    copy.replace(path)
    return digest_of(path)


def _end_of(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]


class _Lines:
    """Lines of a file that can be put back, counted; `taken` are those of the record being read."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.returned: deque[str] = deque()
        self.taken: list[str] = []
        self.read = 0

    def __iter__(self) -> Iterator[str]:
        while line := self.returned.popleft() if self.returned else self._next():
            self.read += 1
            self.taken.append(line)
            if len(line) == LONGEST_LINE:
                raise csv.Error
            yield line

    def _next(self) -> str:
        line = rest = self.file.readline(LONGEST_LINE)
        while len(rest) == LONGEST_LINE and not rest.endswith(("\r", "\n")):
            rest = self.file.readline(LONGEST_LINE)
        return line

    def put_back(self) -> None:
        """All but the first line of the record are read again."""
        self.returned.extendleft(reversed(self.taken[1:]))
        self.read -= len(self.taken) - 1


def _records(file: TextIO, delimiter: str, from_line: int) -> Iterator[Record]:
    lines = _Lines(file)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    width = named = 0
    while True:
        lines.taken.clear()
        line = lines.read + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            cells = None
        if line == 1 and _DIVIDED_BY.match(lines.taken[0]):
            continue
        if cells and width and len(cells) != width:
            cells = _fitted(cells, named, width)
        if cells is None or (width and len(lines.taken) > 1 and len(cells) != width):
            text = lines.taken[0][:LONGEST_KEPT].rstrip("\r\n")
            lines.put_back()
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            if line >= from_line:
                yield Record(line, [], text)
        elif any(cells):
            if not width:
                width = len(cells)
                named = max(place for place, cell in enumerate(cells, 1) if cell)
            if line >= from_line:
                yield Record(line, cells)


def _fitted(cells: list[str], named: int, width: int) -> list[str]:
    """Spreadsheets add empty cells to some rows, and leave out those behind the last column with a name."""
    if named <= len(cells) < width:
        return [*cells, *[""] * (width - len(cells))]
    return cells if any(cells[width:]) else cells[:width]
