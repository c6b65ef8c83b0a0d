"""Campaigns by text message: what they say, through the same gate and engine, and what is known of each."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from campaigns import services
from campaigns import texts as campaign_texts
from campaigns.content import ContentError, UnknownName
from campaigns.models import CampaignContent, Delivery, Sender
from consent import in_flight
from consent import services as consent
from consent.models import Suppression
from consent.sms import gsm, short_links
from consent.sms.signature import sign
from contacts import services as contacts
from contacts.models import Channel
from tests import make
from tests.campaigns import engine
from tests.consent.public import stranger, text_link
from tests.gateway import DROP, TOKEN

pytestmark = pytest.mark.django_db(transaction=True)
ADA, BO, CY = "+33612345678", "+33698765432", "+32470123456"


@pytest.fixture
def news():
    make.organization()
    return make.topic()


def reader(topic, number=ADA, **fields):
    contact = contacts.create_contact(phone=number, **fields)
    make.granted(contact, topic, Channel.SMS)
    return contact


def sent(campaign):
    return engine.work(engine.started(campaign))


def delivery_to(contact):
    return Delivery.objects.get(contact=contact)


# What it says


def test_it_says_who_sends_what_and_how_to_stop_it(news, texts):
    ada = reader(news, first_name="Ada")
    body = "Hello {{ first_name | default: 'reader' }}, {{ contact.city }} has “three” new books."
    make.field("city")
    campaign = sent(make.text_campaign(news, body))
    [text] = texts.texts
    url = re.escape("http://localhost:8000/s/")
    pattern = rf'Lumen Books: Hello Ada,  has "three" new books\.\nStop: {url}\w{{17}}'
    assert re.fullmatch(pattern, text["Body"])
    assert (text["To"], text["From"]) == (ADA, "+33700000001")
    assert campaign.state == "sent"
    delivery = delivery_to(ada)
    assert (delivery.state, delivery.provider_id) == ("sent", f"SM{1:032x}")
    assert delivery.event == ada.permissions.get(topic=news, channel="sms").event


def test_it_speaks_each_person_s_language(news, texts):
    reader(news, ADA, language="fr")
    reader(news, BO, language="en")
    campaign = make.text_campaign(news)
    CampaignContent.objects.create(campaign=campaign, language="fr", body="Trois nouveautés.")
    sent(campaign)
    assert "Trois nouveautés.\nStop :" in texts.bodies(ADA)[0]
    assert "Three new books this month.\nStop:" in texts.bodies(BO)[0]


def test_it_puts_the_link_where_the_words_have_it(news, texts):
    reader(news)
    sent(make.text_campaign(news, "New books. No more: {{ unsubscribe_url }} Bye"))
    assert re.search(r"No more: http://\S+/s/\w{17} Bye$", texts.bodies(ADA)[0])
    assert "Stop:" not in texts.bodies(ADA)[0]


@pytest.mark.parametrize(
    "body",
    ["{{ manage_url }}", "{{ view_url }}", "{{ contact.salary }}", "{% include 'x' %}", "{{"],
)
def test_it_refuses_what_a_text_cannot_say(news, body):
    campaign = make.text_campaign(news, body)
    with pytest.raises(ContentError):
        texts_of(campaign).prepare()
    assert any(finding.is_error for finding in services.check_content(campaign=campaign))


def texts_of(campaign):
    made = campaign_texts.letters_of(campaign)
    assert isinstance(made, campaign_texts.Texts)
    return made


def test_it_names_the_link_that_is_too_long_for_a_text(news):
    with pytest.raises(UnknownName, match="manage_url"):
        texts_of(make.text_campaign(news, "Hello\n{{ manage_url }}")).prepare()


def test_it_refuses_a_text_that_no_gateway_takes(news):
    with pytest.raises(ContentError):
        texts_of(make.text_campaign(news, "x" * 1601)).prepare()


@pytest.mark.parametrize(
    ("body", "said", "is_passed"),
    [
        ("Three new books.", "1 SMS, ", True),
        ("x" * 200, "2 SMS, ", False),
        ("Fête à la librairie", "2 SMS, ", False),
    ],
)
def test_it_says_before_the_send_what_is_paid(news, settings, texts, body, said, is_passed):
    campaign = make.text_campaign(news, body)
    rendered = services.preview(campaign=campaign, language="en")
    assert said in rendered.subject
    findings = services.check_content(campaign=campaign)
    [length] = [finding for finding in findings if "SMS," in finding.message]
    assert length.is_passed == is_passed
    assert ("because of ê" in length.message) == ("ê" in body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("Hello {{ contact.first_name }}", "“first_name” has no fallback"),
        ("Hello *|FNAME|*", "“*|FNAME|*” is shown as it stands"),
    ],
)
def test_it_warns_of_a_field_that_says_nothing(news, texts, body, words):
    campaign = make.text_campaign(news, body)
    said = [
        each.message for each in services.check_content(campaign=campaign) if not each.is_passed
    ]
    assert words in "\n".join(said)


def test_it_shows_the_very_text_in_the_preview(news, texts):
    ada = reader(news)
    campaign = make.text_campaign(news)
    seen = services.preview(campaign=campaign, language="en", contact=ada)
    sent(campaign)
    assert gsm.measure(seen.text) == gsm.measure(texts.bodies(ADA)[0])
    assert "<" not in seen.text
    assert "Lumen Books: Three new books" in seen.html


# Before the send


def test_it_is_not_scheduled_without_gateway_sender_or_offer(news, settings):
    settings.SMS_GATEWAY_URL = ""
    Sender.objects.filter(pk=make.sender().pk).update(sms_from="")
    campaign = make.text_campaign(make.topic("by-mail", offers_sms=False))
    with pytest.raises(services.NotReady) as refused:
        services.schedule_campaign(campaign=campaign, send_at=timezone.now(), actor_id=None)
    for words in ("No SMS gateway", "no number or name", "not offered on this channel"):
        assert words in str(refused.value)


def test_it_needs_no_subject_and_a_mail_does(news, texts):
    campaign = make.text_campaign(news)
    assert not [f for f in services.check_content(campaign=campaign) if f.is_error]
    mail = make.campaign(news)
    mail.contents.update(subject="")
    assert "The subject is missing." in [f.message for f in services.check_content(campaign=mail)]


def test_it_sends_no_test_by_text(news):
    with pytest.raises(services.NoTestByText):
        services.send_test(campaign=make.text_campaign(news), language="en", staff=make.staff())


# Whom it reaches


def test_it_reaches_only_who_said_yes_to_texts(news, texts):
    yes = reader(news)
    by_mail = make.contact("bo@example.org", phone=BO)
    make.granted(by_mail, news)
    stopped = reader(news, CY)
    consent.stop_by_answer(number=CY, message_id="SM9")
    sent(make.text_campaign(news))
    assert [text["To"] for text in texts.texts] == [ADA]
    assert delivery_to(yes).state == "sent"
    assert (delivery_to(by_mail).state, delivery_to(by_mail).reason) == ("withheld", "never_asked")
    assert delivery_to(stopped).reason in {"withdrawn", "suppressed"}


def test_it_looks_again_after_the_claim(news, texts):
    ada = reader(news)
    campaign = engine.started(make.text_campaign(news))
    consent.stop_by_answer(number=ADA, message_id="SM9")
    engine.work(campaign)
    assert not texts.texts
    assert delivery_to(ada).state == "withheld"
    assert in_flight.settle(ada, news.pk, Channel.SMS)


def test_it_stops_by_the_link_in_the_text(news, texts):
    ada = reader(news)
    sent(make.text_campaign(news))
    path = text_link(texts.bodies(ADA)[0])
    assert "One press" in stranger().get(path).content.decode()
    assert consent.is_allowed(contact=ada, topic=news, channel=Channel.SMS)
    assert stranger().post(path, {"page": "1", "stop": "topic"}).status_code == 200
    assert not consent.is_allowed(contact=ada, topic=news, channel=Channel.SMS)
    assert Suppression.objects.filter(channel=Channel.SMS).exists()
    event = ada.permissions.get(topic=news, channel="sms").event
    assert event.evidence.details["message"] == str(delivery_to(ada).pk)


def test_it_shows_no_text_as_a_page(news, texts):
    reader(news)
    sent(make.text_campaign(news))
    page, token = short_links.read(text_link(texts.bodies(ADA)[0]).rpartition("/")[2])
    assert page == "stop"
    assert Client().get(f"/c/{token}/").status_code == 404


# What becomes of it


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        ((400, {"code": 21211}), "failed", "refused_by_relay"),
        ((429, {"code": 20429}), "pending", ""),
        ((503, {}), "pending", ""),
        (DROP, "unknown", "no_answer"),
        ((504, {}), "unknown", "no_answer"),
    ],
)
def test_it_settles_each_text_as_the_gateway_says(news, texts, answer, state, reason):
    ada = reader(news)
    texts.answers.append(answer)
    sent(make.text_campaign(news))
    delivery = delivery_to(ada)
    assert (delivery.state, delivery.reason) == (state, reason)
    assert not texts.texts
    assert "612345678" not in delivery.diagnostic


def test_it_sends_once_what_was_put_off(news, texts):
    ada = reader(news)
    texts.answers.append((429, {"code": 20429}))
    campaign = sent(make.text_campaign(news))
    engine.wait_is_over(campaign)
    engine.work(campaign)
    assert len(texts.texts) == 1
    assert delivery_to(ada).state == "sent"


def test_it_pauses_and_burns_nobody_when_the_account_is_refused(news, texts, monkeypatch):
    monkeypatch.setattr("campaigns.delivery.OUTAGE_PATIENCE_S", 0.0)
    for number in (ADA, BO):
        reader(news, number)
    texts.always = (401, {"code": 20003})
    campaign = sent(make.text_campaign(news))
    assert campaign.state == "paused"
    assert "refuses our account or sender" in str(campaign.state_reason)
    assert engine.states(campaign) == {"pending": 2}
    assert set(Delivery.objects.values_list("attempt", flat=True)) == {0}
    texts.always = None
    services.resume_campaign(campaign=campaign)
    engine.work(campaign)
    assert len(texts.texts) == 2


def test_it_writes_to_no_number_of_a_country_that_is_not_served(news, texts, settings):
    belgian = reader(news, CY)
    settings.SMS_COUNTRIES = ["FR"]
    sent(make.text_campaign(news))
    assert not texts.texts
    assert (delivery_to(belgian).state, delivery_to(belgian).reason) == (
        "failed",
        "refused_by_relay",
    )


def test_it_hears_a_stop_that_only_the_provider_knows(news, texts):
    ada = reader(news)
    texts.answers.append((400, {"code": 21610}))
    sent(make.text_campaign(news))
    assert delivery_to(ada).state == "failed"
    assert not consent.is_allowed(contact=ada, topic=news, channel=Channel.SMS)


# What the gateway reports later


def report(delivery, status, *, sid=f"SM{1:032x}", signature=None, **said):
    path = f"/c/sms/{delivery.pk}/"
    form = {"MessageSid": sid, "MessageStatus": status, **said}
    signed = sign(
        f"http://localhost:8000{path}", {name: [value] for name, value in form.items()}, token=TOKEN
    )
    return Client(enforce_csrf_checks=True).post(
        path, form, headers={"X-Twilio-Signature": signed if signature is None else signature}
    )


@pytest.fixture
def texted(news, texts):
    """A delivery that was handed over."""
    ada = reader(news)
    sent(make.text_campaign(news))
    return delivery_to(ada)


@pytest.mark.parametrize(
    ("status", "said", "state"),
    [
        ("delivered", {}, "delivered"),
        ("undelivered", {"ErrorCode": "30003"}, "bounced"),
        ("failed", {"ErrorCode": "30007"}, "failed"),
        ("sent", {}, "sent"),
        ("nonsense", {}, "sent"),
    ],
)
def test_it_settles_what_was_handed_over_by_the_report(texted, status, said, state):
    assert report(texted, status, **said).status_code == 204
    texted.refresh_from_db()
    assert texted.state == state
    assert texted.address.undeliverable_at is None


def test_it_asks_for_reports_at_an_address_of_the_delivery(texted, texts):
    assert texts.texts[0]["StatusCallback"] == f"http://localhost:8000/c/sms/{texted.pk}/"


@pytest.mark.parametrize("code", ["30005", "30006"])
def test_it_writes_no_more_to_a_phone_that_does_not_exist(texted, code):
    report(texted, "undelivered", ErrorCode=code)
    texted.address.refresh_from_db()
    assert texted.address.undeliverable_at


def test_it_keeps_the_last_word_when_reports_come_out_of_order(texted):
    for status in ("delivered", "sent", "queued", "undelivered", "delivered"):
        report(texted, status)
    texted.refresh_from_db()
    assert texted.state == "delivered"


def test_it_believes_no_report_of_another_hand_over(texted):
    report(texted, "undelivered", sid="SMother")
    texted.refresh_from_db()
    assert texted.state == "sent"


@pytest.mark.parametrize("signature", ["", "forged"])
def test_it_believes_no_report_that_is_not_signed(texted, signature):
    assert report(texted, "delivered", signature=signature).status_code == 404
    texted.refresh_from_db()
    assert texted.state == "sent"


@pytest.mark.parametrize(
    ("status", "state"), [("delivered", "delivered"), ("sent", "sent"), ("failed", "failed")]
)
def test_it_settles_what_nobody_knew_by_the_report(news, texts, status, state):
    ada = reader(news)
    texts.answers.append(DROP)
    sent(make.text_campaign(news))
    unknown = delivery_to(ada)
    assert unknown.state == "unknown"
    report(unknown, status, sid="SMlate")
    unknown.refresh_from_db()
    assert (unknown.state, unknown.provider_id) == (state, "SMlate")


def test_it_does_not_send_again_what_has_arrived_meanwhile(news, texts):
    ada = reader(news)
    texts.answers.append(DROP)
    campaign = sent(make.text_campaign(news))
    services.resend_unknown(campaign=campaign)
    report(delivery_to(ada), "delivered", sid="SMlate")
    engine.wait_is_over(campaign)
    engine.work(campaign)
    assert not texts.texts
    assert delivery_to(ada).state == "delivered"


def test_it_waits_in_quiet_hours_as_every_message_does(news, texts):
    ada = reader(news)
    now = timezone.now()
    campaign = make.text_campaign(
        news,
        quiet_from=(now - timedelta(hours=1)).time(),
        quiet_until=(now + timedelta(hours=1)).time(),
    )
    sent(campaign)
    assert not texts.texts
    assert delivery_to(ada).state == "pending"
