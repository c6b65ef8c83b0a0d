"""Contacts over the API: written by those who may, in clear only for those who may view identities."""

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from config.access import tokens
from config.models import AuditEntry
from contacts.models import Contact, Tag
from tests import make

pytestmark = pytest.mark.django_db


def client(*codenames: str, superuser: bool = False) -> APIClient:
    user = make.staff(superuser=superuser)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    made = APIClient()
    made.force_authenticate(user)
    return made


def test_it_creates_a_contact_without_any_permission():
    Tag.objects.create(name="fair")
    answer = client(superuser=True).post(
        "/api/contacts/",
        {"email": "Ada@Example.org", "first_name": "Ada", "language": "fr", "tags": ["fair"]},
        format="json",
    )
    assert answer.status_code == 201
    contact = Contact.objects.get(subject=answer.json()["subject"])
    assert contact.identity.email == "ada@example.org"
    assert not contact.permissions.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"first_name": "Nobody"}, 400),
        ({"email": "not an address"}, 400),
        ({"phone": "12"}, 400),
        ({"email": "ada@example.org"}, 409),
    ],
)
def test_it_refuses_what_reaches_nobody_or_somebody_else(body, status):
    make.contact("ada@example.org")
    answer = client(superuser=True).post("/api/contacts/", body, format="json")
    assert answer.status_code == status
    assert Contact.objects.count() == 1


def test_it_shows_names_and_addresses_in_clear_to_tokens_that_may():
    make.contact("ada@example.org", first_name="Ada")
    owner = make.staff(superuser=True)
    scopes = ["contacts.view_contact", tokens.IDENTITIES]
    _token, secret = tokens.make(owner=owner, purpose="CRM", scopes=scopes)
    answer = APIClient(headers={"Authorization": f"Token {secret}"}).get("/api/contacts/")
    shown = answer.json()["results"][0]
    assert (shown["email"], shown["first_name"]) == ("ada@example.org", "Ada")


def test_it_masks_them_for_a_session_that_gave_no_reason():
    make.contact("ada@example.org", first_name="Ada")
    shown = client("view_contact", "view_identity").get("/api/contacts/").json()["results"][0]
    assert (shown["email"], shown["first_name"]) == ("a***@e***.org", "")
    assert not AuditEntry.objects.filter(action="viewed").exists()


def test_it_masks_them_for_everybody_else():
    make.contact("ada@example.org", first_name="Ada")
    answer = client("view_contact").get("/api/contacts/")
    shown = answer.json()["results"][0]
    assert (shown["email"], shown["first_name"]) == ("a***@e***.org", "")
    assert b"ada@example.org" not in answer.content


def test_it_finds_a_contact_by_address_only_for_those_who_may():
    make.contact("ada@example.org")
    asked = {"email": "ada@example.org"}
    assert client("view_contact").post("/api/contacts/find/", asked).status_code == 403


def test_it_finds_a_contact_by_any_spelling_of_the_address():
    make.contact("ada@example.org")
    make.contact()
    found = client(superuser=True).post("/api/contacts/find/", {"email": "ADA@Example.ORG"})
    assert found.json()["email"] == "a***@e***.org"


def test_it_finds_nobody_at_an_address_that_is_not_known_or_is_none():
    make.contact("ada@example.org", phone="+33612345678")
    ask = client(superuser=True)
    assert ask.post("/api/contacts/find/", {"phone": "+33612345678"}).status_code == 200
    assert ask.post("/api/contacts/find/", {"email": "bo@example.org"}).status_code == 404
    assert ask.post("/api/contacts/find/", {"email": "ada"}).status_code == 400
    assert ask.post("/api/contacts/find/", {}).status_code == 400


def test_it_takes_no_address_in_the_address_of_a_request():
    make.contact("ada@example.org")
    answer = client(superuser=True).get("/api/contacts/?email=ada@example.org")
    assert answer.status_code == 400
    assert "contacts/find/" in str(answer.json())


