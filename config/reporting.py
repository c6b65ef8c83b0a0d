"""What a reporting role of the database may read: pseudonyms, permissions, the ledger, what was sent.

Never the vault, values of fields, fingerprints, evidence, service mail, files or staff. What is not
named here is not granted, so that a new table stays closed until somebody opens it. What everybody may do
(PUBLIC) the role may do too: that is taken back as well, and what is left open by other ways is looked for.
"""

from django.db import connection, transaction
from psycopg import sql

# None: every column. Fingerprints, diagnostics and rendered words of relays can lead to an address.
READABLE: dict[str, tuple[str, ...] | None] = {
    "campaigns_campaign": None,
    "campaigns_campaign_excluded_segments": None,
    "campaigns_campaign_segments": None,
    "campaigns_delivery": (
        *("id", "campaign_id", "contact_id", "state", "reason", "event_id", "address_id"),
        *("attempt", "due_at", "handed_over_at", "settled_at"),
    ),
    "campaigns_tally": None,
    "consent_consentevent": None,
    "consent_ledgercheckpoint": None,
    "consent_ledgerentry": None,
    "consent_permission": None,
    "consent_topic": None,
    "consent_wording": None,
    "contacts_address": (
        *("id", "contact_id", "channel", "domain", "created_at", "verified_at"),
        *("undeliverable_at", "retired_at"),
    ),
    # Not `attributes`: a birthday, a company and a city together name somebody.
    "contacts_contact": (
        *("id", "subject", "created_at", "erased_at", "restricted_at", "paused_until"),
        *("last_active_at", "language", "lifecycle", "timezone"),
    ),
    "contacts_contact_tags": None,
    "contacts_datafield": None,
    "contacts_segment": None,
    "contacts_staticlist": None,
    "contacts_staticlist_contacts": None,
    "contacts_tag": None,
}


class RoleError(Exception):
    """The role was left as it was."""


class NoSuchRole(RoleError):
    """There is no such role in the database. Its administrator creates it: CREATE ROLE … LOGIN."""


class RoleIsOurs(RoleError):
    """This role owns the tables or is a superuser: nothing can be kept from it."""


class RoleReadsMore(RoleError):
    """By a role that it belongs to, or a grant of somebody else, this role can use more: %(things)s."""


# Whatever the role, or one that it can become, may use of relations that are not named above, columns
# of named ones that are not, and of functions that act with the rights of their owner.
_MORE = """
    WITH ways AS (SELECT oid FROM pg_roles WHERE pg_has_role(%(role)s, oid, 'MEMBER')),
    ours AS (SELECT oid FROM pg_namespace
        WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'),
    things AS (
        SELECT c.relname AS name FROM pg_class c, ways w
        WHERE c.relnamespace IN (SELECT oid FROM ours) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
            AND (has_any_column_privilege(w.oid, c.oid, 'INSERT, UPDATE, REFERENCES')
                OR has_table_privilege(w.oid, c.oid, 'DELETE, TRUNCATE, TRIGGER')
                OR (c.relname <> ALL (%(tables)s) OR c.relnamespace <> 'public'::regnamespace)
                    AND has_any_column_privilege(w.oid, c.oid, 'SELECT'))
        UNION
        SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, ways w
        WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
            AND c.relname = ANY (%(partly)s) AND c.relname || '.' || a.attname <> ALL (%(columns)s)
            AND has_column_privilege(w.oid, c.oid, a.attnum, 'SELECT')
        UNION
        SELECT p.proname || '()' FROM pg_proc p, ways w
        WHERE p.pronamespace IN (SELECT oid FROM ours) AND p.prosecdef
            AND has_function_privilege(w.oid, p.oid, 'EXECUTE')
    )
    SELECT name FROM things ORDER BY name
"""


@transaction.atomic
def grant(role: str) -> int:
    """Let an existing role read what is named here and nothing else; returns how many tables that is.

    Nobody but the owner keeps what PUBLIC was granted. Raises `RoleError`.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolsuper OR pg_has_role(oid, current_user, 'MEMBER') FROM pg_roles"
            " WHERE rolname = %s",
            [role],
        )
        if (found := cursor.fetchone()) is None:
            raise NoSuchRole(str(NoSuchRole.__doc__))
        if found[0]:
            raise RoleIsOurs(str(RoleIsOurs.__doc__))
        for statement in statements(role):
            cursor.execute(statement.as_string(cursor.connection))
    if things := more(role):
        raise RoleReadsMore(str(RoleReadsMore.__doc__) % {"things": ", ".join(things)})
    return len(READABLE)


def more(role: str) -> list[str]:
    """What the role can use besides what is named here, by whatever way, as the database judges it."""
    partly = {table: columns for table, columns in READABLE.items() if columns is not None}
    known: dict[str, str | list[str]] = {
        "role": role,
        "tables": list(READABLE),
        "partly": list(partly),
        "columns": [f"{table}.{column}" for table in partly for column in partly[table]],
    }
    with connection.cursor() as cursor:
        cursor.execute(_MORE, known)
        return [name for (name,) in cursor.fetchall()]


def statements(role: str) -> list[sql.Composed]:
    """Everything is taken away first, so that a grant that was dropped here is dropped there."""
    name = sql.Identifier(role)
    revoked = [
        sql.SQL("REVOKE ALL ON ALL {} IN SCHEMA public FROM {}, PUBLIC").format(sql.SQL(kind), name)
        for kind in ("TABLES", "SEQUENCES", "FUNCTIONS")
    ]
    columns = [
        sql.SQL("GRANT SELECT {} ON {} TO {}").format(
            _columns(columns), sql.Identifier(table), name
        )
        for table, columns in READABLE.items()
    ]
    return [*revoked, sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(name), *columns]


def _columns(columns: tuple[str, ...] | None) -> sql.Composable:
    if columns is None:
        return sql.SQL("")
    return sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Identifier, columns)))
