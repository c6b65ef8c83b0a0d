"""Rows into tables by PostgreSQL's COPY, in its text format."""

from collections.abc import Iterable, Sequence

from django.db import connection

NULL = r"\N"
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def text(value: str) -> str:
    """A value as COPY takes it between two tabs."""
    return value.translate(_ESCAPES)


def bytea_array(values: Iterable[bytes]) -> str:
    """Many byte strings as one parameter, to be cast to `bytea[]`."""
    marks = ",".join([f'"\\\\x{value.hex()}"' for value in values])
    return f"{{{marks}}}"


def copy_into(table: str, columns: Sequence[str], lines: Iterable[str]) -> None:
    """Append lines (cells that `text` has made safe, between tabs, without a line break) to a table.

    Raises `django.db.IntegrityError` like any other statement.
    """
    body = "\n".join(lines)
    if not body:
        return
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy,
    ):
        copy.write(body + "\n")


def next_ids(table: str, count: int) -> list[int]:
    """Fresh primary keys of a table, ascending."""
    if not count:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(nextval(sequence)) FROM generate_series(1, %s),"
            " (SELECT pg_get_serial_sequence(%s, 'id')::regclass AS sequence OFFSET 0) named",
            [count, table],
        )
        ids: list[int] = cursor.fetchone()[0]
    return ids
