"""The retention report: a dry run that a worker does, beside what the last run erased."""

from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.urls import reverse

from contacts import tasks
from contacts.models import Contact, RetentionRun
from tests import make

pytestmark = pytest.mark.django_db
REPORT = reverse("admin:contacts_datafield_retention")
COUNT = reverse("admin:contacts_datafield_count")


@pytest.fixture
def officer(client):
    officer = make.officer()
    client.force_login(officer)
    return officer


@pytest.fixture
def people():
    """Ada's city is too old, Bo's is fresh, Cy has a value of no registered field."""
    make.field("city", retention_days=30)
    ada = make.contact("ada@example.org", attributes={"city": "Lyon"})
    make.contact("bo@example.org", attributes={"city": "Lille"})
    cy = make.contact("cy@example.org")
    Contact.objects.filter(pk=ada.pk).update(created_at=datetime(2020, 1, 1, tzinfo=UTC))
    Contact.objects.filter(pk=cy.pk).update(attributes={"shoe": 43})


def findings(run: RetentionRun) -> set[tuple[str, str, int]]:
    return {(found["key"], found["cause"], found["people"]) for found in run.findings}


EXPECTED = {("city", "expired", 1), ("shoe", "not_registered", 1)}


def test_it_counts_by_field_and_reason_in_a_worker_and_erases_nothing(client, officer, people):
    client.post(COUNT)
    client.post(COUNT)
    run = RetentionRun.objects.get()
    assert (run.asked_by, run.finished_at) == (officer, None)
    assert "being counted" in client.get(REPORT).content.decode()
    tasks.count_expired()
    run.refresh_from_db()
    assert findings(run) == EXPECTED
    assert Contact.objects.filter(attributes={"shoe": 43}).exists()
    page = client.get(REPORT).content.decode()
    assert "kept long enough" in page
    assert "no registered field" in page
    assert "The job has not run yet." in page


def test_it_shows_what_the_last_run_erased(client, officer, people):
    tasks.erase_expired()
    run = RetentionRun.objects.get()
    assert (run.is_dry_run, findings(run)) == (False, EXPECTED)
    assert not Contact.objects.filter(attributes__has_key="shoe").exists()
    assert "Nobody asked yet." in client.get(REPORT).content.decode()


def test_it_keeps_the_runs_of_the_command_too(people, capsys):
    call_command("erase_expired", "--dry-run")
    assert RetentionRun.objects.get().is_dry_run
    assert "Nothing was erased." in capsys.readouterr().out


def test_it_does_nothing_by_get_and_nothing_for_those_who_may_only_look(client, people):
    client.force_login(
        make.permit(make.staff("nora", superuser=False), "contacts.view_retentionrun")
    )
    assert client.get(REPORT).status_code == 200
    assert COUNT not in client.get(REPORT).content.decode()
    assert client.get(COUNT).status_code == 405
    assert client.post(COUNT).status_code == 403
    assert not RetentionRun.objects.exists()
