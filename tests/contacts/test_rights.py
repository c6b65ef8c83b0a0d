"""What people ask of their data: everything is found, and what is erased stays erased."""

import json
import re
from datetime import UTC, datetime

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.models import Delivery
from consent import gate, imports, ledger, replay, sealing, services, verification
from consent import rights as consent_rights
from consent.models import ConsentEvent, ConsentEvidence, Suppression
from contacts import holders, journal, processing, rights
from contacts import services as contacts
from contacts.models import Channel, Contact, Identity, StaticList, SubjectRequest, Tag
from tests import make

pytestmark = pytest.mark.django_db

NAMES = ("ada.martin", "Martin", "+33612345678", "Lyon-Croix-Rousse")


@pytest.fixture
def topic():
    return make.topic()


@pytest.fixture
def ada(topic, tmp_path):
    """Somebody who left traces everywhere."""
    make.field("city")
    person = make.contact(
        "ada.martin@example.org",
        phone="+33612345678",
        first_name="Ada",
        last_name="Martin",
        attributes={"city": "Lyon-Croix-Rousse"},
    )
    person.tags.add(Tag.objects.create(name="vip"))
    StaticList.objects.create(name="Guests").contacts.add(person)
    make.granted(person, topic)
    event = ConsentEvent.objects.get(subject=person.subject)
    Delivery.objects.create(
        campaign=make.campaign(topic),
        contact=person,
        state="failed",
        reason="refused_by_relay",
        event=event,
        address=person.addresses.get(channel="email"),
        attempt=1,
        diagnostic="550 <ada.martin@example.org> unknown",
    )
    path = tmp_path / "people.csv"
    path.write_text("email,status,topic\nADA.Martin@example.org,unsubscribed,no-such\n")
    make.withdrawn(person, topic, Channel.SMS)
    path.write_text("email,phone\nada.martin@example.org,+33612345679\n")
    imports.run(imports.start(path=path))
    imports.start(path=path, is_upload=True)
    rights.receive(
        contact=person, kind="access", how="Ada Martin wrote from ada.martin@example.org"
    )
    return person


def everything_stored():
    """Every value of every table, as text."""
    found = {}
    for model in apps.get_models(include_auto_created=True):
        table = model._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            found[table] = "\n".join(row for (row,) in cursor.fetchall())
    return found


def test_it_has_a_holder_for_every_table():
    assert holders.unaccounted() == set()


def test_it_says_of_every_table_how_long_it_is_kept():
    told = {row["table"]: row for row in processing.whole()["retention"]}
    assert set(told) == {table for holder in holders.registered() for table in holder.tables}
    assert all(row["name"] and row["kept"] for row in told.values())
    assert told["consent.RefusedRow"]["kept"] == "90 days after its import ended"
    assert told["contacts.Contact_tags"]["name"] == "contacts · tags"


# What the holders' tables have that is not read for a person, or stays as it is, and why.
COPIES = {
    "consent.UnwrittenNo"
}  # lines of the journal: events and suppressions that are exported anyway
FILES = {"consent.ImportBatch"}  # a task looks through what was uploaded and not imported yet
STAYS = COPIES | {"consent.ConsentEvent"}  # the proof: it names a pseudonym only


def touched(queries, *words):
    """The tables of holders that statements beginning with these words name."""
    held = {table for holder in holders.registered() for table in holder.tables}
    labels = {
        model._meta.db_table: model._meta.label
        for model in apps.get_models(include_auto_created=True)
    }
    text = [each["sql"] for each in queries if each["sql"].lstrip().upper().startswith(words)]
    return held, {
        label
        for table, label in labels.items()
        if any(re.search(rf"\b{table}\b", sql) for sql in text)
    }


def test_it_reads_every_table_that_a_holder_answers_for_when_it_exports(ada):
    with CaptureQueriesContext(connection) as queries:
        rights.export(contact=ada)
    held, read = touched(queries.captured_queries, "SELECT")
    assert held - read == COPIES | FILES | {"contacts.Contact"}  # which is in hand already


