"""Staff sign in at one door: password and second factor, no sign-up, nothing told to strangers."""

import re

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from allauth.mfa.totp.internal.auth import yield_hotp_counters_from_time as counters
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.urls import reverse

from config.access import resetting
from tests import make

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough password"
LOGIN, DESK = "/account/login/", "/admin/"


def code_of(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, next(counters()))))


def sign_in(client: Client, name: str = "olga", password: str = PASSWORD):
    return client.post(LOGIN, {"login": name, "password": password})


@pytest.fixture
def olga() -> User:
    return make.staff("olga")


@pytest.fixture
def secret(olga: User) -> str:
    made: str = generate_totp_secret()
    TOTP.activate(olga, made)
    return made


def test_it_sends_the_desk_to_the_one_door(client):
    assert client.get(DESK, follow=True).redirect_chain[-1] == (f"{LOGIN}?next=%2Fadmin%2F", 302)


@pytest.mark.parametrize("name", ["olga", "olga@lumen.example"])
def test_it_opens_the_desk_to_name_or_address_and_password(client, olga, name):
    assert sign_in(client, name).url == DESK
    assert client.get(DESK).status_code == 200


@pytest.mark.parametrize("name", ["olga", "nobody"])
def test_it_says_the_same_for_a_wrong_password_and_a_wrong_name(client, olga, name):
    answer = sign_in(client, name, "wrong")
    assert answer.status_code == 200
    assert answer.context["form"].non_field_errors() == [
        "The username and/or password you specified are not correct."
    ]


def test_it_makes_no_account_when_a_stranger_signs_up(client):
    form = {"username": "eve", "email": "eve@evil.example", "password1": PASSWORD}
    client.post("/account/signup/", form | {"password2": PASSWORD})
    assert not User.objects.exists()
    assert "signup" not in client.get(LOGIN).content.decode()


def test_it_slows_down_whoever_guesses_passwords_of_one_account(client, olga):
    for _ in range(5):
        sign_in(client, "olga", "wrong")
    assert "Too many failed" in str(sign_in(client).context["form"].errors)


def test_it_counts_guesses_by_the_address_our_own_proxy_saw(client, olga, settings):
    settings.TRUSTED_PROXIES = 1
    for number in range(10):
        client.post(
            LOGIN,
            {"login": f"user{number}", "password": "wrong"},
            headers={"x-forwarded-for": f"198.51.100.{number}, 203.0.113.7"},
        )
    refused = client.post(
        LOGIN,
        {"login": "olga", "password": PASSWORD},
        headers={"x-forwarded-for": "192.0.2.1, 203.0.113.7"},
    )
    assert "Too many failed" in str(refused.context["form"].errors)


# Second factor


def test_it_asks_for_the_code_when_an_app_is_set_up(client, olga, secret):
    assert sign_in(client).url == reverse("mfa_authenticate")
    assert client.get(DESK).status_code == 302
    assert client.post(reverse("mfa_authenticate"), {"code": "000000"}).status_code == 200
    assert client.get(DESK).status_code == 302
    assert client.post(reverse("mfa_authenticate"), {"code": code_of(secret)}).url == DESK
    assert client.get(DESK).status_code == 200


def test_it_takes_a_recovery_code_once(client, olga, secret):
    code = RecoveryCodes.activate(olga).get_unused_codes()[0]
    sign_in(client)
    assert client.post(reverse("mfa_authenticate"), {"code": code}).url == DESK
    client.logout()
    sign_in(client)
    assert client.post(reverse("mfa_authenticate"), {"code": code}).status_code == 200


def test_it_takes_a_code_of_the_app_only_once(client, olga, secret):
    code = code_of(secret)
    sign_in(client)
    client.post(reverse("mfa_authenticate"), {"code": code})
    other = Client()
    sign_in(other)
    assert other.post(reverse("mfa_authenticate"), {"code": code}).status_code == 200


def test_it_keeps_the_secrets_of_second_factors_encrypted(olga, secret):
    stored = Authenticator.objects.get(user=olga, type=Authenticator.Type.TOTP).data["secret"]
    assert secret not in stored
    assert get_adapter().decrypt(stored) == secret


