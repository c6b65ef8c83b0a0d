"""Confirming a sign-up by the link that was mailed."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from consent import ledger, links, services
from consent.models import ConsentEvent, Kind, Method, Permission, ServiceMail
from contacts import services as contacts
from contacts.models import Address, Channel
from tests import make
from tests.consent.public import mailed, stranger

pytestmark = pytest.mark.django_db


@pytest.fixture
def news():
    make.organization()
    return make.topic()


def sign_up(topic, language="en"):
    return services.request_consent(
        email="bo@example.org", wordings=[make.wording(topic, language=language)], language=language
    )


def test_it_shows_the_words_and_confirms_nothing_when_a_scanner_looks(news):
    bo = sign_up(news)
    [link] = mailed("confirm")
    for _ in range(3):
        page = stranger().get(link)
        stranger().head(link)
        stranger().options(link)
    assert make.wording(news).text in page.content.decode()
    assert bo.permissions.get().state == Permission.State.PENDING


def test_it_gives_what_was_asked_for_when_the_button_is_pressed(news):
    bo = sign_up(news)
    [link] = mailed("confirm")
    answer = stranger().post(link)
    assert answer.status_code == 200
    event = bo.permissions.get().event
    assert (event.kind, event.method) == (Kind.GIVEN, Method.CONFIRMATION)
    assert Address.objects.get().verified_at
    assert ServiceMail.objects.filter(purpose="receipt").count() == 1


def test_it_adds_nothing_when_it_is_pressed_twice(news):
    sign_up(news)
    [link] = mailed("confirm")
    assert stranger().post(link).content == stranger().post(link).content
    assert ConsentEvent.objects.filter(kind=Kind.GIVEN).count() == 1


def test_it_changes_nothing_when_the_person_said_no_since(news):
    bo = sign_up(news)
    [link] = mailed("confirm")
    make.withdrawn(bo, news)
    assert "Nothing was changed" in stranger().post(link).content.decode()
    assert bo.permissions.get().state == Permission.State.WITHDRAWN


def opened(link: str) -> str:
    """What the page says when it is looked at again; looking writes nothing."""
    before = (ConsentEvent.objects.count(), ServiceMail.objects.count())
    page = stranger().get(link)
    assert page.status_code == 200
    assert (ConsentEvent.objects.count(), ServiceMail.objects.count()) == before
    return page.content.decode()


def test_it_says_that_it_is_confirmed_when_it_is_opened_again(news):
    sign_up(news)
    [link] = mailed("confirm")
    stranger().post(link)
    page = opened(link)
    assert "This is confirmed already" in page
    assert make.wording(news).text in page
    assert "<form" not in page
    assert 'href="/preferences/"' in page


def test_it_says_nothing_of_why_when_it_stands_no_more(news):
    """Who holds a forwarded link learns neither that somebody said no, nor when, nor of a complaint."""
    bo = sign_up(news)
    [link] = mailed("confirm")
    stranger().post(link)
    make.withdrawn(bo, news)
    withdrawn = opened(link)
    assert "nothing to confirm any more" in withdrawn
    assert 'href="/preferences/"' in withdrawn
    services.object_to_everything(contact=bo, method=Method.PREFERENCES)
    assert opened(link) == withdrawn
    services.retire_topic(topic=news)
    assert opened(link) == withdrawn
    assert stranger().post(link).content.decode() == withdrawn


def test_it_asks_only_for_what_is_left_to_confirm(news):
    other = make.topic("events", public_name="Events")
    bo = services.request_consent(
        email="bo@example.org", wordings=[make.wording(news), make.wording(other)], language="en"
    )
    [link] = mailed("confirm")
    make.granted(bo, news)
    page = opened(link)
    assert make.wording(other).text in page
    assert make.wording(news).text not in page
    stranger().post(link)
    assert services.is_allowed(contact=bo, topic=other, channel=Channel.EMAIL)


@pytest.mark.parametrize("kind", [Kind.REVOKED, Kind.INVALIDATED, Kind.EXPIRED])
def test_it_changes_nothing_when_the_permission_was_ended_since(news, kind):
    bo = sign_up(news)
    [link] = mailed("confirm")
    stranger().post(link)
    ledger.record(
        contact=bo,
        topic=news,
        channel=Channel.EMAIL,
        kind=kind,
        method=Method.STAFF,
        actor=ledger.staff(None),
    )
    stranger().post(link)
    assert not services.is_allowed(contact=bo, topic=news, channel=Channel.EMAIL)


def test_it_says_so_when_the_link_has_expired(news):
    bo = sign_up(news)
    token = links.manage_token(
        "confirm", lifetime_s=-1, address=bo.addresses.get().pk, wordings=[make.wording(news).pk]
    )
    answer = stranger().post(f"/confirm/{token}/")
    assert answer.status_code == 410
    assert "works for one week" in answer.content.decode()
    assert 'href="/preferences/"' in answer.content.decode()
    assert bo.permissions.get().state == Permission.State.PENDING


def test_it_confirms_nothing_when_the_address_has_changed(news):
    bo = sign_up(news)
    [link] = mailed("confirm")
    contacts.change_address(contact=bo, channel=Channel.EMAIL, address="new@example.org")
    assert stranger().post(link).status_code == 410
    assert bo.permissions.get().state == Permission.State.PENDING


def test_it_confirms_nothing_when_the_topic_was_retired(news):
    bo = sign_up(news)
    [link] = mailed("confirm")
    services.retire_topic(topic=news)
    assert "nothing to confirm any more" in stranger().get(link).content.decode()
    stranger().post(link)
    assert bo.permissions.get().state == Permission.State.PENDING


@pytest.mark.parametrize("purpose", ["manage", "undo"])
def test_it_does_not_take_a_link_made_for_something_else(news, purpose):
    bo = sign_up(news)
    token = links.manage_token(
        purpose, lifetime_s=600, address=bo.addresses.get().pk, wordings=[make.wording(news).pk]
    )
    assert stranger().post(f"/confirm/{token}/").status_code == 404


def test_it_speaks_the_language_of_the_form(news):
    sign_up(news, "fr")
    [link] = mailed("confirm")
    page = stranger(accept_language="en").get(link)
    assert page["Content-Language"] == "fr"
    assert '<html lang="fr">' in page.content.decode()


def test_it_bounds_what_an_address_is_sent_in_a_month(news):
    bo = sign_up(news)
    for _ in range(9):
        ServiceMail.objects.update(
            sent_at=timezone.now(), created_at=F("created_at") - timedelta(hours=25)
        )
        sign_up(news)
    assert ServiceMail.objects.filter(contact=bo).count() == services.CONFIRMATIONS_A_MONTH
