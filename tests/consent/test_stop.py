"""The stop link: one click (RFC 8058), the page, and the undo."""

import logging
import uuid

import pytest
from django.test import override_settings

from consent import gate, in_flight, links, services
from consent.budgets import Budget
from consent.models import ConsentEvent, Kind, Method, Suppression
from consent.views import stop
from contacts.models import Channel, Contact
from tests import make
from tests.consent.public import stop_link, stranger

pytestmark = pytest.mark.django_db
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
URLENCODED = "application/x-www-form-urlencoded"


@pytest.fixture
def news():
    make.organization()
    return make.topic()


@pytest.fixture
def ada(news):
    ada = make.contact("ada@example.org")
    make.granted(ada, news)
    return ada


def one_click(token, client=None, **headers):
    return (client or stranger()).post(
        f"/u/{token}/", "List-Unsubscribe=One-Click", content_type=URLENCODED, **headers
    )


def reason(contact, topic):
    return gate.explain(contact=contact, topic=topic, channel=Channel.EMAIL).reason


@pytest.mark.parametrize("encoding", ["urlencoded", "multipart"])
def test_it_stops_by_one_click_as_mail_programs_post_it(ada, news, encoding):
    with override_settings(
        DEBUG=False, SECURE_SSL_REDIRECT=True, PREPEND_WWW=False, ALLOWED_HOSTS=["news.example"]
    ):
        path = f"https://news.example/u/{stop_link(ada, news.key)}/"
        body = (
            {"data": ONE_CLICK}
            if encoding == "multipart"
            else {"data": "List-Unsubscribe=One-Click", "content_type": URLENCODED}
        )
        answer = stranger(accept_language="fr").post(
            path, **body, secure=True, SERVER_NAME="news.example"
        )
    assert answer.status_code == 200
    assert "Location" not in answer
    assert not answer.cookies
    assert answer.content == b"Done: you will get no more of these messages.\n"
    event = ConsentEvent.objects.latest("pk")
    assert (event.kind, event.method, event.topic_id) == (
        Kind.WITHDRAWN,
        Method.ONE_CLICK,
        news.key,
    )
    assert event.evidence.details["message"] == "7"
    assert reason(ada, news) == "withdrawn"


def test_it_stops_only_the_topic_and_channel_of_the_message(ada, news):
    offers = make.topic("offers")
    make.granted(ada, offers)
    one_click(stop_link(ada, news.key))
    assert reason(ada, offers) == ""


@pytest.mark.parametrize("method", ["get", "head", "options", "put", "delete", "patch"])
def test_it_does_nothing_when_it_is_not_a_post(ada, news, method):
    getattr(stranger(), method)(f"/u/{stop_link(ada, news.key)}/")
    assert reason(ada, news) == ""


def test_it_adds_nothing_when_it_is_posted_again(ada, news):
    token = stop_link(ada, news.key)
    first, second = one_click(token), one_click(token)
    assert first.content == second.content
    assert ConsentEvent.objects.filter(kind=Kind.WITHDRAWN).count() == 1


def test_it_answers_known_unknown_and_unreadable_alike(ada, news):
    erased = make.contact("eve@example.org")
    token_of_erased = stop_link(erased, news.key)
    Contact.objects.filter(pk=erased.pk).update(erased_at="2026-01-01T00:00Z")
    nobody = links.stop_token(links.Stop(uuid.uuid4(), b"x" * 32, 1, news.key, Channel.EMAIL))
    answers = [
        one_click(token)
        for token in (stop_link(ada, news.key), token_of_erased, nobody, "unreadable", "a" * 1600)
    ]
    assert len({(a.status_code, a.content, tuple(sorted(a.items()))) for a in answers}) == 1


def test_it_suppresses_the_address_of_a_person_who_was_erased(news):
    eve = make.contact("eve@example.org")
    token = stop_link(eve, news.key)
    fingerprint = bytes(eve.addresses.get().fingerprint)
    Contact.objects.filter(pk=eve.pk).update(erased_at="2026-01-01T00:00Z")
    one_click(token)
    assert bytes(Suppression.objects.get().fingerprint) == fingerprint


def test_it_works_after_the_keys_were_rotated(ada, news, settings):
    token = stop_link(ada, news.key)
    settings.ASSENT_KEYS = {
        ring: keys | {"later": bytes(32)} if ring != "fingerprint" else keys
        for ring, keys in settings.ASSENT_KEYS.items()
    }
    one_click(token)
    assert reason(ada, news) == "withdrawn"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("", URLENCODED),
        ("nonsense", "multipart/form-data; boundary=x"),
        ("x" * 100, "multipart/form-data"),
        ("&".join(f"a{n}=1" for n in range(2000)), URLENCODED),
        ("{}", "application/json"),
    ],
)
def test_it_never_drops_a_withdrawal_for_its_body(ada, news, body, content_type):
    answer = stranger(user_agent="").post(
        f"/u/{stop_link(ada, news.key)}/", body, content_type=content_type
    )
    assert answer.status_code == 200
    assert reason(ada, news) == "withdrawn"


def test_it_is_not_refused_however_often_it_is_used(news):
    people = [make.contact() for _ in range(60)]
    answers = {one_click(stop_link(person, news.key)).status_code for person in people}
    assert answers == {200}
    assert ConsentEvent.objects.filter(kind=Kind.WITHDRAWN).count() == 60


