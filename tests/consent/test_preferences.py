"""The preference page, and the ways to a fresh link to it."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.formats import date_format

from consent import gate, links, services
from consent.models import ConsentEvent, Kind, Method, Permission, ServiceMail, Suppression
from consent.views import preferences
from contacts import services as contacts
from contacts.models import Channel, Contact, Hold, StaticList, SubjectRequest, Tag
from tests import make
from tests.consent.public import mailed, manage_link, stop_link, stranger

pytestmark = pytest.mark.django_db


@pytest.fixture
def news():
    make.organization()
    topic = make.topic()
    make.wording(topic)
    return topic


@pytest.fixture
def offers():
    topic = make.topic("offers", position=1)
    make.wording(topic)
    return topic


@pytest.fixture
def ada(news):
    ada = make.contact("ada@example.org")
    make.granted(ada, news)
    return ada


def reason(contact, topic, channel=Channel.EMAIL):
    return gate.explain(contact=contact, topic=topic, channel=channel).reason


def open_page(contact, **query):
    """The page's address, and what its form would send back untouched."""
    path = f"/preferences/{manage_link(contact)}/"
    page = stranger().get(path, query)
    assert page.status_code == 200
    text = page.content.decode()
    form = {
        "shown": re.findall(r'name="shown" value="([^"]*)"', text),
        "yes": re.findall(r'name="yes" value="([^"]*)" checked', text),
        "do": "save",
    }
    return path, form, text


def test_it_shows_what_stands_with_the_words(ada, news, offers):
    _, form, text = open_page(ada)
    assert form["yes"] == ["product-news:email"]
    assert make.wording(offers).text in text
    assert "Yes, since" in text
    assert "a***@e***.org" in text
    assert "ada@example.org" not in text


def test_it_shows_the_words_that_a_yes_was_given_to_beside_those_of_today(ada, news):
    given = make.wording(news).text
    assert "You said yes to these words" not in open_page(ada)[2]
    today = make.wording(news, is_material=False)
    text = open_page(ada)[2]
    assert f"You said yes to these words: <q>{given}</q>" in text
    assert today.text in text


def test_it_asks_for_uses_of_data_apart_from_messages(ada):
    assert "What we may do with your data" not in open_page(ada)[2]
    use = make.topic("measure", use="data", offers_email=False, offers_sms=False)
    make.wording(use, Channel.DATA)
    text = open_page(ada)[2]
    assert text.index("Product news") < text.index("What we may do with your data")
    assert text.index("What we may do with your data") < text.index('value="measure:data"')


def test_it_notes_an_objection_as_a_request_that_was_fulfilled(ada):
    path, form, _text = open_page(ada)
    for _ in range(2):
        stranger().post(path, form | {"do": "object"})
    request = SubjectRequest.objects.get()
    assert (request.kind, request.state) == ("objection", "done")


def test_it_changes_nothing_when_nothing_was_changed(ada):
    before = ConsentEvent.objects.count()
    path, form, _ = open_page(ada)
    assert "Nothing was changed." in stranger().post(path, form).content.decode()
    assert ConsentEvent.objects.count() == before


def test_it_records_a_yes_with_the_words_on_the_screen(ada, offers):
    path, form, _ = open_page(ada)
    form["yes"].append("offers:email")
    answer = stranger().post(path, form)
    assert "Saved." in answer.content.decode()
    event = ConsentEvent.objects.latest("pk")
    assert (event.kind, event.method, event.wording) == (
        Kind.GIVEN,
        Method.PREFERENCES,
        make.wording(offers),
    )
    assert reason(ada, offers) == ""


def test_it_records_a_no_and_mails_nothing(ada, news):
    path, form, _ = open_page(ada)
    ServiceMail.objects.all().delete()
    stranger().post(path, form | {"yes": []})
    assert reason(ada, news) == "withdrawn"
    assert not ServiceMail.objects.exists()


def test_it_does_not_bring_back_what_was_stopped_while_the_page_was_open(ada, news, offers):
    path, form, _ = open_page(ada)
    make.withdrawn(ada, news)
    form["yes"].append("offers:email")
    stranger().post(path, form)
    assert reason(ada, news) == "withdrawn"
    assert reason(ada, offers) == ""


