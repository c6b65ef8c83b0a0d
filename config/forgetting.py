"""How long the audit trail is kept: older entries go through one door of the database, which notes it.

The door is a function: whatever deletes past it is refused by the trigger of the table, and it cannot take
rows without writing its own entry first. It never takes what is younger than half a year.
"""

from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from config.models import AuditEntry
from config.models.trail import DOOR

BATCH = 10_000
# Entries come in the order of their keys: the oldest are looked at first, and the look ends there.
FUNCTION = """
DECLARE
    taken bigint[];
    gone bigint;
    oldest timestamptz;
BEGIN
    IF before > now() - interval '6 months' THEN
        RAISE EXCEPTION 'The audit trail is kept for at least half a year';
    END IF;
    SELECT array_agg(id), count(*), min(happened_at) INTO taken, gone, oldest
      FROM (SELECT id, happened_at FROM config_auditentry ORDER BY id LIMIT most) AS first
     WHERE happened_at < before;
    IF gone > 0 THEN
        INSERT INTO config_auditentry (action, object_type, object_id, part, details, door)
        VALUES ('removed', 'config.auditentry', '', 'retention',
                jsonb_build_object('entries', gone, 'since', oldest, 'before', before), '');
        DELETE FROM config_auditentry WHERE id = ANY(taken);
    END IF;
    RETURN gone;
END"""


def hold(**_signal: object) -> None:
    """Give the database the door; called at the end of `migrate`, twice changes nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = %s", [DOOR])
        if (FUNCTION,) not in cursor.fetchall():
            cursor.execute(
                f"CREATE OR REPLACE FUNCTION {DOOR}(before timestamptz, most integer) RETURNS bigint"
                f" LANGUAGE plpgsql AS $${FUNCTION}$$"
            )


def forget_old(*, now: datetime | None = None) -> int:
    """Remove the entries that are older than AUDIT_TRAIL_MONTHS, in batches; returns how many.

    0 months keeps them for good.
    """
    if not settings.AUDIT_TRAIL_MONTHS:
        return 0
    before = months_before(now or timezone.now(), settings.AUDIT_TRAIL_MONTHS)
    gone = 0
    while taken := _take(before):
        gone += taken
    return gone


@transaction.atomic
def _take(before: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {DOOR}(%s, %s)", [before, BATCH])
        return int(cursor.fetchone()[0])


def months_before(moment: datetime, months: int) -> datetime:
    """The first of the month, so many months ago: what is told of a month goes together."""
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    return moment.replace(
        year=year, month=month + 1, day=1, hour=0, minute=0, second=0, microsecond=0
    )


def oldest() -> datetime | None:
    """When the trail begins."""
    entry = AuditEntry.objects.order_by("pk").first()
    return entry.happened_at if entry else None
