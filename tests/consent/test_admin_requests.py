"""Requests of people in the admin: noted, answered with one press, refused; who may, and who may not."""

import json

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from consent import gate
from contacts import rights
from contacts.models import Contact, Hold, IdentityView, SubjectRequest
from tests import make

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
    asked = rights.receive(contact=ada, kind="access")
    answer = client.post(at("answer", asked.pk))
    assert "attachment" in answer.headers["Content-Disposition"]
    assert "Lovelace" in json.dumps(json.loads(answer.content))
    asked.refresh_from_db()
    assert (asked.state, asked.handler) == ("done", officer)
    assert IdentityView.objects.get().contact == ada


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


@pytest.mark.parametrize(
    ("kind", "reason"), [("restriction", "restricted"), ("objection", "objected")]
)
def test_it_stops_messages(client, officer, ada, kind, reason):
    asked = rights.receive(contact=ada, kind=kind)
    client.post(at("answer", asked.pk), {"outcome": ""})
    decision = gate.explain(contact=ada, topic=make.topic(), channel="email")
    assert not decision.is_allowed
    assert decision.reason in {reason, "suppressed"}


def test_it_refuses_with_a_reason_only(client, officer, ada):
    asked = rights.receive(contact=ada, kind="access")
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
