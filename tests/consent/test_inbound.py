"""Answers to text messages: STOP is heard from everybody, and from nobody but the gateway."""

import logging

import pytest

from consent import gate, services
from consent.models import ConsentEvent, InboundText, Kind, Method, Suppression
from consent.sms import keywords
from consent.sms.signature import sign
from contacts import addresses
from contacts import services as contacts
from contacts.models import Channel
from tests import make
from tests.consent.public import stranger
from tests.gateway import TOKEN

pytestmark = pytest.mark.django_db
ADA = "+33612345678"
URL = "http://localhost:8000/sms/inbound/"


@pytest.fixture(autouse=True)
def _signed(settings):
    settings.SMS_AUTH_TOKEN = TOKEN


def answer(body, number=ADA, sid="SM1", signature=None):
    form = {"From": number, "To": "+33700000000", "Body": body, "MessageSid": sid}
    signed = sign(URL, {name: [value] for name, value in form.items()}, token=TOKEN)
    client = stranger(x_twilio_signature=signed if signature is None else signature)
    return client.post("/sms/inbound/", form)


def reason(contact, topic):
    return gate.explain(contact=contact, topic=topic, channel=Channel.SMS).reason


@pytest.mark.parametrize(
    "body",
    ["STOP", "stop", " Stop. ", "ARRÊT", "Arret svp", "STOP!!", "Stop merci", "opt-out",
     "Unsubscribe", "Désabonner", "FIN", "end", "\uff33\uff34\uff2f\uff30",
     "STOP 36111", "Stop it now please"],
)  # fmt: skip
def test_it_hears_a_stop_in_whatever_form(body):
    assert keywords.says_stop(body)


@pytest.mark.parametrize(
    "body", ["", "Merci", "At the end I liked it", "non merci beaucoup", "👍", "Start"]
)
def test_it_hears_no_stop_where_none_was_said(body):
    assert not keywords.says_stop(body)


def test_it_stops_every_topic_by_text_and_nothing_else():
    news, offers = make.topic(), make.topic("offers")
    ada = make.contact("ada@example.org", phone=ADA)
    for topic in (news, offers):
        make.granted(ada, topic, Channel.SMS)
        make.granted(ada, topic)
    response = answer("STOP")
    assert (response.status_code, response["Content-Type"]) == (200, "text/xml; charset=utf-8")
    assert response.content.endswith(b"<Response/>")
    assert reason(ada, news) == reason(ada, offers) == "withdrawn"
    assert services.is_allowed(contact=ada, topic=news, channel=Channel.EMAIL)
    event = ConsentEvent.objects.get(kind=Kind.WITHDRAWN)
    assert (event.method, event.channel, event.topic) == (Method.KEYWORD, "sms", None)


def test_it_stops_a_number_that_nobody_knows():
    answer("ARRÊT")
    stopped = Suppression.objects.get()
    assert bytes(stopped.fingerprint) == addresses.fingerprint(ADA)
    later = contacts.create_contact(phone=ADA)
    make.given_elsewhere(later, make.topic(), Channel.SMS)
    assert reason(later, make.topic()) == "suppressed"


def test_it_hears_every_stop_when_the_gateway_names_none():
    ada = make.contact("ada@example.org", phone=ADA)
    bo = make.contact("bo@example.org", phone="+33612345679")
    for person in (ada, bo):
        make.granted(person, make.topic(), Channel.SMS)
    answer("STOP", sid="")
    answer("STOP", number="+33612345679", sid="")
    assert reason(ada, make.topic()) == reason(bo, make.topic()) == "withdrawn"


def say_yes(contact, topic):
    services.request_consent(phone=ADA, wordings=[make.wording(topic, Channel.SMS)], language="en")
    make.granted(contact, topic, Channel.SMS)
    assert reason(contact, topic) == ""


def test_it_hears_each_answer_once(texts):
    news = make.topic()
    ada = contacts.create_contact(phone=ADA)
    make.granted(ada, news, Channel.SMS)
    answer("STOP")
    say_yes(ada, news)
    answer("STOP")
    assert reason(ada, news) == ""
    assert InboundText.objects.count() == 1


def test_it_hears_a_second_stop_after_a_second_yes(texts):
    news = make.topic()
    ada = contacts.create_contact(phone=ADA)
    for number in range(3):
        say_yes(ada, news)
        answer("STOP", sid=f"SM{number}")
        assert reason(ada, news) in {"withdrawn", "suppressed"}


def test_it_keeps_nothing_of_what_else_is_said(caplog):
    with caplog.at_level(logging.DEBUG):
        assert answer("Merci, à bientôt").status_code == 200
    assert not InboundText.objects.exists()
    assert not ConsentEvent.objects.exists()
    assert "612345678" not in caplog.text


@pytest.mark.parametrize("signature", ["", "forged", "é"])
def test_it_believes_nobody_but_the_gateway(signature):
    response = answer("STOP", signature=signature)
    assert response.status_code == 404
    assert response.content == stranger().get("/u/x/").content
    assert not Suppression.objects.exists()


def test_it_believes_nobody_when_no_gateway_is_configured(settings):
    settings.SMS_AUTH_TOKEN = ""
    assert answer("STOP").status_code == 404
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("number", ["", "Lumen", "12"])
def test_it_answers_alike_when_a_stop_comes_from_no_number(number):
    assert answer("STOP", number=number).status_code == 200
    assert not Suppression.objects.exists()
