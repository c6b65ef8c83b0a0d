"""The API describes itself completely, and its documentation loads nothing from elsewhere."""

import io

import pytest
from django.core.management import call_command
from django.test import Client

from tests import make


def test_it_describes_every_endpoint_without_a_warning():
    described = io.StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=described)
    for path in ("contacts", "topics", "permissions/give", "campaigns/{id}/schedule", "deliveries"):
        assert f"/api/{path}/" in described.getvalue()


@pytest.mark.django_db
def test_it_shows_the_documentation_to_staff_from_its_own_files():
    client = Client()
    client.force_login(make.staff())
    page = client.get("/api/docs/").content.decode()
    assert "/static/drf_spectacular_sidecar/" in page
    assert "https://" not in page


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["docs", "schema"])
def test_it_shows_strangers_nothing(path):
    assert Client().get(f"/api/{path}/").status_code == 401


@pytest.mark.django_db
def test_it_exchanges_a_password_for_a_token_that_opens_the_api():
    make.staff()
    answer = Client().post(
        "/api/token/", {"username": "marketer", "password": "a long enough password"}
    )
    client = Client(headers={"Authorization": f"Token {answer.json()['token']}"})
    assert client.get("/api/contacts/").status_code == 200


@pytest.mark.django_db
def test_it_gives_no_token_for_a_wrong_password_and_few_tries():
    make.staff()
    wrong = {"username": "marketer", "password": "a guess"}
    answers = [Client().post("/api/token/", wrong).status_code for _ in range(12)]
    assert set(answers[:5]) == {400}
    assert set(answers[5:]) == {429}
