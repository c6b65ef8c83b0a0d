"""The proof of work that a much used sign-up asks for."""

import hashlib
import itertools

import pytest

from consent import work
from consent.budgets import Budget
from consent.models import ConsentEvent
from consent.views import sign_up
from contacts.models import Contact
from tests import make
from tests.consent.public import stamp, stranger


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(work, "BITS", 4)


def solve(challenge, *, right=True):
    for number in itertools.count():
        answer = f"{challenge}:{number}"
        if (hashlib.sha256(answer.encode()).digest()[0] >> 4 == 0) == right:
            return answer
    raise AssertionError


def test_it_takes_work_once():
    answer = solve(work.challenge())
    assert work.is_done(answer)
    assert not work.is_done(answer)


@pytest.mark.parametrize("answer", ["", ":", "x:1", "a:b:c:1", "\x00", "é:1"])
def test_it_takes_no_work_of_another_challenge(answer):
    assert not work.is_done(answer)


def test_it_takes_no_wrong_and_no_strange_answer():
    challenge = work.challenge()
    assert not work.is_done(solve(challenge, right=False))
    assert not work.is_done(f"{challenge}:²")
    assert not work.is_done(f"{challenge}:{'1' * 13}")


def test_it_takes_no_old_work(monkeypatch):
    answer = solve(work.challenge())
    monkeypatch.setattr(work, "LIFETIME_S", -1)
    assert not work.is_done(answer)


@pytest.mark.django_db
def test_it_lets_whoever_did_the_work_sign_up_past_the_budget(monkeypatch):
    monkeypatch.setattr(sign_up, "FROM_OUR_PAGE", Budget("none", limit=0, window_s=3600))
    make.organization()
    wording = make.wording(make.topic())
    form = {"email": "ada@example.org", "yes": wording.digest, "stamp": stamp()}
    asked = stranger().post("/join/", form)
    assert asked.status_code == 429
    assert "script-src 'self'" in asked["Content-Security-Policy"]
    assert "checked" in asked.content.decode()
    assert not Contact.objects.exists()
    answer = stranger().post("/join/", form | {"work": solve(asked.context["challenge"])})
    assert answer.status_code == 200
    assert "script-src" not in answer["Content-Security-Policy"]
    assert ConsentEvent.objects.count() == 1


@pytest.mark.django_db
def test_it_asks_everybody_for_work_and_raises_an_alarm_when_too_many_sign_up(monkeypatch, caplog):
    monkeypatch.setattr(sign_up, "EVERYWHERE", Budget("all", limit=2, window_s=86_400))
    make.organization()
    wording = make.wording(make.topic())
    statuses = [
        stranger()
        .post("/join/", {"email": f"p{n}@example.org", "yes": wording.digest, "stamp": stamp()})
        .status_code
        for n in range(4)
    ]
    assert statuses == [200, 200, 429, 429]
    assert caplog.text.count("every form now asks for work") == 1


@pytest.mark.django_db
def test_it_takes_a_browser_without_scripts_into_a_slower_budget(monkeypatch):
    monkeypatch.setattr(sign_up, "FROM_OUR_PAGE", Budget("none", limit=0, window_s=3600))
    monkeypatch.setattr(sign_up, "WITHOUT_SCRIPTS", Budget("few", limit=2, window_s=86_400))
    make.organization()
    wording = make.wording(make.topic())
    form = {"yes": wording.digest, "stamp": stamp()}

    def press_twice(name):
        typed = form | {"email": f"{name}@example.org"}
        asked = stranger().post("/join/", typed)
        assert asked.status_code == 429
        sent_back = typed | {"work": asked.context["challenge"]}
        return [stranger().post("/join/", sent_back).status_code for _ in range(2)]

    assert [press_twice(name) for name in ("ada", "bo", "cy")] == [
        [200, 429],
        [200, 429],
        [429, 429],
    ]
    assert Contact.objects.count() == 2


def test_it_takes_no_challenge_of_another_for_one_that_was_shown(monkeypatch):
    shown = work.challenge()
    assert not work.is_only_shown("")
    assert not work.is_only_shown(f"{shown}x")
    assert not work.is_only_shown(solve(shown))
    assert work.is_only_shown(shown)
    assert not work.is_only_shown(shown)
    monkeypatch.setattr(work, "LIFETIME_S", -1)
    assert not work.is_only_shown(work.challenge())
