"""Empties the database after a test with real transactions.

Django truncates every table, for which PostgreSQL makes hundreds of files anew, and then does again all that
follows a migration. A test leaves a few rows: deleting them takes a twentieth of that.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pgtrigger
import psycopg
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.backends.postgresql.operations import DatabaseOperations
from django.test import TransactionTestCase

from contacts.models import KeyCheck

# What a migration fills, and hardly any test changes.
FILLED = [
    model._meta.db_table
    for model in (ContentType, Permission, Group, Group.permissions.through, KeyCheck)
]
# Beyond it a new file is cheaper than rows that are gone and still there.
MOST_BYTES = 16 * 1024 * 1024
_SIZE = "SELECT max(pg_relation_size(oid)) FROM pg_class WHERE relname = ANY(%s)"
_DIGEST = "SELECT " + " || ".join(
    f"(SELECT md5(string_agg({table}::text, '' ORDER BY {table}::text)) FROM {table})"
    for table in FILLED
)


@contextmanager
def quickly() -> Iterator[None]:
    """Within it, what a test leaves is deleted, where the engine lets us look away from triggers."""
    ending: Any = TransactionTestCase
    flush, execute = ending._fixture_teardown, DatabaseOperations.execute_sql_flush
    tables = {*connection.introspection.django_table_names(only_existing=True)} - {*FILLED}
    deletes = "; ".join(f'DELETE FROM "{table}"' for table in sorted(tables))
    filled = _digest()

    def empty(test: TransactionTestCase) -> None:
        nonlocal filled
        with connection.cursor() as cursor:
            cursor.execute(_SIZE, [[*tables]])
            is_large = cursor.fetchone()[0] > MOST_BYTES
        if is_large or _digest() != filled:
            flush(test)
            filled = _digest()
            return
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL session_replication_role = replica; {deletes}")

    def execute_sql_flush(self: DatabaseOperations, sql_list: list[str]) -> None:
        with pgtrigger.ignore():  # only a flush may empty the ledger
            execute(self, sql_list)

    DatabaseOperations.execute_sql_flush = execute_sql_flush  # type: ignore[method-assign, assignment]
    if _may_look_away():
        ending._fixture_teardown = empty
    yield
    ending._fixture_teardown = flush
    DatabaseOperations.execute_sql_flush = execute  # type: ignore[method-assign]


def _may_look_away() -> bool:
    """An engine of the tests' own is asked for it as its superuser; any other as it stands."""
    if "DATABASE_URL" not in os.environ:
        known = connection.settings_dict
        with psycopg.connect(
            host=known["HOST"], port=known["PORT"], dbname=known["NAME"], user="postgres"
        ) as engine:
            engine.execute("GRANT SET ON PARAMETER session_replication_role TO PUBLIC")
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_parameter_privilege('session_replication_role', 'SET')")
        return bool(cursor.fetchone()[0])


def _digest() -> str:
    with connection.cursor() as cursor:
        cursor.execute(_DIGEST)
        return str(cursor.fetchone()[0])
