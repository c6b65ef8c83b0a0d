"""The audit trail forgets what is old through one door that notes it; everything else is refused."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from config import environment, forgetting, tasks
from config.models import AuditEntry

pytestmark = pytest.mark.django_db


def entry(*, days: int) -> AuditEntry:
    return AuditEntry.objects.create(
        action="viewed", happened_at=timezone.now() - timedelta(days=days), object_type="x"
    )


def kept() -> set[int]:
    return set(AuditEntry.objects.filter(object_type="x").values_list("pk", flat=True))


def refused(sql: str, *parameters: object) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, parameters)
    except DatabaseError:
        return True
    return False


def test_it_forgets_what_is_older_than_the_setting_and_notes_how_much(settings):
    settings.AUDIT_TRAIL_MONTHS = 12
    old, fresh = entry(days=500), entry(days=300)
    tasks.forget_trail()
    assert kept() == {fresh.pk}
    noted = AuditEntry.objects.get(part="retention")
    assert noted.action == "removed"
    assert noted.details["entries"] == 1
    assert datetime.fromisoformat(noted.details["since"]) == old.happened_at
    tasks.forget_trail()
    assert AuditEntry.objects.filter(part="retention").count() == 1


def test_it_goes_on_until_nothing_old_is_left(settings, monkeypatch):
    settings.AUDIT_TRAIL_MONTHS = 12
    # What migrating wrote may stand before them.
    monkeypatch.setattr(forgetting, "BATCH", AuditEntry.objects.count() + 2)
    for _number in range(5):
        entry(days=500)
    fresh = entry(days=1)
    assert forgetting.forget_old() == 5
    assert kept() == {fresh.pk}


def test_it_keeps_everything_when_the_setting_says_so(settings):
    settings.AUDIT_TRAIL_MONTHS = 0
    old = entry(days=5000)
    assert forgetting.forget_old() == 0
    assert kept() == {old.pk}


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM config_auditentry",
        "DELETE FROM config_auditentry WHERE happened_at < now() - interval '1 year'",
        "UPDATE config_auditentry SET action = 'added'",
        "TRUNCATE config_auditentry",
        "SELECT assent_forget_trail(now(), 100)",
        "SELECT assent_forget_trail(now() - interval '5 months', 100)",
        # In the words of the door, but not by it: the note is missing.
        (
            "DO $$ BEGIN DELETE FROM config_auditentry /*\n"
            "PL/pgSQL function assent_forget_trail(timestamp with time zone,integer) line 8 */; END $$"
        ),
        # With a note of one's own, but not by the door.
        (
            "INSERT INTO config_auditentry (action, object_type, object_id, part, details, door) VALUES"
            " ('removed', 'config.auditentry', '', 'retention', '{\"before\": \"2099-01-01\"}', '');"
            " DELETE FROM config_auditentry WHERE object_type = 'x'"
        ),
    ],
)
def test_it_refuses_every_other_way(sql):
    old = entry(days=500)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('assent.staff', '', false)")
    assert refused(sql)
    assert kept() == {old.pk}
    assert not AuditEntry.objects.filter(part="retention").exists()


def test_it_keeps_half_a_year_although_somebody_moves_the_clock_of_the_program(settings):
    settings.AUDIT_TRAIL_MONTHS = 12
    fresh = entry(days=100)
    with pytest.raises(DatabaseError), transaction.atomic():
        forgetting.forget_old(now=timezone.now() + timedelta(days=800))
    assert kept() == {fresh.pk}


@pytest.mark.parametrize(
    ("moment", "months", "before"),
    [
        ("2026-11-23", 12, "2025-11-01"),
        ("2026-03-31", 6, "2025-09-01"),
        ("2026-01-15", 36, "2023-01-01"),
        ("2026-12-01", 12, "2025-12-01"),
    ],
)
def test_it_counts_whole_months(moment, months, before):
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert forgetting.months_before(at, months).date().isoformat() == before


@pytest.mark.parametrize("months", ["1", "5"])
def test_it_refuses_to_start_with_a_trail_that_is_too_short(months, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "import config.settings"],
        cwd=environment.ROOT,
        env={
            "PATH": os.environ["PATH"],
            "ASSENT_VAR": str(tmp_path),
            "AUDIT_TRAIL_MONTHS": months,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "AUDIT_TRAIL_MONTHS" in done.stderr


def test_it_gives_the_database_its_door_once():
    forgetting.hold()
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION assent_forget_trail")
    forgetting.hold()
    entry(days=5000)
    assert forgetting.forget_old() == 1
