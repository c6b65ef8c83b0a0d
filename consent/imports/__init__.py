"""Brings a file of people in, with what can be shown of their consent and never against a no of theirs.

`start` looks at the file and makes the batch, `rehearse` says what would happen, `run` does it in small
transactions: killed at any moment, it goes on where it was, and nothing is doubled.
"""

import gc
import hashlib
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from consent import ledger, uses
from consent.imports import declaration, encodings, guessing, reading
from consent.imports import mapping as mappings
from consent.imports.erased import take_out
from consent.imports.errors import (
    BoughtList,
    DeclarationRefused,
    EvidenceTooLarge,
    FileChanged,
    FileEmpty,
    FileUnreadable,
    ImportRefused,
    ImportRunning,
    ImportStopped,
    MappingRefused,
    NoSuchList,
    RowRefused,
)
from consent.imports.hearing import Tally
from consent.imports.reading import Format
from consent.imports.registry import Registry
from consent.imports.row_reader import RowReader
from consent.imports.rows import Refusal, Row
from consent.imports.writing import BatchWriter, SomebodyKnown
from consent.models import ImportBatch, ImportEvidence
from contacts import bulk, fields
from contacts.models import Sentence

__all__ = [
    "BoughtList",
    "DeclarationRefused",
    "EvidenceTooLarge",
    "FileChanged",
    "FileEmpty",
    "FileUnreadable",
    "ImportRefused",
    "ImportRunning",
    "ImportStopped",
    "MappingRefused",
    "NoSuchList",
    "Tally",
    "keep_evidence",
    "rehearse",
    "remap",
    "reread",
    "run",
    "start",
    "take_out_erased",
]

BATCH_ROWS = 8000
FIRST_ROWS = 500
FEWEST_ROWS = 300
# A withdrawal of somebody known in a batch waits until its transaction ends: so long, about, on any machine.
TRANSACTION_S = 0.25
# Where a batch knew nobody, nobody could wait for it: fewer, larger transactions are faster.
AMONG_STRANGERS_S = 1.0
REHEARSED_ROWS = 1000
TRIES = 3
SELDOM = 1_000_000
SWITCH_S = 0.0001
LARGEST_EVIDENCE_BYTES = 5 * 1024 * 1024
TURN = 0x0A5517  # any number, as long as nothing else takes it
_LOCK_SPACE = 8501

Progress = Callable[[ImportBatch], object]


def start(
    *,
    path: str | Path,
    mapping: Mapping[str, str] | None = None,
    source: str = "",
    topic: Any = None,
    declared: Mapping[str, Any] | None = None,
    name: str = "",
    encoding: str = "",
    is_upload: bool = False,
    staff: AbstractBaseUser | None = None,
) -> ImportBatch:
    """Look at a file and make its batch; nobody is imported yet.

    `mapping` is column → target (`mapping.TARGETS`, `field.<key>` or empty), guessed where none is given.
    `source` and `declared` (see `ImportBatch`) count for every row that does not say otherwise; `topic` is
    a topic or its key; `encoding` is guessed where none is named. An uploaded file is deleted once it is
    imported. Raises an `ImportRefused`.
    """
    path = Path(path)
    written = reading.inspect(path, encoding=_codec(encoding) if encoding else "")
    head = reading.head(path, written)
    if next(reading.records(path, written, from_line=head.first_row), None) is None:
        raise FileEmpty
    registry = Registry.load()
    if mapping is None:
        samples = reading.samples(path, written, head)
        mapping = guessing.guess(head.columns, registry.fields.values(), samples)
    mappings.check(mapping, head.columns, registry.fields)
    said = {**(declared or {})}
    if topic:
        said["topic"] = str(topic)
    if "status" not in said:
        said["status"] = guessing.guess_status(name or path.name, mapping.values())
    _check_declared(declaration.read(said, source=source), registry)
    return ImportBatch.objects.create(
        name=(name or path.name)[:255],
        path=str(path.absolute()),
        is_upload=is_upload,
        file_digest=written.digest,
        encoding=written.encoding,
        delimiter=written.delimiter,
        lines=written.lines,
        source=source,
        declared=said,
        mapping=dict(mapping),
        next_line=head.first_row,
        staff_id=staff.pk if staff else None,
    )


