"""Signing up by phone: one text, one button, and budgets that leave nothing to earn."""

import logging
import re
from datetime import timedelta

import pytest
import redis
from django.db.models import F
from django.utils import timezone

from consent import budgets, gate, links, services
from consent.models import (
    ConsentEvent,
    Kind,
    Method,
    Permission,
    ServiceMail,
    ShortLink,
    Suppression,
)
from consent.sms import gsm, service_texts, short_links, texting
from contacts import rights
from contacts import services as contacts
from contacts.models import Address, Channel, Contact
from tests import make
from tests.consent.public import mailed, manage_link, stamp, stop_link, stranger, texted
from tests.gateway import DROP

pytestmark = pytest.mark.django_db
ADA = "+33612345678"
BO = "+33698765432"


@pytest.fixture
def news():
    make.organization()
    return make.topic()


def fill(*wordings, **fields):
    return {
        "yes": [wording.digest for wording in wordings],
        "stamp": stamp(),
        "website": "",
    } | fields


def sign_up(topic, number="06 12 34 56 78", **fields):
    return stranger().post("/join/", fill(make.wording(topic, Channel.SMS), phone=number, **fields))


def person(number=ADA):
    return contacts.find_contact(channel=Channel.SMS, address=number)


def reason(contact, topic):
    return gate.explain(contact=contact, topic=topic, channel=Channel.SMS).reason


# Asking


def test_it_offers_text_messages_only_when_there_is_a_gateway(news, texts, settings):
    by_text = make.wording(news, Channel.SMS)
    make.wording(news)
    for path in ("/join/", "/join/embed/"):
        assert by_text.digest in stranger().get(path).content.decode()
    settings.SMS_GATEWAY_URL = ""
    for path in ("/join/", "/join/embed/"):
        page = stranger().get(path).content.decode()
        assert by_text.digest not in page
        assert "Mobile number" not in page
    sign_up(news)
    assert not ConsentEvent.objects.exists()


def test_it_asks_the_number_to_confirm_and_needs_no_address(news, texts):
    answer = sign_up(news)
    assert "Look at your phone" in answer.content.decode()
    ada = person()
    assert (ada.identity.phone, ada.identity.email) == (ADA, "")
    assert reason(ada, news) == "pending"
    [link] = texted(texts, to=ADA)
    page = stranger().get(link).content.decode()
    assert make.wording(news, Channel.SMS).text in page
    assert reason(ada, news) == "pending"
    done = stranger().post(link).content.decode()
    assert "answering STOP" in done
    event = ada.permissions.get(topic=news, channel=Channel.SMS).event
    assert (event.kind, event.method) == (Kind.GIVEN, Method.CONFIRMATION)
    assert ada.addresses.get().verified_at
    assert reason(ada, news) == ""
    assert not ServiceMail.objects.filter(purpose="receipt").exists()


def test_it_confirms_once_when_the_button_is_pressed_twice_with_or_without_a_slash(news, texts):
    sign_up(news)
    [link] = texted(texts, to=ADA)
    assert stranger().post(link).status_code == stranger().post(f"{link}/").status_code == 200
    assert ConsentEvent.objects.filter(kind=Kind.GIVEN).count() == 1


def test_it_takes_two_typed_together_for_two_until_each_is_confirmed(news, texts):
    """Whoever types somebody's address beside a number of their own gets nowhere near that person."""
    victim = make.contact("victim@example.org")
    both = fill(make.wording(news), make.wording(news, Channel.SMS), email="victim@example.org")
    stranger().post("/join/", both | {"phone": ADA})
    assert person() != victim
    [link] = texted(texts, to=ADA)
    stranger().post(link)
    assert not victim.addresses.filter(channel=Channel.SMS).exists()
    assert not victim.permissions.filter(state=Permission.State.GRANTED).exists()
    assert len(mailed("confirm")) == 1


def test_it_keeps_no_number_and_no_address_that_no_box_needs(news, texts):
    stranger().post("/join/", fill(make.wording(news), email="ada@example.org", phone=ADA))
    assert person() is None
    sign_up(news, "06 98 76 54 32", email="unneeded@example.org")
    assert contacts.find_contact(channel=Channel.EMAIL, address="unneeded@example.org") is None


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("", "Please type your mobile number"),
        ("06 12", "not a complete mobile number"),
        ("01 42 68 53 00", "reach mobile numbers only"),
        ("08 99 70 12 34", "reach mobile numbers only"),
        ("+44 7911 123456", "that begin with +33, +32."),
        ("\x00", "Please type your mobile number"),
    ],
)
def test_it_asks_again_when_the_number_is_none_that_is_written_to(news, texts, number, words):
    page = sign_up(news, number).content.decode()
    assert words in page
    assert 'aria-invalid="true"' in page
    assert not Contact.objects.exists()