def test_it_refuses_a_yes_to_words_that_were_replaced_but_keeps_the_no_beside_it(ada, news, offers):
    path, form, _ = open_page(ada)
    make.wording(offers, is_material=True)
    answer = stranger().post(path, form | {"yes": ["offers:email"]})
    assert "Some of the words have changed" in answer.content.decode()
    assert reason(ada, offers) == "never_asked"
    assert reason(ada, news) == "withdrawn"


@pytest.mark.parametrize(
    "shown",
    [
        "offers:email::0",
        "offers:email:" + "0" * 64 + ":0",
        "nowhere:email::0",
        "offers:fax::0",
        "offers:sms::0",
        "",
        ":::",
        "\x00:email::0",
    ],
)
def test_it_gives_nothing_for_a_box_that_was_not_on_the_page(ada, offers, shown):
    before = ConsentEvent.objects.count()
    path, _, _ = open_page(ada)
    key = ":".join(shown.split(":")[:2])
    answer = stranger().post(path, {"do": "save", "shown": [shown], "yes": [key]})
    assert answer.status_code == 200
    assert ConsentEvent.objects.count() == before


def test_it_does_not_take_the_words_of_one_box_for_another(ada, news, offers):
    path, _, _ = open_page(ada)
    digest = make.wording(news).digest
    stranger().post(
        path, {"do": "save", "shown": [f"offers:email:{digest}:0"], "yes": ["offers:email"]}
    )
    assert reason(ada, offers) == "never_asked"


def test_it_opens_again_an_address_that_was_suppressed_when_the_person_says_yes(news):
    bo = make.contact("bo@example.org")
    make.given_elsewhere(bo, news)
    Suppression.objects.create(
        channel=Channel.EMAIL,
        fingerprint=bo.addresses.get().fingerprint,
        cause=Suppression.Cause.LISTED,
    )
    path, form, text = open_page(bo)
    assert form["yes"] == []
    assert "This address asked us to stop." in text
    stranger().post(path, form | {"yes": ["product-news:email"]})
    assert reason(bo, news) == ""


def test_it_says_yes_to_everything_on_the_page(ada, news, offers):
    path, form, _ = open_page(ada)
    stranger().post(path, form | {"do": "all"})
    assert (reason(ada, news), reason(ada, offers)) == ("", "")


@pytest.mark.parametrize(("button", "state"), [("stop", "withdrawn"), ("object", "objected")])
def test_it_stops_everything_at_once_on_every_channel(button, state, news, offers):
    ada = make.contact("ada@example.org", phone="+33612345678")
    make.granted(ada, news)
    make.granted(ada, offers, Channel.SMS)
    path, form, _ = open_page(ada)
    stranger().post(path, form | {"do": button})
    assert reason(ada, news) == state
    assert reason(ada, offers, Channel.SMS) == state
    assert ada.identity.first_name == ""


def test_it_keeps_only_the_name_of_whoever_asks_for_that(ada, news):
    make.field("city")
    make.field("seats", "number", need="need_to_know")
    contacts.update_contact(
        contact=ada,
        first_name="Ada",
        attributes={"city": "Lyon", "seats": 2},
        tags=[Tag.objects.create(name="vip")],
    )
    StaticList.objects.create(name="Fair").contacts.add(ada)
    path, form, text = open_page(ada)
    assert "what we noted beside your name is erased" in text
    stranger().get(path, {"do": "stop"})
    stranger().post(path, form | {"do": "save"})
    ada.refresh_from_db()
    assert ada.attributes == {"city": "Lyon", "seats": 2}
    before = ConsentEvent.objects.count()
    stranger().post(path, form | {"do": "stop"})
    ada.refresh_from_db()
    assert (ada.identity.first_name, ada.attributes) == ("Ada", {"seats": 2})
    assert not ada.tags.exists()
    assert not StaticList.objects.filter(contacts=ada).exists()
    assert reason(ada, news) == "withdrawn"
    assert ConsentEvent.objects.count() == before + 1
    assert Contact.objects.living().filter(pk=ada.pk).exists()


