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


# Besides what it is granted itself, a role may do what everybody may, what the roles may that it belongs
# to, and what a function or view does with the rights of its owner.

CLOSED = {
    "the vault": "SELECT FROM contacts_identity",
    "sessions": "SELECT FROM django_session",
    "staff": "SELECT FROM auth_user",
    "second factors": "SELECT FROM mfa_authenticator",
    "tokens": "SELECT FROM config_apitoken",
    "files of imports": "SELECT FROM consent_importbatch",
    "evidence of imports": "SELECT FROM consent_importevidence",
    "refused rows": "SELECT FROM consent_refusedrow",
    "attributes": "SELECT attributes FROM contacts_contact",
    "service mail": "SELECT FROM consent_servicemail",
    "suppressions": "SELECT FROM consent_suppression",
    "evidence": "SELECT FROM consent_consentevidence",
    "other sessions of the database": "SELECT FROM pg_authid",
    "files of the machine": "SELECT pg_read_file('PG_VERSION')",
    "a program of the machine": "COPY (SELECT 1) TO PROGRAM 'true'",
    "a table of its own": "CREATE TABLE public.mine (name text)",
    "becoming the owner": "SET ROLE {owner}",
}


def denied(role):
    """Which of the closed things the database refuses to the role."""
    owner = connection.settings_dict["USER"] or "assent"
    refused = set()
    with connect(role) as reports:
        for name, act in CLOSED.items():
            try:
                reports.execute(act.format(owner=owner))
            except errors.InsufficientPrivilege:
                refused.add(name)
    return refused


def owner_executes(statement, role=""):
    with connection.cursor() as cursor:
        text = sql.SQL(statement).format(role=sql.Identifier(role))
        cursor.execute(text.as_string(cursor.connection))


def test_it_keeps_everything_else_from_a_fresh_role(role):
    call_command("database_roles", "--reporting", role)
    assert reporting.more(role) == []
    assert denied(role) == set(CLOSED)


OPENED = {
    "table": "GRANT SELECT ON contacts_identity TO PUBLIC",
    "column": "GRANT SELECT (attributes) ON contacts_contact TO PUBLIC",
    "writing": "GRANT DELETE ON django_session TO PUBLIC",
    "view": "CREATE VIEW leak AS SELECT * FROM contacts_identity; GRANT SELECT ON leak TO PUBLIC",
    "function": "CREATE FUNCTION leak() RETURNS text SECURITY DEFINER LANGUAGE sql"
    " AS 'SELECT string_agg(email, '','') FROM contacts_identity'",
}
USES = {
    "table": "SELECT email FROM contacts_identity",
    "column": "SELECT attributes FROM contacts_contact",
    "writing": "DELETE FROM django_session",
    "view": "SELECT email FROM leak",
    "function": "SELECT leak()",
}


@pytest.fixture
def closed_again():
    yield
    owner_executes("DROP VIEW IF EXISTS leak; DROP FUNCTION IF EXISTS leak()")
    owner_executes("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC")


@pytest.mark.parametrize("way", OPENED)
def test_it_takes_back_what_everybody_was_granted(role, way, closed_again):
    owner_executes("GRANT USAGE ON SCHEMA public TO PUBLIC")
    owner_executes(OPENED[way])
    with connect(role) as reports:
        reports.execute(USES[way])
        assert reporting.more(role)
        call_command("database_roles", "--reporting", role)
        with pytest.raises(errors.InsufficientPrivilege):
            reports.execute(USES[way])


@pytest.mark.parametrize("inherits", ["INHERIT", "NOINHERIT"])
def test_it_refuses_a_role_that_reads_more_as_another_one(role, inherits):
    with connect("postgres") as owner:
        name = sql.Identifier(role)
        owner.execute(sql.SQL("ALTER ROLE {} " + inherits).format(name))
        owner.execute(sql.SQL("GRANT pg_read_all_data TO {}").format(name))
    with pytest.raises(CommandError, match="contacts_identity"):
        call_command("database_roles", "--reporting", role)
    with connect("postgres") as owner:
        owner.execute(sql.SQL("REVOKE pg_read_all_data FROM {}").format(sql.Identifier(role)))
    call_command("database_roles", "--reporting", role)


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