def test_it_asks_for_the_address_when_a_box_needs_one(news, texts):
    both = fill(make.wording(news), make.wording(news, Channel.SMS), phone=ADA)
    assert "Please type your email address." in stranger().post("/join/", both).content.decode()
    assert not Contact.objects.exists()


def test_it_gives_a_use_of_data_with_the_number_when_there_is_no_address(news, texts):
    measure = make.topic("measure", use="data", offers_email=False, offers_sms=False)
    boxes = [make.wording(news, Channel.SMS), make.wording(measure, Channel.DATA)]
    stranger().post("/join/", fill(*boxes, phone=ADA))
    [link] = texted(texts, to=ADA)
    stranger().post(link)
    assert services.is_allowed(contact=person(), topic=measure, channel=Channel.DATA)


def test_it_answers_every_number_alike(news, texts, monkeypatch):
    monkeypatch.setattr(texting.FROM_NETWORK.__class__, "spend", lambda *_: True)
    known = contacts.create_contact(phone="+33611111111")
    make.granted(known, news, Channel.SMS)
    make.withdrawn(contacts.create_contact(phone="+33622222222"), news, Channel.SMS)
    forbidden = contacts.create_contact(phone="+33633333333")
    Suppression.objects.create(
        channel=Channel.SMS,
        fingerprint=forbidden.addresses.get().fingerprint,
        cause=Suppression.Cause.LEGAL,
    )
    for path, form in (
        ("/join/", lambda n: fill(make.wording(news, Channel.SMS), phone=n)),
        ("/preferences/", lambda n: {"email": n}),
    ):
        answers = [
            stranger().post(path, form(f"+336{digit * 8}")) for digit in ("1", "2", "3", "4")
        ]
        assert len({(a.status_code, a.content, tuple(sorted(a.items()))) for a in answers}) == 1
    service_texts.sweep()
    assert not texts.bodies("+33633333333")


def test_it_answers_alike_when_the_trap_is_sprung(news, texts):
    trapped = sign_up(news, website="https://spam.example")
    assert not ConsentEvent.objects.exists()
    assert trapped.content == sign_up(news).content


# What may be spent


def test_it_texts_a_number_once_a_day_whatever_is_posted(news, texts):
    for _ in range(4):
        sign_up(news)
    assert ServiceMail.objects.count() == 1


def test_it_texts_a_number_three_times_a_day_over_all_purposes(news, texts):
    sign_up(news)
    stranger().post(texted(texts, to=ADA)[0])
    for _ in range(6):
        ServiceMail.objects.update(created_at=F("created_at") - timedelta(minutes=10))
        services.send_manage_link(contact=person(), language="en")
    assert ServiceMail.objects.count() == texting.TO_NUMBER.limit


def test_it_sends_no_more_texts_to_a_range_of_numbers_that_is_walked_through(news, texts):
    words = [make.wording(news, Channel.SMS)]
    for number in range(texting.TO_RANGE.limit + 5):
        services.request_consent(phone=f"+3361234{number:04d}", wordings=words, language="en")
    assert ServiceMail.objects.count() == texting.TO_RANGE.limit


def test_it_sends_no_more_texts_for_a_network_that_asked_often(news, texts):
    for digit in range(texting.FROM_NETWORK.limit):
        sign_up(news, f"+3361{digit}345678")
    answer = sign_up(news, BO)
    assert answer.status_code == 429
    assert "cannot send you a text message just now" in answer.content.decode()
    assert person(BO) is None
    # Mail is still taken: the budget is that of texts.
    form = fill(make.wording(news), email="ada@example.org")
    assert stranger().post("/join/", form).status_code == 200


def test_it_sends_no_more_texts_to_anybody_when_the_hour_s_are_used_up(
    news, texts, settings, caplog
):
    settings.SMS_SERVICE_PER_HOUR = 2
    for number in (ADA, BO):
        sign_up(news, number)
    assert sign_up(news, "+33611223344").status_code == 429
    with caplog.at_level(logging.ERROR):
        services.request_consent(
            phone="+33611223344", wordings=[make.wording(news, Channel.SMS)], language="en"
        )
    assert ServiceMail.objects.count() == 2
    assert "service texts within an hour" in caplog.text


