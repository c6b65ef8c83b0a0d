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
