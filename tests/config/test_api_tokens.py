"""Tokens of the API: shown once, kept hashed, scoped, over at their date and with the password."""

from datetime import timedelta

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from config.access import tokens
from config.models import ApiToken
from tests import make
from tests.config.test_staff_login import code_of

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough password"
CONTACTS = "contacts.view_contact"


def with_token(secret: str) -> Client:
    return Client(headers={"Authorization": f"Token {secret}"})


def ask(**fields):
    known = {"username": "olga", "password": PASSWORD} | fields
    return Client().post("/api/token/", known, content_type="application/json")


@pytest.fixture
def olga() -> User:
    return make.staff("olga")


def test_it_gives_a_token_that_opens_the_api(olga):
    made = ask().json()
    assert with_token(made["token"]).get("/api/contacts/").status_code == 200
    assert tokens.IDENTITIES not in made["scopes"]


@pytest.mark.parametrize("name", ["olga", "nobody"])
def test_it_says_the_same_for_a_wrong_password_and_a_wrong_name(olga, name):
    answer = ask(username=name, password="a guess")
    assert (answer.status_code, answer.json()) == (400, ["This name and password open nothing."])


def test_it_gives_no_token_to_who_is_no_staff(olga):
    User.objects.update(is_staff=False)
    assert ask().status_code == 400


def test_it_slows_down_whoever_guesses_passwords(olga):
    assert [ask(password="a guess").status_code for _ in range(6)] == [400] * 5 + [429]


def test_it_asks_for_the_code_when_an_app_is_set_up(olga):
    secret = generate_totp_secret()
    TOTP.activate(olga, secret)
    assert ask().status_code == 400
    assert ask(code="000000").status_code == 400
    assert ask(code=code_of(secret)).status_code == 200


def test_it_gives_no_token_by_password_alone_when_a_second_factor_is_required(olga, settings):
    settings.STAFF_MFA_REQUIRED = True
    assert ask().status_code == 403


def test_it_keeps_only_the_hash(olga):
    token, secret = tokens.make(owner=olga, purpose="CRM")
    token.refresh_from_db()
    kept = [str(value) for value in vars(token).values()]
    assert not any(secret.rpartition("_")[2] in value for value in kept)


def test_it_opens_only_what_its_scopes_name(olga):
    _token, secret = tokens.make(owner=olga, purpose="CRM", scopes=[CONTACTS])
    client = with_token(secret)
    assert client.get("/api/contacts/").status_code == 200
    assert client.get("/api/campaigns/").status_code == 403
    assert client.post("/api/contacts/", {"email": "ada@example.org"}).status_code == 403


def test_it_masks_people_when_identities_are_not_in_its_scopes(olga):
    make.contact("ada@example.org")
    for scopes, shown in (
        ([CONTACTS], "a***@e***.org"),
        ([CONTACTS, tokens.IDENTITIES], "ada@example.org"),
    ):
        _token, secret = tokens.make(owner=olga, purpose="CRM", scopes=scopes)
        listed = with_token(secret).get("/api/contacts/").json()["results"]
        assert [contact["email"] for contact in listed] == [shown]


def test_it_may_no_more_than_its_owner_when_the_owner_loses_a_role():
    marketer = make.staff("mia", superuser=False)
    marketer.groups.set([Group.objects.get(name="Marketer")])
    _token, secret = tokens.make(owner=marketer, purpose="CRM", scopes=[CONTACTS])
    assert with_token(secret).get("/api/contacts/").status_code == 200
    marketer.groups.clear()
    assert with_token(secret).get("/api/contacts/").status_code == 403


def test_it_names_no_scope_that_the_owner_does_not_hold():
    marketer = make.staff("mia", superuser=False)
    with pytest.raises(tokens.ScopeNotHeld):
        tokens.make(owner=marketer, purpose="CRM", scopes=[tokens.IDENTITIES])


@pytest.mark.parametrize("days", [0, 366])
def test_it_lives_at_most_a_year(olga, days):
    with pytest.raises(tokens.LifetimeNotPossible):
        tokens.make(owner=olga, purpose="CRM", days=days)


def test_it_opens_nothing_after_its_date(olga):
    _token, secret = tokens.make(owner=olga, purpose="CRM")
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert with_token(secret).get("/api/contacts/").status_code == 401


def test_it_opens_nothing_after_it_was_ended(olga):
    token, secret = tokens.make(owner=olga, purpose="CRM")
    tokens.end(token=token)
    assert with_token(secret).get("/api/contacts/").status_code == 401


def test_it_ends_with_the_password(olga):
    _token, secret = tokens.make(owner=olga, purpose="CRM")
    olga.set_password("another long password")
    olga.save(update_fields=["password"])
    assert with_token(secret).get("/api/contacts/").status_code == 401


@pytest.mark.parametrize("gone", ["is_active", "is_staff"])
def test_it_ends_with_the_account(olga, gone):
    _token, secret = tokens.make(owner=olga, purpose="CRM")
    User.objects.update(**{gone: False})
    assert with_token(secret).get("/api/contacts/").status_code == 401


def test_it_opens_nothing_when_it_is_altered(olga):
    _token, secret = tokens.make(owner=olga, purpose="CRM")
    for altered in (
        secret[:-1],
        secret + "A",
        secret.replace("assent_", "assent_0"),
        "x",
        "a_b_c",
        "é",
    ):
        assert with_token(altered).get("/api/contacts/").status_code == 401


def test_it_stands_when_the_secret_key_was_rotated(olga, settings):
    _token, secret = tokens.make(owner=olga, purpose="CRM")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    assert with_token(secret).get("/api/contacts/").status_code == 200
