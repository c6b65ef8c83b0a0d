"""My data: what is held, to read, take away, correct, restrict, object to and erase, by a fresh link."""

import json
import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.models import Delivery
from consent import gate, services
from consent.models import ConsentEvent, Kind, Suppression
from contacts import rights
from contacts import services as contacts
from contacts.models import Channel, Contact, Identity, Processor, SubjectRequest
from tests import make
from tests.consent.public import manage_link, stop_link, stranger

pytestmark = pytest.mark.django_db


@pytest.fixture
def news():
    make.organization()
    return make.topic()


@pytest.fixture
def ada(news):
    ada = make.contact("ada@example.org", first_name="Ada", last_name="Lovelace")
    make.granted(ada, news)
    return ada


def reason(contact, topic):
    return gate.explain(contact=contact, topic=topic, channel=Channel.EMAIL).reason


def test_it_shows_what_is_held_in_plain_words(ada):
    text = stranger().get(f"/preferences/{manage_link(ada)}/data/").content.decode()
    assert "Lovelace" in text
    assert "Product news · By email" in text


def test_it_gives_everything_as_one_file(ada, news):
    answer = stranger().get(f"/preferences/{manage_link(ada)}/data.json")
    assert answer["Content-Disposition"] == 'attachment; filename="my-data.json"'
    assert answer["Cache-Control"] == "no-store"
    held = json.loads(answer.content)
    assert "ada@example.org" in answer.content.decode()
    [event] = held["consent"]["events"]
    assert event["words"] == make.wording(news).text
    assert event["nonce"]


@pytest.mark.parametrize("page", ["data/", "data/erase/", "data.json"])
def test_it_is_closed_to_whoever_has_no_fresh_link(ada, news, page):
    assert stranger().get(f"/preferences/{stop_link(ada, news.key)}/{page}").status_code == 404
    old = manage_link(ada, lifetime_s=-1)
    assert stranger().get(f"/preferences/{old}/{page}").status_code == 410


def test_it_restricts_and_lifts_the_restriction_at_once(ada, news):
    path = f"/preferences/{manage_link(ada)}/data/"
    stranger().post(path, {"ask": "restrict"})
    stranger().post(path, {"ask": "restrict"})
    assert reason(ada, news) == "restricted"
    assert "Restriction" in stranger().get(path).content.decode()
    assert ConsentEvent.objects.filter(kind=Kind.RESTRICTED).count() == 1
    assert SubjectRequest.objects.get().state == "done"
    stranger().post(path, {"ask": "unrestrict"})
    assert reason(ada, news) == ""


def test_it_notes_what_should_be_corrected(ada):
    path = f"/preferences/{manage_link(ada)}/data/"
    stranger().post(path, {"ask": "correct", "words": " \0 "})
    assert not SubjectRequest.objects.exists()
    stranger().post(path, {"ask": "correct", "words": "My name is Ada King."})
    request = SubjectRequest.objects.get()
    assert request.kind == "rectification"
    assert str(request.how).endswith(": My name is Ada King.")


def test_it_changes_nothing_when_it_is_only_looked_at_or_asked_for_something_else(ada):
    path = f"/preferences/{manage_link(ada)}/data/"
    before = ConsentEvent.objects.count()
    stranger().get(path, {"ask": "restrict"})
    stranger().get(path + "erase/", {"do": "erase"})
    stranger().post(path, {"ask": "everything"})
    stranger().post(path + "erase/", {"do": "everything"})
    stranger().post(path + "erase/")
    assert stranger().post(path + "../data.json").status_code in (404, 405)
    assert ConsentEvent.objects.count() == before
    assert Contact.objects.get().erased_at is None


def test_it_says_how_the_data_is_used_in_the_page_and_the_file(ada):
    path = f"/preferences/{manage_link(ada)}/data"
    page = stranger().get(f"{path}/").content.decode()
    assert "Where to complain" in page
    assert "CNIL" in page
    assert "Confirmed by the link in a message" in page
    used = stranger().get(f"{path}.json").json()["processing"]
    assert used["Where to complain"] == "CNIL"


