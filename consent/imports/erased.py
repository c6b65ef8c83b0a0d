"""Keeps out who was erased: no file brings them back, and no row of theirs stays in one that is kept.

Erasure leaves the keyed fingerprint of an address. Who came back since by their own act has it again.
"""

from collections.abc import Iterable, Sequence
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
# Of a row of `consent_suppression s`.
IS_GONE = """CASE WHEN s.cause = 'erased' AND s.topic_id IS NULL THEN NOT EXISTS (
    SELECT FROM contacts_address a WHERE a.channel = s.channel AND a.fingerprint = s.fingerprint
        AND a.retired_at IS NULL) ELSE false END"""


class WasErased(RowRefused):
    """This person was erased: only they themselves can come back."""


def among(marks: Iterable[bytes]) -> set[bytes]:
    """Those of these fingerprints whose person was erased, unless somebody has the address again."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT s.fingerprint FROM consent_suppression s"
            f" WHERE s.fingerprint = ANY(%s::bytea[]) AND {IS_GONE}",
            [bytea_array(marks)],
        )
        return {bytes(mark) for (mark,) in cursor.fetchall()}


def marks_of(taken: Iterable[Row | Refusal]) -> set[bytes]:
    return {mark for each in taken for _channel, mark in each.arrival.fingerprints()}


def without(taken: Iterable[Row | Refusal], gone: set[bytes]) -> tuple[list[Row], list[Refusal]]:
    """These rows without what they say of people who are gone."""
    sieved = [_without(each, gone) for each in taken]
    return (
        [each for each in sieved if isinstance(each, Row)],
        [each for each in sieved if isinstance(each, Refusal)],
    )


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
    gone = among({mark for _line, marks in found for mark in marks})
    ends = [line for line, _marks in found[1:]] + [next_line]
    for (line, marks), end in zip(found, ends, strict=True):
        if not gone.isdisjoint(marks):
            yield range(line, end)
