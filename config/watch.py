"""Which tables the database writes into the audit trail, and the triggers that do it.

Tables of access are watched always, the others while a staff member acts. Values are kept only of the
columns named here: of everything else the trail has the column's name, because it can never be erased.
"""

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connection, transaction

from config.models import AuditEntry

TRIGGER = "assent_audit"
# Arguments: kind of object, part, column of the object's key, action (or '' for the operation's own),
# columns whose values are kept, columns that are ignored.
FUNCTION = """
DECLARE
    kept text[] := string_to_array(TG_ARGV[4], ',');
    ignored text[] := string_to_array(TG_ARGV[5], ',');
    before jsonb := '{}';
    after jsonb := '{}';
    changed jsonb;
BEGIN
    IF TG_OP <> 'INSERT' THEN before := to_jsonb(OLD); END IF;
    IF TG_OP <> 'DELETE' THEN after := to_jsonb(NEW); END IF;
    SELECT jsonb_object_agg(
               name, CASE WHEN name = ANY(kept) THEN jsonb_build_array(before -> name, after -> name) END
           )
      INTO changed
      FROM jsonb_object_keys(before || after) AS name
     WHERE before -> name IS DISTINCT FROM after -> name
       AND name <> ALL(ignored)
       AND (TG_OP = 'UPDATE' OR name = ANY(kept));
    IF TG_OP = 'UPDATE' AND changed IS NULL THEN RETURN NULL; END IF;
    INSERT INTO config_auditentry
        (staff_id, action, object_type, object_id, part, details, door, address)
    VALUES (
        nullif(current_setting('assent.staff', true), '')::bigint,
        coalesce(
            nullif(TG_ARGV[3], ''),
            CASE TG_OP WHEN 'INSERT' THEN 'added' WHEN 'UPDATE' THEN 'changed' ELSE 'removed' END
        ),
        TG_ARGV[0],
        coalesce((before || after) ->> TG_ARGV[2], ''),
        TG_ARGV[1],
        coalesce(changed, '{}'),
        coalesce(current_setting('assent.door', true), ''),
        nullif(current_setting('assent.address', true), '')::inet
    );
    RETURN NULL;
END"""


@dataclass(frozen=True, slots=True)
class Watched:
    """A model as `app.Model` (or `app.Model.many_to_many`), and as part of which object it is told.

    `key` is the column that names the object; `keeps` are columns whose values stay in the trail, and
    `ignores` columns whose change alone is nobody's act.
    """

    model: str
    keeps: tuple[str, ...] = ()
    ignores: tuple[str, ...] = ()
    key: str = "id"
    of: str = ""
    part: str = ""
    action: str = ""
    is_always: bool = False