def test_it_sends_no_text_when_nobody_counts(news, texts, monkeypatch):
    nowhere = redis.Redis(unix_socket_path="/nowhere")
    monkeypatch.setattr(budgets, "_redis", lambda: nowhere)
    assert sign_up(news).status_code == 429
    assert not ServiceMail.objects.exists()


# What is sent


@pytest.mark.parametrize("language", ["en", "fr"])
def test_it_says_it_in_one_part_in_the_language_of_the_form(news, texts, language, settings):
    settings.PUBLIC_URL = "https://news.lumen-books.example"
    make.wording(news, Channel.SMS, language=language)
    services.request_consent(
        phone=ADA, wordings=[make.wording(news, Channel.SMS)], language=language
    )
    services.send_manage_link(contact=person(), language=language)
    services.request_new_number(contact=person(), phone=BO, language=language)
    service_texts.sweep()
    assert len(texts.texts) == 3
    for text in texts.texts:
        length = gsm.measure(text["Body"])
        assert (length.parts, length.alphabet) == (1, "GSM-7"), text["Body"]
        assert text["Body"].startswith("Lumen Books SARL")
        assert text["From"] == "+33700000000"
        assert "StatusCallback" not in text
    is_french = "confirmez" in texts.texts[0]["Body"]
    assert is_french == (language == "fr")


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ((503, {}), "waits"),
        ((401, {"code": 20003}), "waits"),
        ((400, {"code": 21614}), "given up"),
        (DROP, "given up"),
        (None, "sent"),
    ],
)
def test_it_waits_gives_up_or_is_done_as_the_gateway_says(news, texts, answer, state, caplog):
    sign_up(news)
    if answer:
        texts.answers.append(answer)
    service_texts.sweep()
    mail = ServiceMail.objects.get()
    known = "sent" if mail.sent_at else "given up" if mail.given_up_at else "waits"
    assert known == state
    assert mail.due_at > timezone.now() or known != "waits"
    assert "612345678" not in caplog.text


def test_it_sends_once_what_was_put_off(news, texts):
    sign_up(news)
    texts.answers.append((429, {"code": 20429}))
    assert service_texts.sweep() == 0
    ServiceMail.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert service_texts.sweep() == 1
    assert service_texts.sweep() == 0
    assert len(texts.texts) == 1


def test_it_sends_no_text_when_the_person_said_no_meanwhile(news, texts):
    sign_up(news)
    make.withdrawn(person(), news, Channel.SMS)
    service_texts.sweep()
    assert not texts.texts


def test_it_sends_no_text_to_a_country_that_is_served_no_more(news, texts, settings):
    sign_up(news)
    settings.SMS_COUNTRIES = ["BE"]
    service_texts.sweep()
    assert not texts.texts
    assert ServiceMail.objects.get().given_up_at


# Short links


def test_it_keeps_nothing_that_opens_a_link(news, texts):
    sign_up(news)
    [link] = texted(texts, to=ADA)
    row = ShortLink.objects.get()
    code = link.rpartition("/")[2]
    assert code.encode() not in bytes(row.digest) + bytes(row.sealed)
    page, token = short_links.read(code)
    assert page == "confirm"
    assert token.encode() not in bytes(row.sealed)


@pytest.mark.parametrize("code", ["", "x", "2" * 17, "é", "%00", "../admin"])
def test_it_answers_an_invented_code_as_every_unreadable_link(code):
    answers = [stranger().get(f"/s/{code}"), stranger().post(f"/s/{code}/")]
    assert {a.status_code for a in answers} == {404}


def test_it_forgets_links_that_are_over_and_no_link_that_stops():
    over = short_links.mint("confirm", "x", ends_at=timezone.now() - timedelta(seconds=1))
    stop = short_links.mint("stop", "x")
    short_links.keep([over, stop])
    short_links.forget_ended()
    assert short_links.read(stop.url.rpartition("/")[2]) == ("stop", "x")
    with pytest.raises(links.LinkError):
        short_links.read(over.url.rpartition("/")[2])


def test_it_stops_by_a_short_link_for_ever_even_after_erasure(news, texts):
    ada = contacts.create_contact(phone=ADA)
    make.granted(ada, news, Channel.SMS)
    short = short_links.mint("stop", stop_link(ada, news.key, channel=Channel.SMS))
    short_links.keep([short])
    path = short.url.removeprefix("http://localhost:8000")
    rights.erase(contact=ada)
    sign_up(news)
    stranger().post(texted(texts, to=ADA)[0])
    assert reason(person(), news) == ""
    assert "Stop" in stranger().get(path).content.decode()
    assert stranger().post(path, {"page": "1", "stop": "topic"}).status_code == 200
    assert reason(person(), news) == "suppressed"