def remap(batch: ImportBatch, *, mapping: Mapping[str, str]) -> None:
    """Give a batch that has not begun another mapping; raises `MappingRefused`."""
    columns = reading.head(Path(batch.path), _written(batch)).columns
    mappings.check(mapping, columns, Registry.load().fields)
    _redraft(batch, mapping=dict(mapping))


def reread(batch: ImportBatch, *, encoding: str) -> None:
    """Read a batch that has not begun in another encoding; what a column is, stays by its place.

    Raises `FileUnreadable`.
    """
    path, written = Path(batch.path), _written(batch)
    anew = reading.read_as(path, written, _codec(encoding))
    before, after = reading.head(path, written).columns, reading.head(path, anew).columns
    _redraft(
        batch,
        encoding=anew.encoding,
        delimiter=anew.delimiter,
        mapping={
            name: batch.mapping.get(known, "")
            for known, name in zip_longest(before[: len(after)], after)
        },
    )


def _codec(encoding: str) -> str:
    try:
        return encodings.codec_of(encoding)
    except LookupError:
        raise FileUnreadable(Sentence("There is no encoding “%s”.") % encoding[:60]) from None


def _written(batch: ImportBatch) -> Format:
    return Format(batch.encoding, batch.delimiter, batch.lines, batch.file_digest)


def _redraft(batch: ImportBatch, **columns: Any) -> None:
    draft = ImportBatch.objects.filter(pk=batch.pk, state=ImportBatch.State.DRAFT)
    if not draft.update(**columns):
        raise ImportRunning
    batch.refresh_from_db()


def _check_declared(declared: declaration.Declaration, registry: Registry) -> None:
    try:
        for topic in declared.topics:
            registry.topic(topic)
    except RowRefused as error:
        raise DeclarationRefused(Sentence.of(error)) from error


@transaction.atomic
def keep_evidence(batch: ImportBatch, *, name: str, content: bytes) -> ImportEvidence:
    """Keep the file that shows how these people said yes, once, in the place of an earlier one.

    Raises `EvidenceTooLarge`, and `ImportRunning` once the import has begun: what was shown then stays.
    """
    if not 0 < len(content) <= LARGEST_EVIDENCE_BYTES:
        raise EvidenceTooLarge
    waiting = ImportBatch.objects.select_for_update().filter(
        pk=batch.pk, state=ImportBatch.State.DRAFT
    )
    if not waiting.exists():
        raise ImportRunning
    kept, _is_new = ImportEvidence.objects.update_or_create(
        batch=batch,
        defaults={
            "name": name[:255],
            "digest": hashlib.sha256(content).hexdigest(),
            "content": content,
        },
    )
    return kept


def take_out_erased(batch: ImportBatch) -> int:
    """Empty the rows of people who were erased in the file of a batch, while nobody imports it; how many.

    Raises `ImportRunning`, and `FileUnreadable` where it is not there any more.
    """
    with _only_once(batch):
        return take_out(batch, _written(batch))


def rehearse(
    batch: ImportBatch, *, rows: int = REHEARSED_ROWS
) -> tuple[Tally, list[tuple[int, Sentence | str]]]:
    """What would become of the first rows, and why some would be refused: done, read off, and taken back."""
    work = _Run(batch, first_rows=rows)
    chunk = next(work.chunks(rows), None)
    if chunk is None:
        return Tally(), []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [TURN])
        tally = work.write(chunk)
        refused = list(
            batch.refused_rows.order_by("line", "pk")
            .filter(line__gte=batch.next_line)
            .values_list("line", "reason")
        )
        transaction.set_rollback(True)
    return tally, refused