def test_it_stops_but_keeps_what_a_hold_keeps(ada, news):
    make.field("city")
    contacts.update_contact(contact=ada, attributes={"city": "Lyon"})
    Hold.objects.create(contact=ada, reason="A claim about an invoice")
    path, form, _ = open_page(ada)
    stranger().post(path, form | {"do": "stop"})
    ada.refresh_from_db()
    assert (reason(ada, news), ada.attributes) == ("withdrawn", {"city": "Lyon"})


def test_it_takes_text_messages_only_where_a_number_is_known(ada, news, settings):
    settings.SMS_GATEWAY_URL, settings.SMS_COUNTRIES = "http://127.0.0.1:9", ["FR"]
    make.wording(news, Channel.SMS)
    path, form, text = open_page(ada)
    assert "We have no number of yours." in text
    stranger().post(path, form | {"yes": [*form["yes"], "product-news:sms"]})
    assert not ada.permissions.filter(channel=Channel.SMS, state="granted").exists()


def test_it_gives_a_use_of_data_by_its_own_box(ada):
    measure = make.topic("measure", use="data", offers_email=False, offers_sms=False)
    make.wording(measure, Channel.DATA)
    path, form, _ = open_page(ada)
    form["yes"].append("measure:data")
    stranger().post(path, form)
    assert ada.permissions.get(topic=measure).state == Permission.State.GRANTED
    _, form, _ = open_page(ada)
    assert "measure:data" in form["yes"]


def test_it_shows_a_private_topic_to_whoever_said_yes_to_it(ada):
    club = make.topic("club", is_public=False)
    assert "club" not in open_page(ada)[2]
    make.granted(ada, club)
    path, form, _ = open_page(ada)
    assert "club:email" in form["yes"]
    form["yes"].remove("club:email")
    stranger().post(path, form)
    assert reason(ada, club) == "withdrawn"


def test_it_writes_in_another_language_from_now_on(ada):
    path, _, _ = open_page(ada)
    answer = stranger().post(path, {"do": "language", "language": "fr"})
    assert answer["Content-Language"] == "fr"
    assert Contact.objects.get().language == "fr"
    stranger().post(path, {"do": "language", "language": "xx"})
    assert Contact.objects.get().language == "fr"


def test_it_tells_the_history_in_plain_words(ada, news):
    make.withdrawn(ada, news)
    _, _, text = open_page(ada)
    assert text.index("You took back your yes.") < text.index("You said yes.")


def test_it_is_closed_once_the_address_is_another_one(ada):
    path = f"/preferences/{manage_link(ada)}/"
    contacts.change_address(contact=ada, channel=Channel.EMAIL, address="new@example.org")
    assert stranger().get(path).status_code == 410


def test_it_is_closed_when_the_person_was_erased(ada):
    path = f"/preferences/{manage_link(ada)}/"
    Contact.objects.update(erased_at="2026-01-01T00:00Z")
    assert stranger().get(path).status_code == 410


def test_it_is_closed_after_an_hour(ada, news):
    path = f"/preferences/{manage_link(ada, lifetime_s=-1)}/"
    assert stranger().post(path, {"do": "stop"}).status_code == 410
    assert reason(ada, news) == ""


def test_it_is_not_opened_by_a_stop_link(ada, news):
    assert stranger().get(f"/preferences/{stop_link(ada, news.key)}/").status_code == 404


def test_it_mails_a_link_to_a_known_address_and_answers_all_alike(ada):
    answers = [
        stranger().post("/preferences/", {"email": email})
        for email in ("ada@example.org", "ADA@example.org", "nobody@example.org")
    ]
    assert len({(a.status_code, a.content, tuple(sorted(a.items()))) for a in answers}) == 1
    assert ServiceMail.objects.filter(purpose="manage_link").count() == 1
    [link] = mailed("preferences")
    assert stranger().get(link).status_code == 200


def test_it_asks_again_when_the_address_is_not_one(news):
    answer = stranger().post("/preferences/", {"email": "ada"})
    assert 'aria-invalid="true"' in answer.content.decode()


