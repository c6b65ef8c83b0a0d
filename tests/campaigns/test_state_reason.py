"""Why a campaign stands still: kept in no language, said in the reader's, with its figures."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.html import escape

from campaigns import feedback, message_ids, progress, services
from campaigns.models import Campaign, CampaignContent, Heartbeat
from campaigns.reports import Report, What
from tests import make
from tests.campaigns import engine
from tests.sink import Sink

pytestmark = pytest.mark.django_db


def sending() -> Campaign:
    campaign = make.campaign(make.topic())
    Campaign.objects.filter(pk=campaign.pk).update(
        state=Campaign.State.SENDING, send_at=timezone.now()
    )
    return campaign


def shown(language: str) -> list[str]:
    """What the desk's page, its first page and the API say to a reader of this language."""
    client = Client(headers={"accept-language": language})
    client.force_login(make.staff(f"reads-{language}"))
    campaign = Campaign.objects.get()
    pages = [
        client.get(reverse(f"admin:campaigns_campaign_{name}", args=args)).content.decode()
        for name, args in (("change", [campaign.pk]), ("running", []))
    ]
    return [*pages, client.get(f"/api/campaigns/{campaign.pk}/").json()["state_reason"]]


def says(language: str, words: str) -> bool:
    return all(words in each for each in shown(language))


@pytest.mark.django_db(transaction=True)
def test_it_says_figures_in_the_reader_s_language_when_a_french_request_wrote_them(sink: Sink):
    topic = make.topic()
    for _ in range(25):
        make.granted(make.contact(), topic)
    campaign = engine.work(engine.started(make.campaign(topic)))
    Campaign.objects.filter(pk=campaign.pk).update(state=Campaign.State.SENDING)
    with translation.override("fr"):
        for one in campaign.deliveries.all():
            key = message_ids.current_key()
            sent_as = message_ids.spell(campaign.pk, one.pk, domain="acme.example", key=key)
            feedback.take(Report(What.BOUNCED, message_id=sent_as, status="5.7.1"))
    assert says("en", "20 messages came back: look at what the mail servers say.")
    assert says("fr", "20 messages sont revenus")


def test_it_says_in_the_reader_s_language_what_is_wrong_with_the_words():
    campaign = sending()
    Campaign.objects.update(state=Campaign.State.SCHEDULED)
    CampaignContent.objects.filter(campaign=campaign).update(body="Hello {% if contact.city")
    make.organization()
    progress.start(campaign.pk)
    assert says("en", "Line 1 of the body cannot be read: “{%” is never closed.")
    assert says("fr", "«\u00a0{%\u00a0» n\u2019est jamais fermé")


def test_it_says_in_the_reader_s_language_that_the_clock_stood_still():
    sending()
    Heartbeat.objects.update_or_create(
        name="tick", defaults={"at": timezone.now() - timedelta(hours=2)}
    )
    progress.beat()
    assert says("en", "was a backup restored?")
    assert says("fr", "une sauvegarde a-t-elle été restaurée")


@pytest.mark.parametrize("words", ["draft", '{"text": "draft"}', "50 % off, %(count)d %s"])
def test_it_leaves_as_they_are_the_words_that_somebody_typed(words: str):
    services.pause_campaign(campaign=sending(), reason=words)
    assert Campaign.objects.get().state_reason == words
    *pages, api = shown("fr")
    assert api == words
    assert all(escape(words) in page for page in pages)