def test_it_names_those_who_got_the_data(ada, settings):
    settings.EMAIL_BACKEND = "anymail.backends.mailgun.EmailBackend"
    path = f"/preferences/{manage_link(ada)}/data"
    ada.service_mails.all().delete()
    told = stranger().get(f"{path}.json").json()["processing"]["Who receives it"]
    assert told == "Nobody but us."
    make.granted(ada, make.topic("offers"))
    ada.service_mails.update(sent_at=timezone.now())
    Processor.objects.create(
        name="Printshop Dupont", service="Prints", receives="Names", country="CH", contact="dpo"
    )
    told = stranger().get(f"{path}.json").json()["processing"]["Who receives it"]
    assert told == "mailgun (Carries messages), Printshop Dupont (Prints, CH)"


def test_it_names_the_messages_that_were_sent(ada, news):
    sent = make.campaign(news, name="Spring letter")
    Delivery.objects.create(
        campaign=sent,
        contact=ada,
        state="sent",
        event=ada.permissions.get().event,
        address=ada.addresses.get(),
        unit=uuid.uuid4(),
        attempt=1,
        handed_over_at=timezone.now(),
        settled_at=timezone.now(),
    )
    assert (
        "Spring letter" in stranger().get(f"/preferences/{manage_link(ada)}/data/").content.decode()
    )


# Correcting


def filled(**changes):
    """The form as the page shows it, with changes."""
    return {
        "ask": "save", "first_name": "Ada", "last_name": "Lovelace", "language": "en", "timezone": "",
    } | changes  # fmt: skip


def test_it_corrects_name_language_and_time_zone_at_once_and_notes_it(ada):
    path = f"/preferences/{manage_link(ada)}/data/"
    page = (
        stranger()
        .post(path, filled(last_name="King", language="fr", timezone="Europe/Paris"))
        .content.decode()
    )
    assert '<html lang="fr">' in page
    assert 'role="status"' in page
    ada.refresh_from_db()
    assert (ada.language, ada.timezone) == ("fr", "Europe/Paris")
    assert (ada.identity.first_name, ada.identity.last_name) == ("Ada", "King")
    request = SubjectRequest.objects.get()
    assert (request.kind, request.state) == ("rectification", "done")
    assert str(request.outcome) == "Done at once: language, last_name, timezone."
    assert request.received_at <= request.settled_at < request.due_at


def test_it_notes_nothing_when_nothing_is_corrected(ada):
    page = stranger().post(f"/preferences/{manage_link(ada)}/data/", filled())
    assert "Nothing was changed." in page.content.decode()
    assert not SubjectRequest.objects.exists()


def test_it_corrects_takes_back_and_adds_answers_and_touches_no_other(ada):
    make.field("city", is_asked_at_sign_up=True)
    make.field("books", "number")
    make.field("genres", "list", choices=["Poems", "Plays"], is_asked_at_sign_up=True)
    make.field("vip", "yes_no")
    make.field("secret")
    contacts.update_contact(contact=ada, attributes={"city": "Lyon", "books": 12, "vip": True})
    path = f"/preferences/{manage_link(ada)}/data/"
    page = stranger().get(path).content.decode()
    assert 'value="Lyon"' in page
    assert "field-secret" not in page
    answers = {"field-city": "", "field-books": "13", "field-genres": ["Plays"], "field-vip": "yes"}
    stranger().post(path, filled(**answers, **{"field-secret": "x"}))
    ada.refresh_from_db()
    assert ada.attributes == {"books": 13, "genres": ["Plays"], "vip": True}
    assert SubjectRequest.objects.get().outcome.figures == ("books, city, genres",)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"field-books": "many"}, "This does not fit"),
        ({"first_name": "a" * 201}, "at most 200"),
        ({"first_name": "a\0b"}, "Null characters"),
        ({"language": "tlh"}, "Select a valid choice"),
        ({"timezone": "Mars/Base"}, "Select a valid choice"),
    ],
)
def test_it_asks_again_and_keeps_what_was_typed_when_something_does_not_fit(ada, given, said):
    make.field("books", "number", is_asked_at_sign_up=True)
    path = f"/preferences/{manage_link(ada)}/data/"
    page = stranger().post(path, filled(last_name="King") | given).content.decode()
    assert said in page
    assert 'value="King"' in page
    assert "Not saved yet" in page
    assert ada.identity.last_name == "Lovelace"
    assert not SubjectRequest.objects.exists()