# The person's own page


def preferences(contact):
    return f"/preferences/{manage_link(contact)}/"


def test_it_sends_the_link_by_text_only_to_whoever_has_no_address(news, texts):
    both = make.contact("ada@example.org", phone=ADA)
    only = contacts.create_contact(phone=BO)
    for number in (ADA, BO):
        answer = stranger().post("/preferences/", {"email": number})
        assert "by text, or to your email address" in answer.content.decode()
    assert not texted(texts, to=ADA)
    [link] = texted(texts, to=BO)
    page = stranger().get(link).content.decode()
    assert "+33***32" in page
    assert len(mailed("preferences")) == 1
    assert both.addresses.count() == 2
    assert only.addresses.count() == 1


def test_it_adds_a_number_once_it_is_confirmed_from_it(news, texts):
    make.wording(news, Channel.SMS)
    ada = make.contact("ada@example.org")
    page = preferences(ada)
    assert "You can add one below." in stranger().get(page).content.decode()
    answer = stranger().post(page, {"do": "number", "phone": "06 12 34 56 78"})
    assert "We have sent a text to this number" in answer.content.decode()
    [link] = texted(texts, to=ADA)
    assert "+33***78" in stranger().get(link).content.decode()
    assert person() is None
    done = stranger().post(link).content.decode()
    assert "/preferences/ey" not in done
    assert person() == ada
    assert not ada.permissions.filter(channel=Channel.SMS).exists()
    words = make.wording(news, Channel.SMS).digest
    form = {"do": "save", "shown": f"product-news:sms:{words}:0", "yes": "product-news:sms"}
    stranger().post(page, form)
    assert reason(ada, news) == ""


def test_it_moves_a_number_to_its_new_owner_and_the_old_permission_stays_behind(news, texts):
    former = contacts.create_contact(phone=ADA)
    make.granted(former, news, Channel.SMS)
    ada = make.contact("ada@example.org")
    stranger().post(preferences(ada), {"do": "number", "phone": ADA})
    stranger().post(texted(texts, to=ADA)[0])
    assert person() == ada
    assert reason(former, news) == "no_address"
    former.identity.refresh_from_db()
    assert former.identity.phone == ""
    assert reason(ada, news) == "never_asked"


@pytest.mark.parametrize(
    ("typed", "words"), [("06 12", "not a complete mobile number"), ("+44 7911 123456", "+33, +32")]
)
def test_it_says_what_is_wrong_with_a_number_on_the_person_s_page(news, texts, typed, words):
    ada = make.contact("ada@example.org")
    answer = stranger().post(preferences(ada), {"do": "number", "phone": typed})
    assert words in answer.content.decode()
    assert not ServiceMail.objects.exists()


def test_it_asks_a_number_that_nobody_confirmed_before_a_yes_counts(news, texts):
    words = make.wording(news, Channel.SMS).digest
    ada = make.contact("ada@example.org", phone=ADA)
    page = preferences(ada)
    assert "We send a text to this number first" in stranger().get(page).content.decode()
    form = {"do": "save", "shown": f"product-news:sms:{words}:0", "yes": "product-news:sms"}
    stranger().post(page, form)
    assert reason(ada, news) == "pending"
    stranger().post(texted(texts, to=ADA)[0])
    assert reason(ada, news) == ""
    assert Address.objects.get(channel=Channel.SMS).verified_at


def test_it_promises_nothing_by_text_when_there_is_no_gateway(news):
    make.wording(news)
    make.wording(news, Channel.SMS)
    ada = make.contact("ada@example.org", phone=ADA)
    page = stranger().get(preferences(ada)).content.decode()
    assert "By text message" not in page
    make.granted(ada, news, Channel.SMS)
    page = stranger().get(preferences(ada)).content.decode()
    assert "By text message" in page
    assert "A mobile number" not in page


def test_it_writes_to_a_new_address_of_whoever_is_reached_by_text_alone(news, texts):
    ada = contacts.create_contact(phone=ADA)
    token = links.manage_token("manage", lifetime_s=600, address=ada.addresses.get().pk)
    stranger().post(f"/preferences/{token}/", {"do": "address", "email": "ada@example.org"})
    [link] = mailed("address")
    stranger().post(link)
    assert set(ada.addresses.values_list("channel", flat=True)) == {"email", "sms"}


def test_it_names_no_number_in_what_it_sends(news, texts):
    sign_up(news)
    service_texts.sweep()
    assert not re.search(r"612345678|06 12", texts.texts[0]["Body"])