def run(
    batch: ImportBatch,
    *,
    progress: Progress | None = None,
    batch_rows: int = BATCH_ROWS,
    for_seconds: float = math.inf,
) -> ImportBatch:
    """Import the file from where it stands, and call `progress` with the batch after each transaction.

    After `for_seconds` it stops between two transactions, still running, to be gone on with.

    Each transaction takes at most `batch_rows` rows, as few as it needs to be over in a quarter of a
    second, or in a second where nobody in it was known; only acts of people in it wait for it. Raises an
    `ImportRefused`; what was imported before stays, and the batch can be run again.
    """
    stop_at = time.monotonic() + for_seconds
    was_running = batch.state == ImportBatch.State.RUNNING
    with _only_once(batch), _seldom_collecting(), _soon_sending():
        batch.refresh_from_db()
        is_stopped = was_running and batch.state == ImportBatch.State.FAILED
        if is_stopped or batch.state == ImportBatch.State.FINISHED:
            return batch
        same = ImportBatch.objects.filter(pk=batch.pk, state=batch.state)
        is_going_on = same.update(state=ImportBatch.State.RUNNING, failure="")
        batch.refresh_from_db()
        if not is_going_on:
            return batch
        try:
            work = _Run(batch)
            work.check_file()
            work.note_use(mappings.fields_of(batch.mapping))
            ahead = _Ahead(work.chunks(batch_rows))
            while chunk := ahead.take():
                try:
                    work.take(chunk, meanwhile=ahead.read)
                except SomebodyKnown:
                    ahead.put_back(chunk.parts(work.rows_among_known))
                    continue
                if progress:
                    progress(batch)
                if time.monotonic() > stop_at and batch.next_line <= batch.lines:
                    return batch
        except ImportStopped:
            batch.refresh_from_db()
            raise
        except Exception as error:
            _set(batch, state=ImportBatch.State.FAILED, failure=_said(error))
            raise
        finally:
            _end_uses(batch)
        _set(batch, state=ImportBatch.State.FINISHED, finished_at=Now())
    if batch.is_upload:
        Path(batch.path).unlink(missing_ok=True)
    return batch


def _said(error: Exception) -> Sentence | str:
    said = Sentence.of(error)
    return said if isinstance(said, Sentence) else said[:2000]


def _end_uses(batch: ImportBatch) -> None:
    """What was made of permissions that these rows took back goes now, not with the next daily job."""
    if batch.stops:
        uses.sweep_soon()


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Rows for one transaction, those that cannot be taken, and the line that comes after."""

    rows: list[Row]
    refused: list[Refusal]
    next_line: int

    def __len__(self) -> int:
        return len(self.rows) + len(self.refused)

    def parts(self, size: int) -> "Iterator[_Chunk]":
        """The same in equal chunks of at most `size` rows that can be taken."""
        line = 0
        size = math.ceil(len(self.rows) / math.ceil(len(self.rows) / size))
        for start in range(0, len(self.rows), size):
            rest = self.rows[start + size :]
            next_line = rest[0].record.line if rest else self.next_line
            refused = [each for each in self.refused if line <= each.record.line < next_line]
            yield _Chunk(self.rows[start : start + size], refused, next_line)
            line = next_line


class _Ahead:
    """The chunks, each of which can be read before it is taken: while the database writes the one before."""

    def __init__(self, chunks: Iterator[_Chunk]) -> None:
        self._chunks = chunks
        self._read: list[_Chunk] = []

    def read(self) -> None:
        if not self._read:
            self._read.extend(islice(self._chunks, 1))

    def take(self) -> _Chunk | None:
        self.read()
        return self._read.pop() if self._read else None

    def put_back(self, parts: Iterable[_Chunk]) -> None:
        """What was taken comes again, in these."""
        self._read.extend(reversed(list(parts)))


def _set(batch: ImportBatch, **columns: Any) -> None:
    ImportBatch.objects.filter(pk=batch.pk).update(**columns)
    batch.refresh_from_db()


@contextmanager
def _only_once(batch: ImportBatch) -> Iterator[None]:
    """A session lock, gone with its process however that ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK_SPACE, batch.pk])
        if not cursor.fetchone()[0]:
            raise ImportRunning
    try:
        yield
    finally:
        if connection.connection and not connection.connection.broken:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK_SPACE, batch.pk])


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Rows hold nothing that holds them: looking for such cycles takes as long as reading the rows."""
    usual = gc.get_threshold()
    gc.set_threshold(SELDOM, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@contextmanager
def _soon_sending() -> Iterator[None]:
    """The thread that feeds the database is seldom at work, but must not wait its usual 5 ms for its turn."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