def test_it_keeps_what_depends_on_a_use_of_data_only_where_that_is_permitted(ada):
    use = make.topic("remember-city", use="data", offers_email=False, offers_sms=False)
    make.field("city", basis="consent", topic_key=use.key, is_asked_at_sign_up=True)
    path = f"/preferences/{manage_link(ada)}/data/"
    assert "field-city" not in stranger().get(path).content.decode()
    stranger().post(path, filled(**{"field-city": "Lyon"}))
    ada.refresh_from_db()
    assert ada.attributes == {}
    stranger().post(
        path[:-5],
        {
            "shown": f"remember-city:data:{make.wording(use, Channel.DATA).digest}:0",
            "yes": "remember-city:data",
            "do": "save",
        },
    )
    stranger().post(path, filled(**{"field-city": "Lyon"}))
    ada.refresh_from_db()
    assert ada.attributes == {"city": "Lyon"}


def test_it_keeps_nothing_by_halves_when_one_use_is_not_permitted_any_more(ada):
    use = make.topic("remember-city", use="data", offers_email=False, offers_sms=False)
    make.field("city", basis="consent", topic_key=use.key)
    Contact.objects.filter(pk=ada.pk).update(attributes={"city": "Lyon"})
    path = f"/preferences/{manage_link(ada)}/data/"
    page = stranger().post(path, filled(last_name="King", **{"field-city": "Nice"}))
    assert "has not permitted this use" in page.content.decode()
    assert ada.identity.last_name == "Lovelace"
    stranger().post(path, filled(**{"field-city": ""}))
    ada.refresh_from_db()
    assert ada.attributes == {}


# Objecting


def test_it_takes_an_objection_to_everything_once_and_notes_it(ada, news):
    path = f"/preferences/{manage_link(ada)}/data/"
    for _ in range(2):
        assert stranger().post(path, {"ask": "object"}).status_code == 200
    assert reason(ada, news) == "objected"
    assert ConsentEvent.objects.filter(kind=Kind.OBJECTED).count() == 1
    request = SubjectRequest.objects.get()
    assert (request.kind, request.state) == ("objection", "done")
    assert "You objected to every use" in stranger().get(path).content.decode()


def test_it_takes_an_objection_again_after_the_person_came_back(ada, news):
    path = f"/preferences/{manage_link(ada)}/data/"
    stranger().post(path, {"ask": "object"})
    make.granted(ada, news)
    services.save_preferences(
        contact=ada, choices=[services.Choice(news, Channel.EMAIL, True, make.wording(news))]
    )
    assert reason(ada, news) == ""
    stranger().post(path, {"ask": "object"})
    assert reason(ada, news) == "objected"


# Erasing


def test_it_says_before_what_goes_and_what_stays_and_offers_all_proofs(ada, news):
    path = f"/preferences/{manage_link(ada)}/data/erase/"
    page = stranger().get(path).content.decode()
    for said in ("What goes", "What stays, and why", "A keyed trace of your address"):
        assert said in page
    assert "data.json" in page
    receipt = stranger().post(path, {"do": "receipt:product-news:email"})
    assert receipt["Content-Disposition"] == 'attachment; filename="receipt-product-news.json"'
    assert Contact.objects.get().erased_at is None