WATCHED = (
    Watched(
        "auth.User",
        keeps=("is_active", "is_staff", "is_superuser"),
        ignores=("last_login",),
        is_always=True,
    ),
    Watched(
        "auth.User.groups", ("group_id",), key="user_id", of="auth.user", part="role",
        is_always=True,
    ),
    Watched(
        "auth.User.user_permissions", ("permission_id",), key="user_id", of="auth.user",
        part="permission", is_always=True,
    ),
    Watched("auth.Group", ("name",), is_always=True),
    Watched(
        "auth.Group.permissions", ("permission_id",), key="group_id", of="auth.group",
        part="permission", is_always=True,
    ),
    Watched(
        "mfa.Authenticator", ("type",), ("data", "last_used_at"), key="user_id", of="auth.user",
        part="second factor", is_always=True,
    ),
    Watched(
        "account.EmailAddress", ("verified", "primary"), key="user_id", of="auth.user",
        part="email", is_always=True,
    ),
    Watched(
        "config.ApiToken", ("owner_id", "beginning", "scopes", "expires_at", "ended_at"),
        ("last_used_on",), is_always=True,
    ),
    Watched(
        "contacts.Contact", ("subject", "language", "lifecycle", "restricted_at", "erased_at"),
        ("last_active_at",),
    ),
    Watched("contacts.Identity", key="contact_id", of="contacts.contact", part="identity"),
    Watched(
        "contacts.Address", ("channel", "retired_at", "undeliverable_at"), key="contact_id",
        of="contacts.contact", part="address",
    ),
    Watched(
        "contacts.Contact.tags", ("tag_id",), key="contact_id", of="contacts.contact", part="tag"
    ),
    # What staff call a list, a file or whatever else holds people can name one of them.
    Watched("contacts.Tag"),
    Watched("contacts.Segment"),
    Watched("contacts.StaticList"),
    Watched(
        "contacts.DataField",
        ("key", "label", "type", "need", "basis", "owner", "retention_days", "topic_key"),
    ),
    Watched(
        "contacts.SubjectRequest",
        ("contact_id", "kind", "state", "received_at", "due_at", "settled_at"),
    ),
    Watched("contacts.Hold", ("contact_id", "placed_at", "lifted_at")),
    Watched("contacts.IdentityView", ("contact_id", "export_id", "people"), action="viewed"),
    Watched("contacts.Export", ("segment_id", "people", "approved_by_id", "fetched_at")),
    Watched(
        "contacts.Processor", ("name", "service", "receives", "country", "safeguard", "ended_on")
    ),
    Watched(
        "consent.Organization",
        ("legal_name", "country", "website", "privacy_page", "authority"),
    ),
    Watched("consent.Topic", ("key", "status", "public_name", "frequency", "is_public")),
    Watched(
        "consent.Wording",
        ("topic_id", "channel", "language", "version", "published_at", "digest"),
    ),
    Watched("consent.Suppression", ("channel", "topic_id", "cause")),
    Watched("consent.LedgerVerification", ("finished_at",)),
    Watched(
        "consent.RenewalRound", ("topic_id", "channel", "days_before", "stopped_at"),
        ("walked_to", "next_pass_at"),
    ),
    Watched("consent.ImportBatch", ("state", "file_digest")),
    Watched(
        "consent.ConsentEvent", ("subject", "topic_key", "channel", "kind", "basis", "method")
    ),
    Watched(
        "campaigns.Campaign",
        (
            "name", "topic_id", "channel", "sender_id", "state", "send_at", "latest_start_at",
            "per_minute", "approved_by_id", "approved_digest",
        ),
    ),
    Watched(
        "campaigns.CampaignContent", ("language", "subject"), key="campaign_id",
        of="campaigns.campaign", part="content",
    ),
    Watched("campaigns.Image", ("digest", "alt")),
    Watched("campaigns.Sender", ("name", "from_name", "from_email", "bounces_to", "transport", "per_minute")),
)  # fmt: skip


@transaction.atomic
def hold(**_signal: Any) -> None:
    """Give every watched table its trigger; called at the end of `migrate`, twice changes nothing."""
    with connection.cursor() as cursor:
        known = set(connection.introspection.table_names(cursor))
        if AuditEntry._meta.db_table not in known:
            return  # migrated back to before the trail
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = %s", [TRIGGER])
        if (FUNCTION,) not in cursor.fetchall():
            cursor.execute(
                f"CREATE OR REPLACE FUNCTION {TRIGGER}() RETURNS trigger LANGUAGE plpgsql AS $${FUNCTION}$$"
            )
        cursor.execute("SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = %s", [TRIGGER])
        standing = {definition for (definition,) in cursor.fetchall()}
        for watched in WATCHED:
            if (table := _table_of(watched)) in known:
                wanted = _definition(watched, table)
                if wanted not in standing:
                    cursor.execute(wanted.replace("CREATE", "CREATE OR REPLACE", 1))


def _definition(watched: Watched, table: str) -> str:
    """The trigger as PostgreSQL itself would print it, so that the two can be compared."""
    arguments = (
        watched.of or watched.model.lower(),
        watched.part,
        watched.key,
        watched.action,
        ",".join(watched.keeps),
        ",".join(watched.ignores),
    )
    quoted = ", ".join(f"'{argument}'" for argument in arguments)
    staff = "COALESCE(current_setting('assent.staff'::text, true), ''::text)"
    when = "" if watched.is_always else f"WHEN (({staff} <> ''::text)) "
    return (
        f"CREATE TRIGGER {TRIGGER} AFTER INSERT OR DELETE OR UPDATE ON public.{table}"
        f" FOR EACH ROW {when}EXECUTE FUNCTION {TRIGGER}({quoted})"
    )


def _table_of(watched: Watched) -> str:
    app_label, model_name, *many = watched.model.split(".")
    model = apps.get_model(app_label, model_name)
    return str(model._meta.get_field(many[0]).m2m_db_table() if many else model._meta.db_table)
