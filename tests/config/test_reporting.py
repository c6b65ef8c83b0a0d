"""A real second role of the database: it reads what reports need, and never what names people."""

import secrets

import psycopg
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg import errors, sql

from config import reporting
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)


def connect(user, **more):
    known = connection.get_connection_params()
    names = ("host", "port", "dbname")
    given = {name: known[name] for name in names if name in known}
    return psycopg.connect(**given, user=user, autocommit=True, **more)


@pytest.fixture
def role():
    name = f"reports_{secrets.token_hex(4)}"
    with connect("postgres") as owner:
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        yield name
        owner.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
        owner.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_it_lets_a_reporting_role_read_all_but_what_names_people(role, capsys):
    make.granted(make.contact("ada@example.org"), make.topic())
    call_command("database_roles", "--reporting", role)
    assert f"{role} may read" in capsys.readouterr().out
    tables = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    with connect(role) as reports:
        for table in tables | set(reporting.READABLE):
            columns = reporting.READABLE.get(table, ())
            every = sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))
            if columns is None:
                reports.execute(every)
                continue
            with pytest.raises(errors.InsufficientPrivilege):
                reports.execute(every)
            if columns:
                some = sql.SQL(", ").join(map(sql.Identifier, columns))
                reports.execute(sql.SQL("SELECT {} FROM {}").format(some, sql.Identifier(table)))
        assert reports.execute("SELECT count(*) FROM consent_permission").fetchone() == (1,)
        for act in (
            "SELECT fingerprint FROM contacts_address",
            "SELECT attributes FROM contacts_contact",
            "DELETE FROM consent_permission",
            "UPDATE contacts_contact SET language = 'fr'",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                reports.execute(act)


def test_it_takes_back_what_was_granted_before(role):
    with connect("postgres") as owner:
        owner.execute(
            sql.SQL("GRANT SELECT ON contacts_identity TO {}").format(sql.Identifier(role))
        )
    call_command("database_roles", "--reporting", role)
    with connect(role) as reports, pytest.raises(errors.InsufficientPrivilege):
        reports.execute("SELECT FROM contacts_identity")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("nobody_here", "There is no such role"), ("postgres", "nothing can be kept from it")],
)
def test_it_refuses_a_role_it_cannot_keep_anything_from(name, sentence):
    with pytest.raises(CommandError, match=sentence):
        call_command("database_roles", "--reporting", name)


def test_it_names_no_table_of_the_vault():
    closed = {"contacts_identity", "consent_consentevidence", "consent_servicemail", "auth_user"}
    assert not closed & set(reporting.READABLE)