def test_it_keeps_the_desk_and_the_api_shut_when_a_second_factor_is_required(
    client, olga, settings
):
    settings.STAFF_MFA_REQUIRED = True
    sign_in(client)
    assert client.get(DESK).url == reverse("mfa_index")
    assert client.get("/api/contacts/").status_code == 403
    assert client.get(reverse("mfa_index")).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_it_opens_the_desk_when_the_required_app_was_set_up(client, olga, settings):
    settings.STAFF_MFA_REQUIRED = True
    sign_in(client)
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    page = client.get(reverse("mfa_activate_totp"))
    secret = page.context["form"].secret
    client.post(reverse("mfa_activate_totp"), {"code": code_of(secret)})
    assert client.get(DESK).status_code == 200


def test_it_keeps_an_older_session_out_when_the_factor_was_set_up_elsewhere(client, olga, settings):
    sign_in(client)
    settings.STAFF_MFA_REQUIRED = True
    TOTP.activate(olga, generate_totp_secret())
    assert client.get(DESK).url.startswith(reverse("mfa_reauthenticate"))


def test_it_asks_for_the_password_again_before_a_second_factor_is_changed(client, olga):
    client.force_login(olga)
    assert client.get(reverse("mfa_activate_totp")).url.startswith(
        reverse("account_reauthenticate")
    )
    add_key = client.get(reverse("mfa_add_webauthn"))
    assert add_key.url.startswith(reverse("account_reauthenticate"))


def test_it_offers_a_security_key(client, olga):
    sign_in(client)
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    page = client.get(reverse("mfa_add_webauthn"))
    options = page.context["js_data"]["creation_options"]["publicKey"]
    assert options["rp"] == {"id": "testserver", "name": "Assent"}


# Password reset


def reset_link(user: User) -> str:
    resetting.send_link(user_id=user.pk, language="en")
    return str(re.findall(r"https?://\S+", str(mail.outbox[-1].body))[0])


def set_password(link: str, password: str = "another long password") -> None:
    visitor = Client()
    form = visitor.get(re.sub(r"^https?://[^/]+", "", link)).headers["Location"]
    visitor.post(form, {"password1": password, "password2": password})


def test_it_answers_a_reset_the_same_for_known_and_unknown_addresses(client, olga):
    answers = [
        client.post(reverse("account_reset_password"), {"email": email}, follow=True)
        for email in ("olga@lumen.example", "nobody@lumen.example")
    ]
    known, unknown = (
        re.sub(r'csrfmiddlewaretoken" value="\w+"', "", answer.content.decode())
        for answer in answers
    )
    assert known == unknown
    assert not mail.outbox  # a worker writes to those who are known; nobody waits for it


def test_it_mails_a_link_on_our_own_address_when_a_worker_comes_to_it(olga, settings):
    settings.PUBLIC_URL = "https://news.lumen.example"
    assert reset_link(olga).startswith("https://news.lumen.example/account/password/reset/key/")
    assert mail.outbox[-1].to == ["olga@lumen.example"]


def test_it_mails_nothing_when_nobody_is_known_or_active(olga):
    User.objects.update(is_active=False)
    resetting.send_link(user_id=olga.pk, language="en")
    resetting.send_link(user_id=0, language="en")
    assert not mail.outbox


def test_it_ends_every_session_when_the_password_is_reset(client, olga):
    sign_in(client)
    set_password(reset_link(olga))
    assert client.get(DESK).status_code == 302
    assert sign_in(client, password="another long password").url == DESK


def test_it_ends_other_sessions_when_the_password_is_changed(client, olga):
    other = Client()
    sign_in(client)
    sign_in(other)
    new = "another long password"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    client.post(reverse("account_change_password"), form)
    assert other.get(DESK).status_code == 302
    assert sign_in(other, password=new).url == DESK


def test_it_asks_for_the_code_although_the_password_was_reset(client, olga, secret):
    set_password(reset_link(olga))
    assert sign_in(client, password="another long password").url == reverse("mfa_authenticate")


def test_it_uses_a_reset_link_once(olga):
    link = reset_link(olga)
    set_password(link)
    again = Client().get(re.sub(r"^https?://[^/]+", "", link))
    assert again.context["token_fail"]


def test_it_stops_whoever_is_no_longer_active(client, olga):
    sign_in(client)
    User.objects.update(is_active=False)
    assert client.get(DESK).status_code == 302


def test_it_mails_the_confirmation_of_an_address_on_our_own_address(client, olga, settings):
    settings.PUBLIC_URL = "https://news.lumen.example"
    EmailAddress.objects.update(verified=False)
    sign_in(client)
    client.post(reverse("account_email"), {"action_send": "", "email": olga.email})
    assert "https://news.lumen.example/account/confirm-email/" in mail.outbox[-1].body
