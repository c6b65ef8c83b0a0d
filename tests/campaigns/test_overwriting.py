"""Two people in one campaign: nobody overwrites words that they have not seen, and nobody loses any."""

import re

import pytest
from django.urls import reverse

from contacts.models import Segment
from tests import make
from tests.campaigns.test_approval import form_of

pytestmark = pytest.mark.django_db
SENTENCE = "Somebody saved this campaign after you opened it."


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
    assert "a enregistré cette campagne après" in shown


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
