"""The sealed ledger, and everything that somebody with the database could do to it."""

import io
import json

import pgtrigger
import pytest
from django.core.management import call_command
from django.db import connection

from consent import sealing, verification
from consent.models import LedgerCheckpoint, LedgerEntry
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def ledger():
    """Nine sealed events under three checkpoints."""
    topic = make.topic()
    for _ in range(3):
        ada = make.contact()
        make.granted(ada, topic)
        make.withdrawn(ada, topic)
        make.given_elsewhere(make.contact(), topic)
        sealing.seal()


def problems():
    return {problem.kind for problem in verification.verify().problems}


def tamper(statement):
    with pgtrigger.ignore(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(statement)


def test_it_seals_every_committed_event_in_one_order_without_a_gap(ledger):
    assert list(
        LedgerEntry.objects.order_by("position").values_list("position", flat=True)
    ) == list(range(9))
    assert sealing.unsealed() == 0
    assert LedgerCheckpoint.objects.count() == 3


def test_it_finds_nothing_in_an_untouched_ledger(ledger):
    make.granted(make.contact(), make.topic())
    report = verification.verify()
    assert report.as_dict() == {
        "ok": True, "events": 10, "sealed": 9, "unsealed": 1, "problems": [],
    }  # fmt: skip


def test_it_seals_in_several_transactions_to_the_same_tree(ledger):
    for _ in range(5):
        make.granted(make.contact(), make.topic())
    assert sealing.seal(batch=2) == 5
    assert problems() == set()


SUBJECT = "'00000000-0000-4000-8000-000000000000'"


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE consent_consentevent SET kind = 'renewed' WHERE id = {event}", "event_changed"),
        (
            f"UPDATE consent_consentevent SET subject = {SUBJECT} WHERE id = {{event}}",
            "event_changed",
        ),
        (
            (
                "UPDATE consent_consentevent SET occurred_at = occurred_at - interval '1 microsecond'"
                " WHERE id = {event}"
            ),
            "event_changed",
        ),
        (
            (
                "ALTER TABLE consent_consentevent ALTER COLUMN leaf DROP EXPRESSION;"
                "UPDATE consent_consentevent SET leaf = sha256('x') WHERE id = {event}"
            ),
            "leaf_changed",
        ),
        (
            (
                'UPDATE consent_consentevidence SET details = \'{{"source": "forged"}}\''
                " WHERE event_id = {event}"
            ),
            "evidence_changed",
        ),
        (
            (
                "DELETE FROM consent_permission; DELETE FROM consent_suppression;"
                "DELETE FROM consent_consentevidence WHERE event_id = {event};"
                "DELETE FROM consent_consentevent WHERE id = {event}"
            ),
            "event_missing",
        ),
        ("DELETE FROM consent_ledgerentry WHERE event_id = {event}", "position_missing"),
        ("DELETE FROM consent_ledgerentry WHERE event_id = {event}", "event_never_sealed"),
        ("DELETE FROM consent_ledgercheckpoint WHERE size = 6", "checkpoint_missing"),
        (
            "UPDATE consent_ledgercheckpoint SET root = sha256('x') WHERE size = 6",
            "checkpoint_changed",
        ),
        (
            "UPDATE consent_ledgercheckpoint SET signature = sha512('x') WHERE size = 6",
            "checkpoint_not_signed",
        ),
        ("DELETE FROM consent_ledgerentry WHERE position >= 7", "tail_cut"),
        ("DELETE FROM consent_ledgercheckpoint WHERE size = 9", "entry_never_signed"),
        ("DELETE FROM consent_ledgercheckpoint", "entry_never_signed"),
        (
            (
                "ALTER TABLE consent_ledgerentry DROP CONSTRAINT entry_position_from_zero;"
                "UPDATE consent_ledgerentry SET position = -1 WHERE position = 8"
            ),
            "position_unknown",
        ),
        (
            (
                "ALTER TABLE consent_consentevent ALTER actor_role DROP NOT NULL,"
                " DROP CONSTRAINT event_actor_is_one_line;"
                "UPDATE consent_consentevent SET actor_role = NULL, actor = actor_role || E'\\n-'"
                " WHERE id = {event}"
            ),
            "event_changed",
        ),
        (
            (
                "ALTER TABLE consent_consentevent ALTER channel DROP NOT NULL;"
                "UPDATE consent_consentevent SET channel = NULL WHERE subject ="
                " (SELECT subject FROM consent_consentevent WHERE id = {event})"
            ),
            "event_changed",
        ),
        (
            (
                "ALTER TABLE consent_consentevidence ALTER nonce DROP NOT NULL;"
                "UPDATE consent_consentevidence SET nonce = NULL"
            ),
            "evidence_changed",
        ),
    ],
)
def test_it_finds_what_was_done_by_hand(ledger, statement, kind):
    event = LedgerEntry.objects.get(position=4).event_id
    tamper(statement.format(event=event))
    assert kind in problems()