def test_it_mails_only_so_many_links_for_one_network(ada):
    for _ in range(preferences.LINKS_MAILED.limit):
        stranger().post("/preferences/", {"email": "nobody@example.org"})
    answer = stranger().post("/preferences/", {"email": "ada@example.org"})
    assert answer.status_code == 429
    assert not ServiceMail.objects.filter(purpose="manage_link").exists()


def test_it_mails_the_link_from_a_newsletter_only_to_its_reader_and_only_on_a_post(ada, news):
    path = f"/m/{stop_link(ada, news.key)}/"
    page = stranger().get(path)
    assert "ada" not in page.content.decode().lower().replace("readable", "")
    assert not ServiceMail.objects.filter(purpose="manage_link").exists()
    known = stranger().post(path)
    unknown = links.stop_token(
        links.Stop(make.contact().subject, b"x" * 32, 1, news.key, Channel.EMAIL)
    )
    assert stranger().post(f"/m/{unknown}/").content == known.content
    assert ServiceMail.objects.filter(contact=ada, purpose="manage_link").count() == 1


def test_it_shows_what_the_gate_says_and_nothing_more(ada, news):
    services.withdraw(contact=ada, topic=None, channel="", method=Method.PREFERENCES)
    _, form, text = open_page(ada)
    assert form["yes"] == []
    assert "No, since" in text


def test_it_gives_a_receipt_that_anybody_can_check(ada, news):
    path, _, text = open_page(ada)
    assert 'value="receipt:product-news:email"' in text
    answer = stranger().post(path, {"do": "receipt:product-news:email"})
    assert answer["Content-Disposition"] == 'attachment; filename="receipt-product-news.json"'
    assert answer.json()["piiPrincipalId"] == str(ada.subject)


@pytest.mark.parametrize(
    "asked", ["receipt:product-news:sms", "receipt:nowhere:email", "receipt", "receipt:\0:\0"]
)
def test_it_gives_no_receipt_where_no_consent_stands(ada, asked):
    path, _, _ = open_page(ada)
    answer = stranger().post(path, {"do": asked})
    assert answer.status_code == 200
    assert "There is no receipt to give" in answer.content.decode()


def test_it_pauses_messages_for_some_weeks_and_lets_what_is_permitted_stand(ada, news):
    before = ConsentEvent.objects.count()
    path, form, _ = open_page(ada)
    answer = stranger().post(path, {"do": "pause", "weeks": "4"}).content.decode()
    ada.refresh_from_db()
    weeks = (ada.paused_until - timezone.now()) / timedelta(weeks=1)
    assert weeks == pytest.approx(4, abs=0.01)
    assert reason(ada, news) == "paused"
    assert date_format(ada.paused_until, "DATE_FORMAT") in answer
    assert open_page(ada)[1]["yes"] == form["yes"] == ["product-news:email"]
    assert date_format(ada.paused_until, "DATE_FORMAT") in (
        stranger().get(f"/preferences/{manage_link(ada)}/data/").content.decode()
    )
    stranger().post(path, {"do": "resume"})
    assert reason(ada, news) == ""
    assert ConsentEvent.objects.count() == before


def test_it_takes_a_no_during_a_pause_and_changes_nothing_else(ada, news, offers):
    make.granted(ada, offers)
    services.pause(contact=ada, weeks=2, now=timezone.now())
    path, form, _ = open_page(ada)
    before = ConsentEvent.objects.count()
    stranger().post(path, form)
    assert ConsentEvent.objects.count() == before
    stranger().post(path, form | {"yes": ["offers:email"]})
    assert (reason(ada, news), reason(ada, offers)) == ("withdrawn", "paused")


@pytest.mark.parametrize("weeks", ["", "0", "3", "-2", "2.0", "9999999999", "\x00"])
def test_it_knows_no_other_pause(ada, news, weeks):
    path, _, _ = open_page(ada)
    answer = stranger().post(path, {"do": "pause", "weeks": weeks})
    assert "Nothing was changed." in answer.content.decode()
    assert reason(ada, news) == ""


def test_it_pauses_nothing_by_looking(ada, news):
    path, _, _ = open_page(ada)
    stranger().get(path, {"do": "pause", "weeks": "4"})
    assert reason(ada, news) == ""
