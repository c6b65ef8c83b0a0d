"""My data: what is held, to read, to take away and to ask about."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from consent import gate
from consent.models import ConsentEvent, Kind
from contacts.models import Channel, Contact, SubjectRequest
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


@pytest.mark.parametrize("page", ["data/", "data.json"])
def test_it_is_closed_to_whoever_has_no_fresh_link(ada, news, page):
    assert stranger().get(f"/preferences/{stop_link(ada, news.key)}/{page}").status_code == 404
    old = manage_link(ada, lifetime_s=-1)
    assert stranger().get(f"/preferences/{old}/{page}").status_code == 410


def test_it_stops_everything_at_once_when_somebody_wants_to_be_erased(ada, news):
    path = f"/preferences/{manage_link(ada)}/data/"
    for _ in range(2):
        assert stranger().post(path, {"ask": "erase"}).status_code == 200
    request = SubjectRequest.objects.get()
    assert (request.kind, request.state) == ("erasure", "open")
    assert timedelta(days=27) < request.due_at - timezone.now() < timedelta(days=32)
    assert reason(ada, news) == "objected"
    assert "you will have our answer by" in stranger().get(path).content.decode()


def test_it_restricts_and_lifts_the_restriction_at_once(ada, news):
    path = f"/preferences/{manage_link(ada)}/data/"
    stranger().post(path, {"ask": "restrict"})
    stranger().post(path, {"ask": "restrict"})
    assert reason(ada, news) == "restricted"
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
    assert request.how.endswith(": My name is Ada King.")


def test_it_changes_nothing_when_it_is_only_looked_at_or_asked_for_something_else(ada):
    path = f"/preferences/{manage_link(ada)}/data/"
    before = ConsentEvent.objects.count()
    stranger().get(path, {"ask": "erase"})
    stranger().post(path, {"ask": "everything"})
    assert stranger().post(path + "../data.json").status_code in (404, 405)
    assert ConsentEvent.objects.count() == before
    assert Contact.objects.get().erased_at is None