def test_it_names_the_position_of_evidence_that_was_changed(ledger):
    tamper(
        "UPDATE consent_consentevidence SET details = '{}' WHERE event_id ="
        " (SELECT event_id FROM consent_ledgerentry WHERE position = 4)"
    )
    assert verification.verify().problems == [verification.Problem("evidence_changed", 4)]


def test_it_finds_two_positions_that_changed_places(ledger):
    first, second = LedgerEntry.objects.filter(position__in=[3, 4]).order_by("position")
    tamper("DELETE FROM consent_ledgerentry WHERE position IN (3, 4)")
    LedgerEntry.objects.create(position=3, event=second.event, leaf=second.leaf)
    LedgerEntry.objects.create(position=4, event=first.event, leaf=first.leaf)
    assert problems() == {"root_differs"}


def test_it_finds_an_event_that_was_slipped_in(ledger):
    tamper(
        "INSERT INTO consent_consentevent (subject, topic_key, channel, kind, basis, method, actor_role,"
        " actor, commitment) SELECT subject, topic_key, channel, 'given', basis, method, actor_role,"
        " actor, commitment FROM consent_consentevent LIMIT 1"
    )
    assert problems() == {"event_never_sealed"}


def test_it_finds_an_event_that_was_appended_past_the_sealer(ledger):
    make.granted(make.contact(), make.topic())
    tamper(
        "WITH taken AS (DELETE FROM consent_unsealed RETURNING event_id)"
        " INSERT INTO consent_ledgerentry (position, event_id, leaf)"
        " SELECT 9, e.id, e.leaf FROM taken JOIN consent_consentevent e ON e.id = taken.event_id"
    )
    assert verification.verify().problems == [verification.Problem("entry_never_signed", 9)]


def test_it_finds_a_tail_cut_together_with_its_checkpoints_against_an_exported_one(
    ledger, tmp_path
):
    exported = tmp_path / "checkpoint.txt"
    exported.write_text(sealing.export(LedgerCheckpoint.objects.order_by("-size")[0]))
    tamper("DELETE FROM consent_ledgerentry WHERE position >= 6")
    tamper("DELETE FROM consent_ledgercheckpoint WHERE size > 6")
    tamper(
        "DELETE FROM consent_permission; DELETE FROM consent_suppression;"
        "CREATE TEMP TABLE cut AS SELECT id FROM consent_consentevent WHERE id NOT IN"
        " (SELECT event_id FROM consent_ledgerentry);"
        "DELETE FROM consent_consentevidence WHERE event_id IN (SELECT id FROM cut);"
        "DELETE FROM consent_consentevent WHERE id IN (SELECT id FROM cut)"
    )
    assert problems() == set()
    output = io.StringIO()
    with pytest.raises(SystemExit) as stop:
        call_command("verify_ledger", "--json", against=exported, stdout=output)
    assert stop.value.code == 1
    assert json.loads(output.getvalue())["problems"] == [{"kind": "tail_cut", "position": 9}]


def test_it_finds_words_that_were_changed(ledger):
    tamper("UPDATE consent_wording SET text = 'Yes to everything, for ever.'")
    assert problems() == {"wording_changed"}


def test_it_still_verifies_after_evidence_was_erased(ledger):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM consent_consentevidence")
    assert problems() == set()
