"""The ledger at a glance: figures, checkpoints as files, and readings that a worker does."""

import re
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from consent import sealing, signing, tasks, verification, verifications
from consent.admin import ledger_status
from consent.models import LedgerCheckpoint, LedgerVerification
from tests import make

pytestmark = pytest.mark.django_db
STATUS = reverse("admin:consent_ledgercheckpoint_status")
VERIFY = reverse("admin:consent_ledgercheckpoint_verify")


@pytest.fixture
def officer(client):
    officer = make.officer()
    client.force_login(officer)
    return officer


@pytest.fixture
def checkpoint() -> LedgerCheckpoint:
    make.granted(make.contact(), make.topic())
    sealing.seal()
    return LedgerCheckpoint.objects.get()


def note_of(checkpoint: LedgerCheckpoint) -> SimpleUploadedFile:
    return SimpleUploadedFile("checkpoint.txt", sealing.export(checkpoint).encode())


def tamper() -> None:
    """As whoever owns the database could: the trigger is off, the row is changed."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE consent_consentevent DISABLE TRIGGER USER")
        cursor.execute("UPDATE consent_consentevent SET kind = 'refused' WHERE kind = 'given'")
        cursor.execute("ALTER TABLE consent_consentevent ENABLE TRIGGER USER")


def test_it_says_how_much_is_sealed_by_which_key(client, officer, checkpoint):
    make.withdrawn(make.contact(), make.topic())
    page = client.get(STATUS)
    figures = [figure for _words, figure in page.context_data["figures"]]
    assert figures == [2, 1, 1]
    text = page.content.decode()
    assert bytes(checkpoint.root).hex() in text
    assert checkpoint.key_id in text


def test_it_says_that_nothing_is_sealed_when_the_ledger_is_empty(client, officer):
    assert "Nothing is sealed yet" in client.get(STATUS).content.decode()


def test_it_gives_a_checkpoint_as_a_file_that_verifies(client, officer, checkpoint):
    page = reverse("admin:consent_ledgercheckpoint_note", args=[checkpoint.pk])
    answer = client.get(page)
    assert "attachment" in answer.headers["Content-Disposition"]
    found, _signature = signing.verify_note(answer.content.decode(), sealing.public_keys())
    assert found.size == checkpoint.size


def test_it_reads_the_ledger_in_a_worker_and_keeps_who_asked(client, officer, checkpoint):
    with CaptureQueriesContext(connection) as queries:
        client.post(VERIFY)
    assert not [query for query in queries if "consent_ledgerentry" in query["sql"]]
    asked = LedgerVerification.objects.get()
    assert (asked.asked_by, asked.finished_at) == (officer, None)
    assert "being read" in client.get(STATUS).content.decode()
    tasks.verify_ledger()
    asked.refresh_from_db()
    assert asked.is_whole
    assert verifications.sealed_so_far(asked) == 1
    assert "nothing was changed" in client.get(STATUS).content.decode()


def test_it_says_what_is_wrong_in_words(client, officer, checkpoint):
    tamper()
    client.post(VERIFY)
    tasks.verify_ledger()
    page = client.get(STATUS).content.decode()
    assert "not whole" in page
    assert "An event is not what was sealed" in page


def test_it_has_words_for_every_problem_that_a_reading_can_find():
    source = Path(verification.__file__).read_text()
    kinds = set(re.findall(r'\("([a-z]+(?:_[a-z]+)+)", ', source))
    assert len(kinds) > 10
    assert kinds == set(ledger_status.PROBLEMS)


def test_it_finds_a_rewritten_ledger_by_a_checkpoint_that_was_kept_elsewhere(
    client, officer, checkpoint
):
    note = note_of(checkpoint)
    with connection.cursor() as cursor:
        for table in ("ledgercheckpoint", "ledgerentry"):
            cursor.execute(f"ALTER TABLE consent_{table} DISABLE TRIGGER USER")
            cursor.execute(f"DELETE FROM consent_{table}")
            cursor.execute(f"ALTER TABLE consent_{table} ENABLE TRIGGER USER")
    client.post(VERIFY, {"compare": "yes", "checkpoint": note})
    tasks.verify_ledger()
    asked = LedgerVerification.objects.get()
    assert asked.against
    assert "tail_cut" in {problem["kind"] for problem in asked.problems}


def test_it_is_content_when_the_ledger_grew_from_an_exported_checkpoint(
    client, officer, checkpoint
):
    make.granted(make.contact(), make.topic())
    sealing.seal()
    client.post(VERIFY, {"compare": "yes", "checkpoint": note_of(checkpoint)})
    tasks.verify_ledger()
    assert LedgerVerification.objects.get().is_whole
    assert "exported checkpoint of 1 events" in client.get(STATUS).content.decode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"no checkpoint", "no exported checkpoint"),
        (b"\xff\xfe", "no exported checkpoint"),
        (b"x" * 20_000, "too large"),
    ],
)
def test_it_refuses_a_file_that_is_no_checkpoint(client, officer, checkpoint, content, said):
    file = SimpleUploadedFile("note.txt", content)
    page = client.post(VERIFY, {"compare": "yes", "checkpoint": file})
    assert said in page.content.decode()
    assert not LedgerVerification.objects.exists()


def test_it_refuses_a_checkpoint_of_another_ledger(client, officer, checkpoint, settings):
    note = note_of(checkpoint)
    settings.ASSENT_KEYS = settings.ASSENT_KEYS | {"ledger": {"other": b"x" * 32}}
    page = client.post(VERIFY, {"compare": "yes", "checkpoint": note})
    assert "signed by a key that was not given" in page.content.decode()
    assert not LedgerVerification.objects.exists()


def test_it_reads_again_when_a_worker_was_killed_and_gives_up_at_the_third_time(
    client, officer, checkpoint
):
    client.post(VERIFY)
    LedgerVerification.objects.update(attempts=1)
    tasks.verify_ledger()
    assert LedgerVerification.objects.get().is_whole
    client.post(VERIFY)
    LedgerVerification.objects.filter(finished_at=None).update(attempts=3)
    tasks.verify_ledger()
    given_up = LedgerVerification.objects.latest("pk")
    assert given_up.finished_at
    assert "never came to its end" in client.get(STATUS).content.decode()


def test_it_lets_a_role_look_that_may_not_verify(client, checkpoint):
    staff = make.staff("nora", superuser=False)
    make.permit(staff, "consent.view_ledgercheckpoint")
    client.force_login(staff)
    assert VERIFY not in client.get(STATUS).content.decode()
    assert client.post(VERIFY).status_code == 403
    assert client.get(VERIFY).status_code == 405