def test_it_erases_at_once_and_notes_the_request_as_fulfilled(ada, news):
    link = manage_link(ada)
    path = f"/preferences/{link}/data/erase/"
    page = stranger().post(path, {"do": "erase"}).content.decode()
    assert "Your data is erased" in page
    ada.refresh_from_db()
    assert ada.erased_at
    assert not Identity.objects.exists()
    request = SubjectRequest.objects.get()
    assert (request.kind, request.state, str(request.outcome)) == (
        "erasure", "done", "Done at once.",
    )  # fmt: skip
    assert request.manifest["contacts.Identity"] == 1
    assert request.received_at <= request.settled_at < request.due_at
    assert [event.kind for event in ConsentEvent.objects.order_by("pk")][-2:] == [
        "objected",
        "erased",
    ]
    assert Suppression.objects.filter(cause="erased").exists()
    assert stranger().get(path).status_code == 410
    assert stranger().post(path, {"do": "erase"}).status_code == 410
    assert stranger().get(f"/preferences/{link}/").status_code == 410


def test_it_settles_the_erasure_that_staff_had_noted_before(ada):
    noted = rights.receive(contact=ada, kind="erasure", how="by phone")
    stranger().post(f"/preferences/{manage_link(ada)}/data/erase/", {"do": "erase"})
    noted.refresh_from_db()
    assert (noted.state, noted.how) == ("done", "")
    assert SubjectRequest.objects.count() == 1


def test_it_leaves_the_erasure_to_staff_where_a_hold_stands_and_stops_everything(ada, news):
    hold = rights.place_hold(contact=ada, reason="A claim in court", placer_id=None)
    path = f"/preferences/{manage_link(ada)}/data/erase/"
    assert "For a reason in law" in stranger().get(path).content.decode()
    for _ in range(2):
        page = stranger().post(path, {"do": "erase"}).content.decode()
        assert "You will have our answer by" in page
    assert Contact.objects.get().erased_at is None
    assert reason(ada, news) == "objected"
    request = SubjectRequest.objects.get()
    assert (request.kind, request.state) == ("erasure", "open")
    assert timedelta(days=27) < request.due_at - timezone.now() < timedelta(days=32)
    rights.lift_hold(hold=hold)
    assert "Your data is erased" in stranger().post(path, {"do": "erase"}).content.decode()
    request.refresh_from_db()
    assert request.state == "done"


def test_it_leaves_the_erasure_to_staff_where_its_journal_cannot_be_written(
    ada, news, settings, tmp_path, caplog
):
    full = tmp_path / "full"
    full.touch()
    settings.ASSENT_JOURNAL = full / "journal"
    page = stranger().post(f"/preferences/{manage_link(ada)}/data/erase/", {"do": "erase"})
    assert "your request is noted" in page.content.decode()
    assert "could not be erased" in caplog.text
    assert Identity.objects.exists()
    assert reason(ada, news) == "objected"
    assert SubjectRequest.objects.get().state == "open"


def test_it_waits_for_what_is_on_its_way_before_it_erases(ada, monkeypatch):
    asked = []

    def question(contact, topic_id, channel):
        contact.refresh_from_db()
        asked.append(contact.erased_at)
        return len(asked) < 3

    monkeypatch.setattr("consent.in_flight._questions", [question])
    stranger().post(f"/preferences/{manage_link(ada)}/data/erase/", {"do": "erase"})
    assert asked == [None, None, None]
    assert Contact.objects.get().erased_at


def test_it_erases_all_the_same_where_a_hand_over_stays_in_doubt(ada, monkeypatch, caplog):
    monkeypatch.setattr("consent.in_flight.PATIENCE_S", 0)
    monkeypatch.setattr("consent.in_flight._questions", [lambda *_: True])
    page = stranger().post(f"/preferences/{manage_link(ada)}/data/erase/", {"do": "erase"})
    assert "Your data is erased" in page.content.decode()
    assert "while a hand-over is in doubt" in caplog.text
