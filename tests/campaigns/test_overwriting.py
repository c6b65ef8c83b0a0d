"""Two people in one campaign: nobody overwrites words that they have not seen, and nobody loses any."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.urls import reverse

from campaigns import services
from campaigns.models import Campaign
from contacts.models import Segment
from tests import make
from tests.beside import elsewhere, somebody_waits_for_us
from tests.campaigns.test_approval import form_of

pytestmark = pytest.mark.django_db
SENTENCE = "Somebody saved this after you opened it."


@pytest.fixture
def campaign():
    make.organization()
    return make.campaign(make.topic())


@pytest.fixture
def page(campaign, client):
    client.force_login(make.staff("nora"))
    return reverse("admin:campaigns_campaign_change", args=[campaign.pk])


def seen(answer):
    (digest,) = re.findall(r'name="_seen" value="(\w{64})"', answer.content.decode())
    return digest


CHANGES = {
    "name": lambda campaign: type(campaign).objects.update(name="Theirs"),
    "subject": lambda campaign: campaign.contents.update(subject="Theirs"),
    "body": lambda campaign: campaign.contents.update(body="Theirs"),
    "layout": lambda campaign: campaign.contents.update(layout="letter"),
    "language": lambda campaign: campaign.contents.create(language="fr", subject="x", body="y"),
    "segments": lambda campaign: campaign.segments.add(Segment.objects.create(name="A", rule={})),
    "without": lambda campaign: campaign.excluded_segments.add(
        Segment.objects.create(name="A", rule={})
    ),
    "sender": lambda campaign: type(campaign).objects.update(sender=make.sender(name="Shop")),
}


@pytest.mark.parametrize("part", CHANGES)
def test_it_refuses_once_to_overwrite_what_somebody_saved_meanwhile(client, campaign, page, part):
    opened = seen(client.get(page))
    mine = form_of(campaign, **{"contents-0-body": "Mine, of many hours", "_seen": opened})
    CHANGES[part](campaign)
    refused = client.post(page, mine)
    assert refused.status_code == 200
    shown = refused.content.decode()
    assert SENTENCE in shown
    assert "Mine, of many hours" in shown
    assert "What is saved now" in shown
    assert not campaign.contents.filter(body="Mine, of many hours").exists()
    assert client.post(page, mine | {"_seen": seen(refused)}).status_code == 302
    assert campaign.contents.filter(body="Mine, of many hours").exists()


def test_it_shows_the_words_that_are_saved_now(client, campaign, page):
    mine = form_of(campaign, **{"contents-0-body": "Mine", "_seen": seen(client.get(page))})
    campaign.contents.update(body="Theirs <b>bold</b>")
    shown = client.post(page, mine, headers={"accept-language": "fr"}).content.decode()
    assert "Theirs &lt;b&gt;bold&lt;/b&gt;</pre>" in shown
    assert "a enregistré cette page après" in shown


def test_it_saves_where_nobody_came_between(client, campaign, page):
    opened = seen(client.get(page))
    mine = form_of(campaign, **{"contents-0-body": "Mine", "_seen": opened})
    assert client.post(page, mine).status_code == 302
    assert campaign.contents.get().body == "Mine"
    assert seen(client.get(page)) != opened


def test_it_says_nothing_of_others_where_the_form_itself_is_wrong(client, campaign, page):
    opened = seen(client.get(page))
    refused = client.post(page, form_of(campaign, name="", _seen=opened))
    assert SENTENCE not in refused.content.decode()
    assert seen(refused) == opened


SOON = datetime(2099, 5, 4, 9, 0, tzinfo=UTC)


def schedule_while(campaign: Campaign, press: Callable[[], HttpResponse]) -> HttpResponse:
    """The answer to what was pressed on a draft and waits for a schedule to end."""
    answers: list[HttpResponse] = []

    with transaction.atomic():
        services.schedule_campaign(campaign=campaign, send_at=SOON, actor_id=None)
        pressed = elsewhere(lambda: answers.append(press()))
        somebody_waits_for_us()
    pressed.join()
    return answers[0]


@pytest.mark.django_db(transaction=True)
def test_it_leaves_a_campaign_scheduled_that_was_saved_at_the_same_moment(client, campaign, page):
    mine = form_of(campaign, name="Mine", **{"contents-0-body": "Mine, of many hours"})
    mine["_seen"] = seen(client.get(page))
    refused = schedule_while(campaign, lambda: client.post(page, mine))
    assert refused.status_code == 200
    shown = refused.content.decode()
    assert "This campaign was scheduled or cancelled after you opened it" in shown
    assert "Mine, of many hours" in shown
    saved = Campaign.objects.get()
    assert (saved.state, saved.send_at, saved.name) == ("scheduled", SOON, campaign.name)
    assert not campaign.contents.filter(body="Mine, of many hours").exists()


@pytest.mark.django_db(transaction=True)
def test_it_schedules_once_when_somebody_else_does_at_the_same_moment(client, campaign, page):
    asked = {"day": "2098-01-01", "hour": "11:00", "timezone": "Europe/Paris", "per_minute": "7"}
    url = reverse("admin:campaigns_campaign_schedule", args=[campaign.pk])
    refused = schedule_while(campaign, lambda: client.post(url, asked))
    assert str(services.NotADraft()) in refused.content.decode()
    saved = Campaign.objects.get()
    assert (saved.state, saved.send_at, saved.per_minute) == ("scheduled", SOON, None)
    assert saved.timezone == campaign.timezone