class _Run:
    """One run over the file of a batch."""

    def __init__(self, batch: ImportBatch, *, first_rows: int = FIRST_ROWS) -> None:
        self.batch = batch
        self.rows = self.rows_among_known = first_rows
        self.path = Path(batch.path)
        self.written = _written(batch)
        self.registry = Registry.load()
        self.declared = declaration.of(batch)
        self.actor = ledger.staff(batch.staff_id)
        self.noted: set[str] = set()

    def check_file(self) -> None:
        if reading.digest_of(self.path) != (self.batch.kept_digest or self.written.digest):
            raise FileChanged

    def chunks(self, most: int) -> Iterator[_Chunk]:
        """From the batch's next line on, which `take` moves; as large as `take` found good."""
        reader = RowReader(
            columns=reading.head(self.path, self.written).columns,
            mapping=self.batch.mapping,
            declaration=self.declared,
            registry=self.registry,
            batch_id=self.batch.pk,
        )
        chunk = _Chunk([], [], 0)
        for record in reading.records(self.path, self.written, from_line=self.batch.next_line):
            if len(chunk) >= min(most, self.rows):
                yield replace(chunk, next_line=record.line)
                chunk = _Chunk([], [], 0)
            try:
                chunk.rows.append(reader.read(record))
            except RowRefused as reason:
                if no := reader.read_no(record, reason):
                    chunk.rows.append(no)
                else:
                    chunk.refused.append(reader.refuse(record, reason))
        if len(chunk):
            yield replace(chunk, next_line=self.written.lines + 1)

    def take(self, chunk: _Chunk, *, meanwhile: Callable[[], object]) -> None:
        """Write a chunk and how far it came, both or nothing.

        Imports take turns, because two of one list would meet at every person. Where somebody signed
        up meanwhile who is in it, it is done again, the last time with the door to new people shut.
        Raises `SomebodyKnown` where it is as large as only one of strangers may be.
        """
        began = time.monotonic()
        for tries_left in reversed(range(TRIES)):
            try:
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [TURN])
                    if not tries_left:
                        bulk.keep_others_out()
                    tally = self.write(
                        chunk, meanwhile=meanwhile, most_among_known=2 * self.rows_among_known
                    )
                    self._advance(chunk, tally)
                    # What a crash undoes is read again. But a no is on disk before the journal knows it.
                    if not tally.stops:
                        cursor.execute("SET LOCAL synchronous_commit = off")
                most_s = TRANSACTION_S if tally.known else AMONG_STRANGERS_S
                break
            except (IntegrityError, OperationalError):
                if not tries_left or not connection.is_usable():
                    raise
        if mappings.ATTRIBUTES in self.batch.mapping.values():
            self.note_use({key for row in chunk.rows for key in row.arrival.attributes})
        pace = most_s / max(time.monotonic() - began, 0.001)
        self.rows = max(FEWEST_ROWS, int(len(chunk) * min(2, pace)))
        if tally.known:
            self.rows_among_known = self.rows
        self.batch.refresh_from_db()

    def note_use(self, keys: set[str]) -> None:
        """These registered fields are in the file, by their own columns or within the one of attributes."""
        if fresh := keys - self.noted:
            fields.note_use_in_import(fresh)
            self.noted |= fresh

    def write(
        self,
        chunk: _Chunk,
        *,
        meanwhile: Callable[[], object] = lambda: None,
        most_among_known: float = math.inf,
    ) -> Tally:
        writer = BatchWriter(
            topics=self.registry.topics,
            fields=self.registry.fields.values(),
            actor=self.actor,
            language=self.declared.language,
            list_id=self.declared.list_id,
            most_among_known=most_among_known,
        )
        return writer.write(self.batch, chunk.rows, chunk.refused, meanwhile=meanwhile)

    def _advance(self, chunk: _Chunk, tally: Tally) -> None:
        counted = {name: F(name) + count for name, count in asdict(tally).items()}
        came = ImportBatch.objects.filter(
            pk=self.batch.pk, state=ImportBatch.State.RUNNING, next_line=self.batch.next_line
        ).update(next_line=chunk.next_line, **counted)
        if not came:
            raise ImportStopped