def test_it_changes_every_table_that_a_holder_answers_for_when_it_erases(ada):
    with CaptureQueriesContext(connection) as queries:
        manifest = rights.erase(contact=ada)
    held, changed = touched(queries.captured_queries, "UPDATE", "DELETE", "INSERT")
    assert held - changed - STAYS == set()
    assert set(manifest) <= held


def test_it_tells_every_kind_of_thing_it_holds(ada):
    export = rights.export(contact=ada)
    assert set(export) == {"contact", "consent", "campaigns"}
    assert set(export["consent"]) == {
        "permissions", "events", "suppressions", "service_mails", "renewal_requests",
        "refused_import_rows",
    }  # fmt: skip


def test_it_exports_everything_as_plain_values(ada):
    export = json.loads(json.dumps(rights.export(contact=ada)))
    assert export["contact"]["identity"]["email"] == "ada.martin@example.org"
    assert export["contact"]["attributes"][0]["value"] == "Lyon-Croix-Rousse"
    assert export["consent"]["events"][0]["words"].startswith("Yes, send me")
    assert export["consent"]["refused_import_rows"][0]["row"] == [
        "ada.martin@example.org",
        "+33612345679",
    ]
    assert export["campaigns"]["deliveries"][0]["state"] == "failed"


def test_it_forgets_a_pause(ada):
    services.pause(contact=ada, weeks=4, now=timezone.now())
    ada.refresh_from_db()
    assert rights.export(contact=ada)["contact"]["paused_until"]
    rights.erase(contact=ada)
    ada.refresh_from_db()
    assert ada.paused_until is None


def test_it_leaves_no_trace_of_a_name_or_address(ada):
    assert any(name in text for text in everything_stored().values() for name in NAMES)
    manifest = rights.erase(contact=ada)
    left = {
        (table, name)
        for table, text in everything_stored().items()
        for name in NAMES
        if name in text
    }
    assert left == set()
    assert {"contacts.Identity", "contacts.Address", "consent.ConsentEvidence"} <= set(manifest)
    assert not Identity.objects.filter(contact=ada).exists()
    assert not ConsentEvidence.objects.filter(event__subject=ada.subject).exists()
    assert rights.erase(contact=ada) == {}


def test_it_keeps_the_ledger_whole(ada):
    events = ConsentEvent.objects.filter(subject=ada.subject).count()
    rights.erase(contact=ada)
    sealing.seal()
    assert ConsentEvent.objects.filter(subject=ada.subject).count() == events + 1
    assert not verification.verify().problems
    assert list(replay.differences()) == []


def test_it_keeps_the_address_suppressed_until_its_person_comes_back(ada, topic, tmp_path):
    rights.erase(contact=ada)
    path = tmp_path / "again.csv"
    path.write_text(
        "email,status,topic,date,source,wording\n"
        "ada.martin@example.org,subscribed,product-news,2025-01-02,Form,Words\n"
    )
    batch = imports.run(imports.start(path=path))
    assert (batch.contacts, batch.grants, batch.refused) == (0, 0, 1)
    again = make.contact("ada.martin@example.org")
    assert gate.explain(contact=again, topic=topic, channel="email").reason == "suppressed"
    make.granted(again, topic)
    assert gate.explain(contact=again, topic=topic, channel="email").is_allowed


def test_it_stops_no_other_person_who_has_the_address_now(topic):
    ada = make.contact("shared@example.org")
    contacts.change_address(contact=ada, channel="email", address="ada@example.org")
    bo = make.contact("shared@example.org")
    make.granted(bo, topic)
    rights.erase(contact=ada)
    assert gate.explain(contact=bo, topic=topic, channel="email").is_allowed
    assert Suppression.objects.count() == 1


def test_it_refuses_the_start_until_erasures_are_replayed(ada):
    """A backup from before the erasure is restored."""
    journal.note(ada.subject, timezone.now())
    with pytest.raises(ImproperlyConfigured, match="replay_erasures"):
        rights.check_erasures()
    call_command("replay_erasures")
    rights.check_erasures()
    ada.refresh_from_db()
    assert ada.erased_at
    assert not Identity.objects.filter(contact=ada).exists()


def test_it_passes_over_a_line_of_the_journal_that_was_cut_short(ada):
    journal.note(ada.subject, timezone.now())
    with journal.path(journal.ERASURES).open("a") as file:
        file.write('{"subject": "1234')
    assert rights.returned() == [ada]


