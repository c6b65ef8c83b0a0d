"""The sign-up page and the form on other sites."""

import re
import time

import pytest

from consent.models import ConsentEvent, Kind, Permission, ServiceMail, Suppression
from consent.views import sign_up
from contacts.models import Channel, Contact
from tests import make
from tests.consent.public import stamp, stranger

pytestmark = pytest.mark.django_db


@pytest.fixture
def news():
    make.organization()
    return make.topic()


def fill(*wordings, email="ada@example.org", **fields):
    return {
        "email": email,
        "yes": [wording.digest for wording in wordings],
        "stamp": stamp(),
        "website": "",
    } | fields


def test_it_offers_unticked_optional_boxes_in_the_reader_s_language(news):
    make.wording(news)
    french = make.wording(news, language="fr")
    page = stranger(accept_language="fr").get("/join/").content.decode()
    assert french.digest in page
    assert 'lang="fr"' in page
    boxes = re.findall(r"<input type=\"checkbox\"[^>]*>", page)
    assert len(boxes) == 1
    assert not any("checked" in box or "required" in box for box in boxes)


def test_it_offers_the_words_of_another_language_when_there_are_none_in_the_reader_s(news):
    english = make.wording(news)
    page = stranger(accept_language="fr").get("/join/").content.decode()
    assert english.digest in page
    assert '<span class="words" lang="en">' in page


def test_it_does_not_offer_a_retired_or_a_private_topic():
    retired = make.wording(make.topic("retired", status="retired"))
    private = make.wording(make.topic("private", is_public=False))
    page = stranger().get("/join/").content.decode()
    assert retired.digest not in page
    assert private.digest not in page


def test_it_records_what_was_shown_and_asks_the_address_to_confirm(news):
    wording = make.wording(news)
    answer = stranger().post("/join/", fill(wording))
    assert answer.status_code == 200
    event = ConsentEvent.objects.get()
    assert (event.kind, event.wording_id) == (Kind.REQUESTED, wording.digest)
    assert event.evidence.details["network"] == "127.0.0.0/24"
    assert ServiceMail.objects.get().details == {"wordings": [wording.digest]}


def test_it_answers_every_address_alike(news):
    wording = make.wording(news)
    make.granted(make.contact("known@example.org"), news)
    make.withdrawn(make.contact("gone@example.org"), news)
    objector = make.contact("never@example.org")
    Suppression.objects.create(
        channel=Channel.EMAIL,
        fingerprint=objector.addresses.get().fingerprint,
        cause=Suppression.Cause.LEGAL,
    )
    answers = [
        stranger().post("/join/", fill(wording, email=f"{name}@example.org"))
        for name in ("known", "gone", "never", "unknown")
    ]
    assert len({(a.status_code, a.content, tuple(sorted(a.items()))) for a in answers}) == 1


def test_it_mails_an_address_once_a_day_whatever_is_posted(news):
    wording = make.wording(news)
    sign_up.FROM_OUR_PAGE.spend("unrelated")
    for _ in range(25):
        stranger().post("/join/", fill(wording))
    assert ServiceMail.objects.count() == 1


def test_it_asks_to_tick_something_when_no_box_is_ticked(news):
    make.wording(news)
    answer = stranger().post("/join/", fill())
    assert "Tick at least one box." in answer.content.decode()
    assert Contact.objects.count() == 0


def test_it_refuses_words_that_were_replaced_and_shows_the_new_ones(news):
    old = make.wording(news)
    new = make.wording(news, is_material=True)
    answer = stranger().post("/join/", fill(old)).content.decode()
    assert "Some of the words have changed" in answer
    assert new.digest in answer
    assert "checked" not in answer
    assert ConsentEvent.objects.count() == 0


@pytest.mark.parametrize("digest", ["", "x", "0" * 64, "\x00"])
def test_it_refuses_boxes_that_do_not_exist(news, digest):
    make.wording(news)
    answer = stranger().post("/join/", fill(yes=[digest]))
    assert answer.status_code == 200
    assert ConsentEvent.objects.count() == 0


