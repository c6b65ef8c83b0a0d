"""Files of people: by role, with a reason, noted, capped, defused, and with a second person where asked."""

import csv
import io
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from config.models import AuditEntry
from contacts import exports
from contacts.models import Contact, Export, IdentityView, Segment, StaticList
from tests import make

pytestmark = pytest.mark.django_db
ADD = reverse("admin:contacts_export_add")


def at(name: str, asked: Export) -> str:
    return reverse(f"admin:contacts_export_{name}", args=[asked.pk])


@pytest.fixture
def officer(client):
    officer = make.officer()
    client.force_login(officer)
    return officer


@pytest.fixture
def ada():
    return make.contact("ada@example.org", first_name="=cmd|' /C calc'!A0", phone="+33612345678")


def ask(client, **given) -> Export:
    client.post(ADD, {"reason": "Invitations on paper", **given})
    return Export.objects.latest("pk")


def rows_of(answer) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_it_gives_names_and_addresses_defused_and_notes_who_took_them_and_why(client, officer, ada):
    asked = ask(client)
    assert not IdentityView.objects.exists()
    client.get(at("fetch", asked))
    assert not IdentityView.objects.exists()
    [row] = rows_of(client.post(at("fetch", asked)))
    assert row["email"] == "ada@example.org"
    assert row["first name"].startswith("'=")
    assert row["phone"] == "'+33612345678"
    view = IdentityView.objects.get()
    assert (view.staff, view.export, view.people, view.contact) == (officer, asked, 1, None)
    assert view.reason == "Invitations on paper"
    assert AuditEntry.objects.filter(object_type="contacts.identityview", staff=officer).exists()


def test_it_holds_a_segment_without_the_erased_and_the_restricted(client, officer):
    rule = {"condition": "language", "operator": "is", "value": "fr"}
    segment = Segment.objects.create(name="French", rule=rule)
    kept = make.contact("ada@example.org", language="fr")
    make.contact("bo@example.org", language="en")
    restricted = make.contact("cy@example.org", language="fr")
    Contact.objects.filter(pk=restricted.pk).update(restricted_at=timezone.now())
    asked = ask(client, segment=segment.pk)
    assert (asked.people, asked.segment_name) == (1, "French")
    segment.delete()
    [row] = rows_of(client.post(at("fetch", asked)))
    assert row["pseudonym"] == str(kept.subject)


@pytest.mark.parametrize("reason", ["", "  ", "why"])
def test_it_asks_for_a_reason(client, officer, ada, reason):
    assert client.post(ADD, {"reason": reason}).status_code == 200
    assert not Export.objects.exists()


def test_it_says_so_when_these_are_too_many_people(client, officer, ada, settings):
    settings.EXPORT_ROWS = 1
    asked = ask(client)
    make.contact()
    page = client.post(ADD, {"reason": "Invitations on paper"}).content.decode()
    assert "These are 2 people, and one file may hold 1" in page
    answer = client.post(at("fetch", asked), follow=True)
    assert "These are 2 people" in answer.content.decode()
    assert not IdentityView.objects.exists()


def test_it_waits_for_a_second_person_where_the_setting_asks(client, officer, ada, settings):
    settings.EXPORT_NEEDS_SECOND_PERSON = True
    asked = ask(client)
    assert (
        "A second person has to approve"
        in client.post(at("fetch", asked), follow=True).content.decode()
    )
    assert client.post(at("approve", asked)).status_code == 403
    second = Client()
    second.force_login(make.officer("otto"))
    assert second.post(at("fetch", asked)).status_code == 403
    second.post(at("approve", asked))
    assert len(rows_of(client.post(at("fetch", asked)))) == 1


def test_it_ends_an_approval_when_the_list_behind_it_changed(client, officer, ada, settings):
    settings.EXPORT_NEEDS_SECOND_PERSON = True
    guests = StaticList.objects.create(name="Guests")
    guests.contacts.add(ada)
    rule = {"condition": "static_list", "operator": "is", "value": str(guests.pk)}
    asked = exports.ask(
        segment=Segment.objects.create(name="Guests", rule=rule),
        reason="Invitations", staff_id=officer.pk,
    )  # fmt: skip
    exports.approve(export=asked, staff_id=make.officer("otto").pk)
    assert exports.is_approved(asked)
    guests.contacts.add(make.contact())
    assert not exports.is_approved(asked)
    with pytest.raises(exports.NotApproved):
        exports.fetch(export=asked, staff_id=officer.pk, now=timezone.now())


def test_it_lets_nobody_approve_their_own(officer, ada):
    asked = exports.ask(segment=None, reason="Invitations", staff_id=officer.pk)
    for staff_id in (officer.pk, None):
        with pytest.raises(exports.SecondPersonNeeded):
            exports.approve(export=asked, staff_id=staff_id)


def test_it_is_over_after_a_week_and_nobody_elses(officer, ada):
    asked = exports.ask(segment=None, reason="Invitations", staff_id=officer.pk)
    later = timezone.now() + timedelta(days=8)
    with pytest.raises(exports.ExportOver):
        exports.fetch(export=asked, staff_id=officer.pk, now=later)
    with pytest.raises(exports.NotYours):
        exports.fetch(export=asked, staff_id=make.staff("nora").pk, now=timezone.now())


def test_it_refuses_a_segment_that_asks_for_something_gone(client, officer, ada):
    segment = Segment.objects.create(
        name="Old", rule={"condition": "field.gone", "operator": "is", "value": "x"}
    )
    page = client.post(ADD, {"reason": "Invitations on paper", "segment": segment.pk})
    assert "asks for something that is gone" in page.content.decode()


@pytest.mark.parametrize(
    "permissions",
    [
        ["contacts.export_identities"],
        ["contacts.view_identity"],
        ["contacts.view_export", "contacts.approve_export"],
    ],
)
def test_it_gives_nothing_to_those_who_may_not_export_and_see(client, ada, permissions):
    client.force_login(make.permit(make.staff("nora", superuser=False), *permissions))
    assert client.post(ADD, {"reason": "Invitations on paper"}).status_code == 403
    assert not Export.objects.exists()