def test_it_loses_no_line_of_the_journal_behind_one_that_was_cut_short(ada):
    bo = make.contact("bo@example.org")
    journal.note(ada.subject, timezone.now())
    with journal.path(journal.ERASURES).open("a") as file:
        file.write('{"subject": "1234')
    journal.note(bo.subject, timezone.now())
    assert set(rights.returned()) == {ada, bo}


def test_it_sends_nothing_while_processing_is_restricted(topic):
    ada = make.contact()
    make.granted(ada, topic)
    consent_rights.restrict(contact=ada, actor=ledger.staff(1))
    assert consent_rights.restrict(contact=ada) is None
    assert gate.explain(contact=ada, topic=topic, channel="email").reason == "restricted"
    consent_rights.lift_restriction(contact=ada)
    assert gate.explain(contact=ada, topic=topic, channel="email").is_allowed


def test_it_brings_no_one_back_by_erasing(topic):
    cy = make.contact("cy@example.org")
    services.object_to_everything(contact=cy, method="stop_page")
    rights.erase(contact=cy)
    assert {permission.state for permission in cy.permissions.all()} == {"erased"}


@pytest.mark.parametrize(
    ("received", "due"),
    [("2026-01-15", "2026-02-15"), ("2026-01-31", "2026-02-28"), ("2026-12-31", "2027-01-31")],
)
def test_it_is_due_within_a_month(received, due):
    at = datetime.fromisoformat(received).replace(tzinfo=UTC)
    assert rights.due(at).date().isoformat() == due


@pytest.mark.parametrize(
    ("received", "due"),
    [("2026-01-15", "2026-04-15"), ("2026-11-30", "2027-02-28"), ("2027-10-31", "2028-01-31")],
)
def test_it_takes_three_months_where_a_request_is_complex(received, due):
    at = datetime.fromisoformat(received).replace(tzinfo=UTC)
    assert rights.due(at, months=3).date().isoformat() == due


def test_it_takes_two_more_months_once_and_in_time_with_a_reason(ada):
    asked, late = (
        rights.receive(contact=ada, kind="access", received_at=at)
        for at in (timezone.now(), datetime(2024, 1, 1, tzinfo=UTC))
    )
    with pytest.raises(rights.ReasonMissing):
        rights.extend(request=asked, reason=" ")
    rights.extend(request=asked, reason=" Paper files, too ")
    assert asked.due_at == rights.due(asked.received_at, months=3)
    assert asked.extended_because == "Paper files, too"
    assert "Paper files" in str(rights.export(contact=ada))
    for request in (asked, late):
        with pytest.raises(rights.TooLateToExtend):
            rights.extend(request=request, reason="Much else to do")
    rights.settle(request=asked, handler_id=None)
    with pytest.raises(rights.RequestSettled):
        rights.extend(request=asked, reason="Much else to do")
    rights.erase(contact=ada)
    asked.refresh_from_db()
    assert asked.extended_because == ""


def test_it_settles_a_request_once(ada):
    request = SubjectRequest.objects.get()
    assert list(SubjectRequest.objects.open()) == [request]
    with pytest.raises(rights.ReasonMissing):
        rights.refuse(request=request, handler_id=None, reason=" ")
    rights.settle(request=request, handler_id=make.staff().pk, outcome="Sent by mail")
    assert request.settled_at
    with pytest.raises(rights.RequestSettled):
        rights.refuse(request=request, handler_id=None, reason="Too late")


def test_it_finds_overdue_requests(ada):
    late = rights.receive(contact=ada, kind="erasure", received_at=datetime(2024, 1, 1, tzinfo=UTC))
    assert list(SubjectRequest.objects.overdue()) == [late]


def test_it_adds_nothing_to_an_erased_contact(ada):
    rights.erase(contact=ada)
    gone = Contact.objects.get(pk=ada.pk)
    with pytest.raises(contacts.ContactErased):
        contacts.update_contact(contact=gone, first_name="Ada")
    with pytest.raises(contacts.ContactErased):
        contacts.change_address(contact=gone, channel="email", address="ada@example.org")


