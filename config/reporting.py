"""What a reporting role of the database may read: pseudonyms, permissions, the ledger, what was sent.

Never the vault, values of fields, fingerprints, evidence, service mail, files or staff. What is not
named here is not granted, so that a new table stays closed until somebody opens it.
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


@transaction.atomic
def grant(role: str) -> int:
    """Let an existing role read what is named here and nothing else; returns how many tables that is.

    Raises `RoleError`.
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
    return len(READABLE)


def statements(role: str) -> list[sql.Composed]:
    """Everything is taken away first, so that a grant that was dropped here is dropped there."""
    name = sql.Identifier(role)
    revoked = [
        sql.SQL("REVOKE ALL ON ALL {} IN SCHEMA public FROM {}").format(sql.SQL(kind), name)
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
