"""Requests of people in the admin: noted, answered with one press, refused; who may, and who may not."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from consent import gate, in_flight
from consent import rights as consent_rights
from contacts import rights
from contacts.models import Contact, Hold, IdentityView, Processor, SubjectRequest
from tests import make
from tests.consent.public import manage_link

pytestmark = pytest.mark.django_db


def at(name: str, *args: int) -> str:
    return reverse(f"admin:contacts_subjectrequest_{name}", args=args)


@pytest.fixture
def officer(client):
    staff = make.staff("olga", superuser=False)
    staff.groups.add(Group.objects.get(name="Privacy officer"))
    client.force_login(staff)
    return staff


@pytest.fixture
def ada():
    ada = make.contact("ada@example.org", first_name="Ada", last_name="Lovelace")
    make.granted(ada, make.topic())
    return ada


def test_it_notes_a_request_by_exact_address_with_its_due_date(client, officer, ada):
    page = client.post(
        at("add"), {"person": "ADA@example.org", "kind": "erasure", "how": "By letter."}
    )
    assert page.status_code == 302, page.context_data["errors"]
    asked = SubjectRequest.objects.get()
    assert (asked.contact, asked.kind, asked.state) == (ada, "erasure", "open")
    assert asked.due_at == rights.due(asked.received_at)


def test_it_notes_nothing_for_an_address_that_nobody_has(client, officer):
    page = client.post(at("add"), {"person": "who@example.org", "kind": "erasure"})
    assert "Nobody is known" in page.content.decode()
    assert not SubjectRequest.objects.exists()


def test_it_exports_everything_and_notes_who_looked(client, officer, ada):
    asked = rights.receive(contact=ada, kind="portability")
    assert "attachment" not in client.get(at("answer", asked.pk)).headers.get(
        "Content-Disposition", ""
    )
    answer = client.post(at("answer", asked.pk))
    assert "attachment" in answer.headers["Content-Disposition"]
    assert "Lovelace" in json.dumps(json.loads(answer.content))
    asked.refresh_from_db()
    assert (asked.state, asked.handler) == ("done", officer)
    assert IdentityView.objects.get().contact == ada
    again = client.post(at("answer", asked.pk))
    assert again.content == answer.content or json.loads(again.content)
    assert IdentityView.objects.count() == 2


def test_it_gives_access_as_a_page_in_the_words_of_the_person(client, officer, ada):
    Contact.objects.filter(pk=ada.pk).update(language="fr")
    asked = rights.receive(contact=ada, kind="access")
    page = client.post(at("answer", asked.pk), {"kind": "page"})
    assert page.headers["Content-Type"].startswith("text/html")
    text = page.content.decode()
    assert "Lovelace" in text
    assert "Prénom" in text
    assert "Yes, send me" in text
    other = client.post(at("answer", asked.pk), {"kind": "json"})
    assert json.loads(other.content)["contact"]["identity"]["first_name"] == "Ada"


def test_it_corrects_what_was_wrong_and_leaves_the_rest(client, officer, ada):
    asked = rights.receive(contact=ada, kind="rectification")
    shown = client.get(at("answer", asked.pk)).content.decode()
    assert "Lovelace" not in shown
    assert (
        "at least one thing"
        in client.post(at("answer", asked.pk), {"outcome": ""}).content.decode()
    )
    refused = client.post(at("answer", asked.pk), {"email": "no address"})
    assert "complete email address" in refused.content.decode()
    client.post(at("answer", asked.pk), {"last_name": "King", "outcome": "By letter."})
    ada.refresh_from_db()
    asked.refresh_from_db()
    assert (ada.identity.first_name, ada.identity.last_name) == ("Ada", "King")
    assert (asked.state, asked.outcome) == ("done", "By letter.")


def test_it_says_before_an_erasure_how_much_it_touches_and_that_a_hold_stands(client, officer, ada):
    asked = rights.receive(contact=ada, kind="erasure")
    rights.place_hold(contact=ada, reason="A claim in court", placer_id=officer.pk)
    page = client.get(at("answer", asked.pk)).content.decode()
    assert "Acts of consent" in page
    assert "lift it first" in page
    client.post(at("answer", asked.pk), {"outcome": ""})
    ada.refresh_from_db()
    assert not ada.erased_at


def test_it_says_who_has_to_be_told_and_notes_that_they_were(client, officer, ada):
    Processor.objects.create(
        name="Printshop Dupont",
        service="Prints",
        receives="Names",
        contact="privacy@dupont.example",
    )
    asked = rights.receive(contact=ada, kind="erasure")
    client.post(at("tell", asked.pk))
    asked.refresh_from_db()
    assert asked.processors_told_at is None
    client.post(at("answer", asked.pk), {"outcome": ""})
    page = client.get(at("change", asked.pk)).content.decode()
    assert "Printshop Dupont" in page
    assert at("tell", asked.pk) in page
    client.get(at("tell", asked.pk))
    assert not SubjectRequest.objects.exclude(processors_told_at=None).exists()
    client.post(at("tell", asked.pk))
    assert SubjectRequest.objects.exclude(processors_told_at=None).get() == asked
    assert "Were told on" in client.get(at("change", asked.pk)).content.decode()


def test_it_shows_what_is_overdue_first_and_what_is_settled_last(client, officer, ada):
    settled = rights.receive(contact=ada, kind="access")
    rights.settle(request=settled, handler_id=None)
    now = timezone.now()
    fresh = rights.receive(contact=ada, kind="erasure", received_at=now)
    late = rights.receive(contact=ada, kind="objection", received_at=now - timedelta(days=40))
    page = client.get(at("changelist"))
    assert list(page.context_data["cl"].result_list) == [late, fresh, settled]
    assert "days late" in page.content.decode()
    assert "overdue" in client.get(at("change", late.pk)).content.decode()


def test_it_erases_for_good_and_notes_the_rows(client, officer, ada):
    asked = rights.receive(contact=ada, kind="erasure")
    client.get(at("answer", asked.pk))
    assert Contact.objects.living().filter(pk=ada.pk).exists()
    client.post(at("answer", asked.pk), {"outcome": "As asked."})
    ada.refresh_from_db()
    asked.refresh_from_db()
    assert ada.erased_at
    assert asked.state == "done"
    assert asked.manifest
    page = client.get(reverse("admin:contacts_contact_change", args=[ada.pk]))
    assert page.status_code == 200
    assert "Lovelace" not in page.content.decode()


def test_it_stops_everything_and_waits_for_what_is_on_its_way_before_it_erases(
    client, officer, ada, monkeypatch
):
    """Else what the relay answers afterwards would be kept again."""
    waited = []

    def is_under_way(contact, _topic_id, _channel):
        contact.refresh_from_db()
        if consent_rights.has_objected(contact):
            waited.append(contact.erased_at)
        return len(waited) < 3

    monkeypatch.setattr(in_flight, "_questions", [is_under_way])
    asked = rights.receive(contact=ada, kind="erasure")
    client.post(at("answer", asked.pk))
    assert waited == [None] * 3
    ada.refresh_from_db()
    assert ada.erased_at


def test_it_keeps_no_words_about_somebody_erased_and_says_what_nobody_answers_after(
    client, officer, ada
):
    rights.receive(contact=ada, kind="access")
    asked = rights.receive(contact=ada, kind="erasure")
    page = client.get(at("answer", asked.pk)).content.decode()
    assert "Access" in page
    assert "answer it first" in page
    client.post(at("answer", asked.pk), {"outcome": "Told Ada Lovelace"})
    asked.refresh_from_db()
    assert (asked.state, asked.outcome, asked.handler) == ("done", "", officer)
    assert not SubjectRequest.objects.open().exists()


def test_it_erases_nobody_and_says_so_while_the_journal_cannot_be_written(
    client, officer, ada, settings, tmp_path
):
    (tmp_path / "full").touch()
    settings.ASSENT_JOURNAL = tmp_path / "full" / "journal"
    asked = rights.receive(contact=ada, kind="erasure")
    page = client.post(at("answer", asked.pk), {"outcome": ""}, follow=True)
    assert "The journal of erasures cannot be written" in page.content.decode()
    ada.refresh_from_db()
    asked.refresh_from_db()
    assert ada.erased_at is None
    assert asked.state == "open"


@pytest.mark.parametrize(
    ("kind", "reason"), [("restriction", "restricted"), ("objection", "objected")]
)
def test_it_stops_messages(client, officer, ada, kind, reason):
    asked = rights.receive(contact=ada, kind=kind)
    client.post(at("answer", asked.pk), {"outcome": ""})
    decision = gate.explain(contact=ada, topic=make.topic(), channel="email")
    assert not decision.is_allowed
    assert decision.reason in {reason, "suppressed"}


def test_it_takes_two_more_months_and_tells_the_person_why(client, officer, ada):
    asked = rights.receive(contact=ada, kind="access")
    first_due = asked.due_at
    client.get(at("extend", asked.pk))
    client.post(at("extend", asked.pk), {"reason": ""})
    asked.refresh_from_db()
    assert asked.due_at == first_due
    client.post(at("extend", asked.pk), {"reason": "Paper files, too"})
    asked.refresh_from_db()
    assert asked.due_at > first_due
    page = client.get(at("change", asked.pk)).content.decode()
    assert "Paper files, too" in page
    assert at("extend", asked.pk) not in page
    again = client.post(at("extend", asked.pk), {"reason": "And more"}, follow=True)
    assert "taken once" in again.content.decode()
    told = Client().get(f"/preferences/{manage_link(ada)}/data/").content.decode()
    assert told.count("It takes longer, because: Paper files, too") == 2


def test_it_refuses_with_a_reason_only(client, officer, ada):
    asked = rights.receive(contact=ada, kind="objection")
    assert client.post(at("refuse", asked.pk), {"reason": " "}).status_code == 200
    client.post(at("refuse", asked.pk), {"reason": "Not recognized."})
    asked.refresh_from_db()
    assert (asked.state, asked.outcome) == ("refused", "Not recognized.")
    answer = client.post(at("answer", asked.pk), follow=True)
    assert "answered already" in answer.content.decode()


@pytest.mark.parametrize("role", ["Marketer", "Analyst", "Publisher", "Operator", "Administrator"])
def test_it_shows_requests_to_privacy_officers_only(client, ada, role):
    asked = rights.receive(contact=ada, kind="access")
    staff = make.staff("nora", superuser=False)
    staff.groups.add(Group.objects.get(name=role))
    client.force_login(staff)
    assert client.get(at("changelist")).status_code == 403
    assert client.post(at("answer", asked.pk)).status_code == 403
    assert client.post(at("refuse", asked.pk), {"reason": "No"}).status_code == 403


def test_it_shows_what_is_due_on_the_first_page(client, officer, ada):
    rights.receive(contact=ada, kind="erasure")
    page = client.get(reverse("admin:index"))
    assert [asked.contact for asked in page.context_data["requests"]] == [ada]


# Holds


def test_it_places_a_hold_that_keeps_from_erasure_until_it_is_lifted(client, officer, ada):
    add = reverse("admin:contacts_hold_add")
    filled = {"person": "ada@example.org", "reason": "A claim in court"}
    assert client.post(add, filled).status_code == 302
    hold = Hold.objects.get()
    assert (hold.contact, hold.placer) == (ada, officer)
    assert "stands already" in client.post(add, filled).content.decode()
    asked = rights.receive(contact=ada, kind="erasure")
    page = client.post(at("answer", asked.pk), {"outcome": ""}, follow=True).content.decode()
    assert "may not be erased" in page
    ada.refresh_from_db()
    assert ada.erased_at is None
    lift = reverse("admin:contacts_hold_lift", args=[hold.pk])
    client.get(lift)
    assert Hold.objects.standing().exists()
    client.post(lift)
    assert not Hold.objects.standing().exists()
    client.post(at("answer", asked.pk), {"outcome": ""})
    ada.refresh_from_db()
    assert ada.erased_at


def test_it_places_no_hold_without_a_reason_or_on_nobody(client, officer, ada):
    add = reverse("admin:contacts_hold_add")
    client.post(add, {"person": "ada@example.org", "reason": " "})
    page = client.post(add, {"person": "who@example.org", "reason": "A claim"}).content.decode()
    assert "Nobody is known" in page
    assert not Hold.objects.exists()
