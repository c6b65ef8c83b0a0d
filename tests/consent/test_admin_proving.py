"""Proofs and receipts on the desk: asked for with a reason, noted, as of any moment."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from consent import sealing
from contacts.models import IdentityView
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def officer(client):
    officer = make.officer()
    client.force_login(officer)
    return officer


@pytest.fixture
def ada():
    make.organization()
    ada = make.contact("ada@example.org", first_name="Ada")
    make.granted(ada, make.topic())
    sealing.seal()
    return ada


def at(contact) -> str:
    return reverse("admin:consent_consentevent_prove", args=[contact.pk])


def ask(**changed: str) -> dict[str, str]:
    return {
        "about": "product-news:email",
        "at": (timezone.now() + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M"),
        "kind": "page",
        "reason": "The authority asked",
    } | changed


def test_it_prints_the_proof_and_notes_for_whom_and_why(client, officer, ada):
    client.get(at(ada))
    assert not IdentityView.objects.exists()
    page = client.post(at(ada), ask())
    text = page.content.decode()
    assert "Permission was in force" in text
    assert "Yes, send me" in text
    assert "Signed checkpoint" in text
    view = IdentityView.objects.get()
    assert (view.staff, view.contact, view.reason) == (officer, ada, "The authority asked")


def test_it_proves_as_of_the_moment_that_is_asked(client, officer, ada):
    given = ada.permissions.get(topic__isnull=False).event
    before = given.recorded_at - timedelta(minutes=2)
    answer = client.post(at(ada), ask(kind="proof", at=before.strftime("%Y-%m-%dT%H:%M")))
    assert json.loads(answer.content)["answer"]["in_force"] is False
    answer = client.post(at(ada), ask(kind="proof"))
    assert "attachment" in answer.headers["Content-Disposition"]
    assert json.loads(answer.content)["acts"][0]["proof"]["position"] == 0


def test_it_gives_receipts(client, officer, ada):
    receipt = json.loads(client.post(at(ada), ask(kind="receipt")).content)
    assert receipt["version"].startswith("KI-CR")
    history = json.loads(client.post(at(ada), ask(kind="history")).content)
    assert "@context" in history


def test_it_says_why_there_is_no_receipt(client, officer, ada):
    make.withdrawn(ada, make.topic())
    page = client.post(at(ada), ask(kind="receipt"))
    assert page.status_code == 200
    assert page.context_data["form"].non_field_errors()
    assert not IdentityView.objects.exists()


@pytest.mark.parametrize(
    "changed",
    [{"reason": ""}, {"at": "yesterday"}, {"about": "other:email"}, {"kind": "x"}],
)
def test_it_gives_nothing_when_the_question_is_not_whole(client, officer, ada, changed):
    page = client.post(at(ada), ask(**changed))
    assert page.context_data["form"].errors
    assert not IdentityView.objects.exists()


def test_it_is_reached_from_the_page_of_the_person_and_from_a_moment(client, officer, ada):
    person = reverse("admin:contacts_contact_change", args=[ada.pk])
    assert f"{at(ada)}?about=product-news%3Aemail" in client.get(person).content.decode()
    shown = client.get(person, {"as_of": "2099-01-01T00:00"}).content.decode()
    assert f"{at(ada)}?about=product-news:email&amp;at=2099-01-01T00:00" in shown
    form = client.get(at(ada), {"about": "product-news:email", "at": "2099-01-01T00:00"})
    assert 'value="2099-01-01T00:00"' in form.content.decode()


def test_it_goes_from_an_event_to_its_person(client, officer, ada):
    event = ada.permissions.get(topic__isnull=False).event
    answer = client.get(reverse("admin:consent_consentevent_go_to_person", args=[event.pk]))
    assert answer.headers["Location"] == reverse("admin:contacts_contact_change", args=[ada.pk])


def test_it_proves_nothing_to_those_who_may_not_see_evidence(client, ada):
    client.force_login(
        make.permit(
            make.staff("nora", superuser=False),
            "consent.view_consentevent",
            "contacts.view_contact",
        )
    )
    assert client.get(at(ada)).status_code == 403
    assert client.post(at(ada), ask()).status_code == 403
    person = reverse("admin:contacts_contact_change", args=[ada.pk])
    assert at(ada) not in client.get(person).content.decode()


def test_it_finds_events_by_a_short_pseudonym_of_digits(client, officer):
    subject = "12345678-9abc-4def-8123-456789abcdef"
    ada = make.contact()
    type(ada).objects.filter(pk=ada.pk).update(subject=subject)
    ada.refresh_from_db()
    event = make.granted(ada, make.topic())
    events = reverse("admin:consent_consentevent_changelist")
    for term in ("12345678", subject, subject.upper(), f" {subject[:13]} "):
        found = client.get(events, {"q": term}).context_data["cl"].result_list
        assert [row.pk for row in found] == [event.pk], term
