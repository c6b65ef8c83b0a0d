"""Prometheus reads what people on call watch, and nobody else does."""

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from campaigns.models import Campaign, Heartbeat
from consent import services
from consent.models import Unsealed
from tests import make

pytestmark = pytest.mark.django_db
TOKEN = "scrape-me"


@pytest.fixture
def figures(client, settings):
    settings.METRICS_TOKEN = TOKEN

    def read():
        answer = client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(answer.content.decode())
            for sample in family.samples
        }

    return read


def test_it_counts_what_waits_when_there_is_something(figures):
    make.organization()
    topic = make.topic()
    services.request_consent(email="bo@example.org", wordings=[make.wording(topic)], language="en")
    make.campaign(topic)
    Heartbeat.objects.create(name="tick", at=timezone.now())

    seen = figures()

    assert seen["assent_campaigns", Campaign.State.DRAFT] == 1
    assert seen["assent_campaigns", Campaign.State.SENDING] == 0
    assert seen[("assent_service_mails_waiting",)] == 1
    assert 0 <= seen[("assent_service_mail_age_seconds",)] < 60
    assert seen[("assent_events_unsealed",)] == Unsealed.objects.count() > 0
    assert 0 <= seen[("assent_tick_age_seconds",)] < 60
    assert seen["assent_queue_length", "deliver"] >= 0


def test_it_leaves_out_an_age_when_there_is_nothing_to_be_old(figures):
    Heartbeat.objects.all().delete()

    seen = figures()

    assert ("assent_tick_age_seconds",) not in seen
    assert ("assent_checkpoint_age_seconds",) not in seen
    assert seen[("assent_units_in_hand",)] == 0


@pytest.mark.parametrize("shown", ["", "Bearer ", "Bearer other", TOKEN, f"Basic {TOKEN}"])
def test_it_is_not_there_when_the_token_is_not_shown(client, settings, shown):
    settings.METRICS_TOKEN = TOKEN

    assert client.get("/metrics", headers={"authorization": shown}).status_code == 404


def test_it_is_not_there_when_no_token_is_set(client):
    answer = client.get("/metrics", headers={"authorization": "Bearer "})

    assert answer.status_code == 404


def test_it_says_so_when_redis_does_not_answer(client, settings):
    settings.METRICS_TOKEN = TOKEN
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    answer = client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})

    assert answer.status_code == 503
    assert answer.content == b"The database or Redis does not answer.\n"