@pytest.mark.parametrize(
    "email", ["", "ada", "ada@", "@example.org", "a b@example.org", "a@b\x00.org"]
)
def test_it_asks_again_when_the_address_is_not_one(news, email):
    answer = stranger().post("/join/", fill(make.wording(news), email=email))
    assert 'aria-invalid="true"' in answer.content.decode()
    assert Contact.objects.count() == 0


def test_it_records_nothing_when_the_trap_is_sprung_and_answers_alike(news):
    wording = make.wording(news)
    trapped = stranger().post("/join/", fill(wording, website="https://spam.example"))
    assert ConsentEvent.objects.count() == 0
    assert trapped.content == stranger().post("/join/", fill(wording)).content


def test_it_asks_to_press_again_when_nobody_reads_that_fast(news):
    wording = make.wording(news)
    answer = stranger().post("/join/", fill(wording, stamp=stamp(seconds_ago=0)))
    page = answer.content.decode()
    assert "press the button once more" in page
    assert "checked" in page
    assert ConsentEvent.objects.count() == 0


@pytest.mark.parametrize(
    "note", ["", "shown:1:forged", stamp(seconds_ago=200_000)], ids=["none", "forged", "old"]
)
def test_it_takes_a_form_without_our_note_into_the_smaller_budget(news, note, monkeypatch):
    wording = make.wording(news)
    for number in range(sign_up.FROM_OTHER_SITES.limit):
        stranger().post("/join/", fill(wording, email=f"p{number}@example.org", stamp=note))
    assert Contact.objects.count() == sign_up.FROM_OTHER_SITES.limit
    answer = stranger().post("/join/", fill(wording, email="late@example.org", stamp=note))
    assert answer.status_code == 429
    assert 'name="stamp"' in answer.content.decode()
    assert Contact.objects.count() == sign_up.FROM_OTHER_SITES.limit
    stranger().post("/join/", fill(wording, email="late@example.org"))
    assert Contact.objects.count() == sign_up.FROM_OTHER_SITES.limit + 1


def test_it_takes_the_form_of_another_site_without_cookies(news):
    wording = make.wording(news)
    page = stranger().get("/join/embed/").content.decode()
    assert wording.digest in page
    assert "&lt;form action=&quot;http://localhost:8000/join/?language=en" in page
    stranger(origin="https://shop.example").post(
        "/join/?language=fr", {"email": "ada@example.org", "yes": wording.digest}
    )
    event = ConsentEvent.objects.get()
    assert event.evidence.details["site"] == "shop.example"
    assert ServiceMail.objects.get().language == "fr"


def test_it_gives_at_once_where_the_topic_needs_no_confirmation():
    topic = make.topic("open", double_opt_in=False)
    answer = stranger().post("/join/", fill(make.wording(topic)))
    assert answer.status_code == 200
    assert Permission.objects.get().state == Permission.State.GRANTED


def test_it_does_not_offer_text_messages_which_need_a_confirmation_of_their_own(news):
    wording = make.wording(news, Channel.SMS)
    make.wording(news)
    assert wording.digest not in stranger().get("/join/").content.decode()
    stranger().post("/join/", fill(wording))
    assert ConsentEvent.objects.count() == 0


def test_it_binds_a_use_of_data_to_its_own_box(news):
    measure = make.topic("measure", use="data", offers_email=False, offers_sms=False)
    wording = make.wording(measure, Channel.DATA)
    stranger().post("/join/", fill(wording))
    assert ConsentEvent.objects.get().channel == Channel.DATA


def test_it_answers_known_and_unknown_addresses_after_the_same_time(news, monkeypatch):
    monkeypatch.setattr("consent.views.public.EVEN_S", 0.2)
    wording = make.wording(news)
    make.granted(make.contact("known@example.org"), news)
    for path, form in (
        ("/join/", lambda email: fill(wording, email=email)),
        ("/preferences/", lambda email: {"email": email}),
    ):
        for email in ("known@example.org", "unknown@example.org"):
            started = time.monotonic()
            stranger().post(path, form(email))
            assert time.monotonic() - started >= 0.2