def test_it_shows_values_of_fields_only_in_clear():
    make.field("city")
    ada = make.contact("ada@example.org", attributes={"city": "Lyon"})
    assert client("view_contact").get("/api/contacts/").json()["results"][0]["attributes"] == {}
    scopes = ["contacts.view_contact", tokens.IDENTITIES]
    _token, secret = tokens.make(owner=make.staff("olga"), purpose="CRM", scopes=scopes)
    told = APIClient(headers={"Authorization": f"Token {secret}"})
    assert told.get(f"/api/contacts/{ada.subject}/").json()["attributes"] == {"city": "Lyon"}


def test_it_keeps_registered_fields_only():
    make.field("city")
    make.field("age", "number")
    desk = client(superuser=True)
    made = desk.post(
        "/api/contacts/",
        {"email": "ada@example.org", "attributes": {"city": "Lyon", "age": "44"}},
        format="json",
    )
    ada = Contact.objects.get(subject=made.json()["subject"])
    assert ada.attributes == {"city": "Lyon", "age": 44}
    page = f"/api/contacts/{ada.subject}/"
    changed = desk.patch(page, {"attributes": {"age": None}}, format="json")
    assert changed.status_code == 200
    refusals: tuple[object, ...] = ({"shoe": 44}, {"age": "old"}, {"age": {}}, [], "Lyon")
    for given in refusals:
        refused = desk.patch(page, {"attributes": given}, format="json")
        assert refused.status_code == 400, given
        assert set(refused.json()) == {"attributes"}
    ada.refresh_from_db()
    assert ada.attributes == {"city": "Lyon"}


def test_it_keeps_no_value_whose_use_the_person_does_not_permit():
    make.topic("remember", use="data", offers_email=False, offers_sms=False)
    make.field("city", topic_key="remember")
    given = {"email": "ada@example.org", "attributes": {"city": "Lyon"}}
    assert client(superuser=True).post("/api/contacts/", given, format="json").status_code == 409
    assert not Contact.objects.exists()


def test_it_changes_an_address_and_keeps_the_old_one_in_history():
    contact = make.contact("ada@example.org")
    answer = client(superuser=True).patch(
        f"/api/contacts/{contact.subject}/", {"email": "ada@example.com"}, format="json"
    )
    assert answer.status_code == 200
    contact.identity.refresh_from_db()
    assert contact.identity.email == "ada@example.com"
    assert contact.addresses.count() == 2


def test_it_deletes_nobody():
    contact = make.contact()
    assert client(superuser=True).delete(f"/api/contacts/{contact.subject}/").status_code == 405


@pytest.mark.parametrize(
    "wrong",
    [{"timezone": "Europe/Pari"}, {"timezone": "a\nb"}, {"language": "=cmd"}, {"language": 0}],
)
def test_it_takes_no_time_zone_or_language_that_there_is_not(wrong):
    known = make.contact()
    api = client(superuser=True)
    for answer in (
        api.post("/api/contacts/", {"email": "ada@example.org"} | wrong, format="json"),
        api.patch(f"/api/contacts/{known.subject}/", wrong, format="json"),
    ):
        assert answer.status_code == 400
    fine = {"timezone": "Europe/Paris", "language": "pt-BR"}
    answer = api.patch(f"/api/contacts/{known.subject}/", fine, format="json")
    assert (answer.json()["timezone"], answer.json()["language"]) == ("Europe/Paris", "pt-BR")


def test_it_refuses_half_of_a_surrogate_pair_wherever_it_stands():
    make.field("city")
    api = client(superuser=True)
    for body in ('{"lifecycle": "\\ud800"}', '{"attributes": {"city": ["\\udfff"]}}'):
        answer = api.post("/api/contacts/", body, content_type="application/json")
        assert answer.status_code == 400
        assert "surrogate" in answer.json()["detail"]
