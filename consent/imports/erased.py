"""Keeps out who was erased: no file brings them back, and no row of theirs stays in one that is kept.

Erasure leaves the keyed fingerprint of an address. Who came back since by their own act has it again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.db import connection
from django.db.models import F

from consent.imports import reading
from consent.imports.declaration import Declaration
from consent.imports.errors import RowRefused
from consent.imports.reading import Format, Record
from consent.imports.registry import Registry
from consent.imports.row_reader import RowReader
from consent.imports.rows import Refusal, Row
from consent.models import ImportBatch, Kind
from consent.standing import NO
from contacts.bulk import Arrival
from contacts.copying import bytea_array
from contacts.models import Sentence

ROWS_AT_ONCE = 5000


class WasErased(RowRefused):
    """This person was erased: only they themselves can come back."""


class ErasedMeanwhile(Exception):
    """Somebody of these rows was erased since they were looked at."""


def among(marks: Iterable[bytes]) -> dict[bytes, bool]:
    """Those of these fingerprints whose person was erased, and whether somebody has the address again."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT s.fingerprint, EXISTS (
                SELECT FROM contacts_address a WHERE a.channel = s.channel
                    AND a.fingerprint = s.fingerprint AND a.retired_at IS NULL)
            FROM consent_suppression s
            WHERE s.fingerprint = ANY(%s::bytea[]) AND s.topic_id IS NULL AND s.cause = 'erased'
            """,
            [bytea_array(marks)],
        )
        return {bytes(mark): is_back for mark, is_back in cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class Sieve:
    """The rows of one transaction without those of people who were erased."""

    rows: list[Row]
    refused: list[Refusal]
    marks: set[bytes]
    erased: frozenset[bytes]

    @classmethod
    def of(cls, rows: list[Row], refused: list[Refusal]) -> "Sieve":
        taken: list[Row | Refusal] = [*rows, *refused]
        marks = {mark for each in taken for _channel, mark in each.arrival.fingerprints()}
        erased = among(marks)
        gone = {mark for mark, is_back in erased.items() if not is_back}
        if gone:
            sieved = [_without(each, gone) for each in taken]
            rows = [each for each in sieved if isinstance(each, Row)]
            refused = [each for each in sieved if isinstance(each, Refusal)]
        return cls(rows, refused, marks, frozenset(erased))

    def check(self) -> None:
        """To be asked once known people are locked, so that nobody is erased any more; `ErasedMeanwhile`."""
        if among(self.marks).keys() - self.erased:
            raise ErasedMeanwhile


def _without(taken: Row | Refusal, gone: set[bytes]) -> Row | Refusal:
    """Of the row of somebody who was erased its line, and of a no the other address, which it stops."""
    arrival = taken.arrival
    if gone.isdisjoint(mark for _channel, mark in arrival.fingerprints()):
        return taken
    line = Record(taken.record.line, [])
    rest = Arrival()
    if arrival.email_fingerprint not in gone:
        rest.email_fingerprint = arrival.email_fingerprint
    if arrival.phone_fingerprint not in gone:
        rest.phone_fingerprint = arrival.phone_fingerprint
    if isinstance(taken, Row) and taken.is_suppressed:
        return Row(line, rest, is_suppressed=True, suppressed_at=taken.suppressed_at)
    reason = Sentence(WasErased.__doc__ or "")
    if isinstance(taken, Row) and _says_no(taken) and any(rest.fingerprints()):
        return Row(line, rest, is_suppressed=True, left_out=reason)
    return Refusal(line, reason, Arrival())


def _says_no(row: Row) -> bool:
    return any(said.kind in NO and said.kind != Kind.REFUSED for said in row.said)


def take_out(batch: ImportBatch, written: Format) -> int:
    """Empty the lines of people who were erased in the file of a batch that nobody is reading; how many.

    The other lines stay as they are and where they are.
    """
    batch.refresh_from_db()
    looked_for, path = batch.erased_since, Path(batch.path)
    lines = list(_lines_of_erased(batch, path, written))
    digest = reading.blank(path, written, lines) if lines else reading.digest_of(path)
    ImportBatch.objects.filter(pk=batch.pk).update(
        kept_digest=digest, erased_since=F("erased_since") - looked_for
    )
    batch.refresh_from_db()
    return len(lines)


def _lines_of_erased(batch: ImportBatch, path: Path, written: Format) -> Iterable[range]:
    head = reading.head(path, written)
    reader = RowReader(
        columns=head.columns,
        mapping=batch.mapping,
        declaration=Declaration(region=batch.declared.get("region") or None),
        registry=Registry.load(),
        batch_id=batch.pk,
    )
    found: list[tuple[int, set[bytes]]] = []
    for record in reading.records(path, written, from_line=head.first_row):
        if len(found) > ROWS_AT_ONCE:
            yield from _ranges(found, record.line)
            found = []
        marks = {mark for _channel, mark in reader.addresses_in(record).fingerprints()}
        found.append((record.line, marks))
    yield from _ranges(found, written.lines + 1)


def _ranges(found: Sequence[tuple[int, set[bytes]]], next_line: int) -> Iterable[range]:
    """The lines of each record with such an address; the record after these begins on `next_line`."""
    erased = among({mark for _line, marks in found for mark in marks})
    gone = {mark for mark, is_back in erased.items() if not is_back}
    ends = [line for line, _marks in found[1:]] + [next_line]
    for (line, marks), end in zip(found, ends, strict=True):
        if not gone.isdisjoint(marks):
            yield range(line, end)