def test_it_adds_nothing_when_an_erasure_comes_between_reading_and_writing(ada, topic):
    read_before = Contact.objects.get(pk=ada.pk)
    rights.erase(contact=ada)
    left = everything_stored()
    for late in (
        lambda: contacts.update_contact(contact=read_before, email="ada@example.org"),
        lambda: contacts.update_contact(contact=read_before, tags=[Tag.objects.get()]),
        lambda: contacts.change_address(contact=read_before, channel="sms", address="+33612345678"),
        lambda: contacts.take_number(contact=read_before, phone="+33612345678"),
        lambda: rights.receive(contact=read_before, kind="rectification", how="I am Ada Martin"),
        lambda: consent_rights.restrict(contact=read_before),
    ):
        with pytest.raises(contacts.ContactErased):
            late()
    assert everything_stored() == left


def test_it_keeps_no_evidence_of_an_act_that_an_erasure_overtook(ada, topic):
    read_before = Contact.objects.get(pk=ada.pk)
    rights.erase(contact=ada)
    services.withdraw(
        contact=read_before, topic=topic, channel="email", method="stop_page",
        details={"network": "192.0.2.0"},
    )  # fmt: skip
    assert not ConsentEvidence.objects.filter(event__subject=ada.subject).exists()
    assert {permission.state for permission in ada.permissions.all()} == {"erased"}


def test_it_leaves_nothing_of_a_profile(ada):
    contacts.update_contact(contact=ada, lifecycle="advocate", language="fr", timezone="Asia/Tokyo")
    nobody = make.contact("nobody@example.org")
    for person in (ada, nobody):
        rights.erase(contact=person)
        person.refresh_from_db()
    kept = ("language", "lifecycle", "timezone", "attributes", "last_active_at")
    assert [getattr(ada, name) for name in kept] == [getattr(nobody, name) for name in kept]


def test_it_leaves_no_request_waiting_for_an_answer_to_nobody(ada):
    for_erasure = [rights.receive(contact=ada, kind="erasure") for _ in range(2)]
    rights.erase(contact=ada, outcome="Done at once.")
    assert not SubjectRequest.objects.open().exists()
    access = SubjectRequest.objects.get(kind="access")
    assert (access.state, access.how) == ("refused", "")
    assert str(access.outcome) == "The person was erased before this was answered."
    for request in for_erasure:
        request.refresh_from_db()
        assert request.state == "done"
        assert request.manifest["contacts.Identity"] == 1


def test_it_erases_nobody_while_a_hold_stands(ada):
    hold = rights.place_hold(contact=ada, reason=" A claim in court ", placer_id=None)
    with pytest.raises(rights.ErasureHeld):
        rights.erase(contact=ada)
    ada.refresh_from_db()
    assert ada.erased_at is None
    assert rights.export(contact=ada)["contact"]["holds"][0]["reason"] == "A claim in court"
    rights.lift_hold(hold=hold)
    assert rights.erase(contact=ada)["contacts.Hold"] == 1
    hold.refresh_from_db()
    assert hold.reason == "erased"


def test_it_places_one_hold_at_a_time_with_a_reason_and_lifts_it_once(ada):
    with pytest.raises(rights.ReasonMissing):
        rights.place_hold(contact=ada, reason=" ", placer_id=None)
    hold = rights.place_hold(contact=ada, reason="A claim in court", placer_id=None)
    with pytest.raises(rights.HoldStands):
        rights.place_hold(contact=ada, reason="Another", placer_id=None)
    rights.lift_hold(hold=hold)
    with pytest.raises(rights.HoldLifted):
        rights.lift_hold(hold=hold)
    rights.place_hold(contact=ada, reason="Another", placer_id=None)


def test_it_holds_nothing_of_a_person_who_is_erased(ada):
    rights.erase(contact=ada)
    with pytest.raises(contacts.ContactErased):
        rights.place_hold(contact=ada, reason="A claim in court", placer_id=None)


def test_it_erases_again_whom_a_backup_brought_back_with_a_hold(ada):
    journal.note(ada.subject, timezone.now())
    rights.place_hold(contact=ada, reason="A claim in court", placer_id=None)
    call_command("replay_erasures")
    ada.refresh_from_db()
    assert ada.erased_at