def test_it_shows_a_stranger_the_topic_and_nothing_of_the_person(ada, news):
    page = stranger().get(f"/u/{stop_link(ada, news.key)}/")
    text = page.content.decode()
    assert page.status_code == 200
    assert "Stop “Product news” by email" in text
    assert "Stop everything by email" in text
    assert "ada" not in text.lower().replace("readable", "")
    assert not page.cookies


def test_it_stops_everything_by_the_button_beside_it(ada, news):
    offers = make.topic("offers")
    make.granted(ada, offers)
    stranger().post(
        f"/u/{stop_link(ada, news.key)}/",
        {"page": "1", "stop": "everything", "reason": "never_asked"},
    )
    assert (reason(ada, news), reason(ada, offers)) == ("objected", "objected")
    event = ConsentEvent.objects.latest("pk")
    assert event.evidence.details["reason"] == "never_asked"
    assert event.method == Method.STOP_PAGE


def test_it_keeps_no_reason_that_was_not_offered(ada, news):
    stranger().post(
        f"/u/{stop_link(ada, news.key)}/", {"page": "1", "stop": "topic", "reason": "x" * 999}
    )
    assert "reason" not in ConsentEvent.objects.latest("pk").evidence.details


def test_it_undoes_from_the_page_that_did_it(ada, news):
    answer = stranger().post(f"/u/{stop_link(ada, news.key)}/", {"page": "1", "stop": "topic"})
    undo = answer.context["undo"]
    stranger().get(undo)
    assert reason(ada, news) == "withdrawn"
    assert stranger().post(undo).status_code == 200
    assert reason(ada, news) == ""
    assert stranger().post(undo).status_code == 410


def test_it_offers_no_undo_to_whoever_presses_second(ada, news):
    path = f"/u/{stop_link(ada, news.key)}/"
    stranger().post(path, {"page": "1", "stop": "topic"})
    assert stranger().post(path, {"page": "1", "stop": "topic"}).context["undo"] == ""


def test_it_offers_no_undo_where_nothing_was_permitted(news):
    bo = make.contact()
    path = f"/u/{stop_link(bo, news.key)}/"
    assert stranger().post(path, {"page": "1", "stop": "topic"}).context["undo"] == ""


def test_it_cannot_undo_another_or_a_later_stop(ada, news):
    path = f"/u/{stop_link(ada, news.key)}/"
    undo = stranger().post(path, {"page": "1", "stop": "topic"}).context["undo"]
    stranger().post(path, {"page": "1", "stop": "everything"})
    assert stranger().post(undo).status_code == 410
    assert reason(ada, news)


def test_it_cannot_undo_with_a_stop_link(ada, news):
    token = stop_link(ada, news.key)
    one_click(token)
    assert stranger().post(f"/undo/{token}/").status_code == 404
    assert reason(ada, news) == "withdrawn"


def test_it_says_when_a_message_was_being_handed_over(ada, news, caplog):
    def under_way(contact, topic_id, channel):
        return True

    in_flight.register(under_way)
    try:
        with caplog.at_level(logging.WARNING):
            answer = one_click(stop_link(ada, news.key))
    finally:
        in_flight._questions.remove(under_way)
    assert answer.status_code == 200
    assert b"may still arrive" in answer.content
    assert "in doubt" in caplog.text
    assert reason(ada, news) == "withdrawn"


def test_it_looks_for_hand_overs_after_the_withdrawal_stands(ada, news):
    seen = []

    def under_way(contact, topic_id, channel):
        seen.append((topic_id, channel, reason(contact, news)))
        return False

    in_flight.register(under_way)
    try:
        one_click(stop_link(ada, news.key))
    finally:
        in_flight._questions.remove(under_way)
    assert seen == [(news.pk, "email", "withdrawn")]


def test_it_raises_an_alarm_at_a_burst_and_holds_nothing_back(news, caplog, monkeypatch):
    monkeypatch.setattr(stop, "BURST", Budget("withdrawals", limit=3, window_s=86_400 * 365))
    people = [make.contact() for _ in range(6)]
    with caplog.at_level(logging.ERROR):
        for person in people:
            one_click(stop_link(person, news.key))
    assert caplog.text.count("unusual burst") == 1
    assert ConsentEvent.objects.filter(kind=Kind.WITHDRAWN).count() == 6


def test_it_writes_no_token_to_the_log(ada, news, caplog):
    token = stop_link(ada, news.key)
    with caplog.at_level(logging.DEBUG):
        stranger().get(f"/u/{token[:-1]}/")
        stranger().put(f"/u/{token}/")
        one_click(token)
    assert token[:-1] not in caplog.text


def test_it_withdraws_again_when_the_person_had_come_back(ada, news):
    token = stop_link(ada, news.key)
    one_click(token)
    services.save_preferences(
        contact=ada, choices=[services.Choice(news, Channel.EMAIL, True, make.wording(news))]
    )
    assert reason(ada, news) == ""
    one_click(token)
    assert reason(ada, news) == "withdrawn"


def test_it_stops_everything_again_when_the_person_said_yes_in_between():
    news = make.topic()
    ada = make.contact("ada@example.org")
    for _ in range(3):
        services.request_consent(
            email="ada@example.org", wordings=[make.wording(news)], language="en"
        )
        make.granted(ada, news)
        assert services.is_allowed(contact=ada, topic=news, channel=Channel.EMAIL)
        stranger().post(f"/u/{stop_link(ada, news.key)}/", {"page": "1", "stop": "everything"})
        assert not services.is_allowed(contact=ada, topic=news, channel=Channel.EMAIL)
