"""How fast a campaign may go: its own limit beside the sender's, at a real hand-over."""

import time
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns import delivery, services, throttle
from campaigns.admin.progress import Progress, progress_of
from campaigns.models import Campaign, Sender
from campaigns.throttle import Bucket, Throttle
from tests import make
from tests.beside import PATIENCE_S
from tests.campaigns import engine
from tests.sink import Sink

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def a_second_of_work(sink: Sink, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.use(sink, settings)
    settings.DELIVERY_LANES = 1
    monkeypatch.setattr(delivery, "WORK_FOR_S", 1.0)


def started(people: int, **fields: int) -> Campaign:
    topic = make.topic()
    for _ in range(people):
        make.granted(make.contact(), topic)
    return engine.started(make.campaign(topic, **fields))


def paced(campaign: Campaign) -> Campaign:
    """As it is loaded by a lane."""
    return Campaign.objects.select_related("sender").get(pk=campaign.pk)


@pytest.mark.parametrize("limited", [Campaign, Sender])
def test_it_keeps_to_what_one_may_send_a_minute(
    sink: Sink, monkeypatch: pytest.MonkeyPatch, limited: type[Campaign | Sender]
) -> None:
    monkeypatch.setattr(delivery, "WORK_FOR_S", PATIENCE_S)
    campaign = started(20)
    limited._default_manager.update(per_minute=600)

    began = time.monotonic()
    engine.work(campaign)

    # A burst of a second's worth, and then ten a second.
    assert time.monotonic() - began > 0.9
    assert sink.count() == 20


def test_it_keeps_to_the_stricter_of_both_limits(sink: Sink) -> None:
    campaign = started(30, per_minute=60)
    campaign.sender.per_minute = 6000
    campaign.sender.save(update_fields=["per_minute"])

    began = timezone.now()
    engine.work(campaign)
    took = (timezone.now() - began).total_seconds()

    assert 1 <= sink.count() <= 1 + took + 1
    assert throttle.pace(paced(campaign)) == 60


def test_it_shares_the_sender_s_limit_among_its_campaigns(sink: Sink) -> None:
    first = started(10, per_minute=6000)
    first.sender.per_minute = 60
    first.sender.save(update_fields=["per_minute"])
    second = engine.started(make.campaign(first.topic, name="Second", per_minute=6000))

    began = timezone.now()
    engine.work(first)
    engine.work(second)
    took = (timezone.now() - began).total_seconds()

    assert sink.count() <= 1 + took + 1


def test_it_gives_back_what_it_may_send_and_has_nobody_for(sink: Sink) -> None:
    campaign = started(1, per_minute=600)

    engine.work(campaign)

    assert (sink.count(), campaign.state) == (1, Campaign.State.SENT)
    bucket = throttle.of(paced(campaign))
    assert bucket is not None
    granted, _wait = bucket.take(10)
    bucket.close()
    assert granted >= 9


def test_it_goes_as_fast_as_it_can_where_nothing_limits_it(sink: Sink) -> None:
    campaign = started(30)
    assert throttle.of(paced(campaign)) is None
    engine.work(campaign)
    assert sink.count() == 30


def test_no_bucket_gives_while_another_is_empty() -> None:
    small, large = Bucket("small of a test", 3), Bucket("large of a test", 600)
    both = Throttle(small, large)
    assert both.take(20)[0] == 1
    granted, wait = both.take(20)
    assert granted == 0
    assert 10 < wait <= 20
    assert Throttle(large).take(20)[0] == 9
    both.give_back(1)
    assert both.take(20)[0] == 1


def test_it_changes_the_pace_under_way(client: Client) -> None:
    campaign = started(5, per_minute=60)
    client.force_login(make.staff())
    page = reverse("admin:campaigns_campaign_pace", args=[campaign.pk])
    assert b'value="60"' in client.get(page).content
    client.post(page, {"per_minute": "120"})
    assert throttle.pace(paced(campaign)) == 120
    client.post(page, {"per_minute": ""})
    assert throttle.pace(paced(campaign)) is None
    assert b"greater than or equal to 1" in client.post(page, {"per_minute": "0"}).content


def test_it_refuses_a_pace_once_the_campaign_is_over() -> None:
    campaign = started(0)
    services.cancel_campaign(campaign=campaign)
    with pytest.raises(services.AlreadyOver):
        services.set_pace(campaign=campaign, per_minute=5)


def test_a_copy_goes_at_the_same_pace() -> None:
    campaign = make.campaign(make.topic(), per_minute=30)
    copy = services.duplicate_campaign(campaign=campaign, name="Copy", author_id=None)
    assert copy.per_minute == 30


def test_it_says_on_the_page_what_the_pace_means(client: Client) -> None:
    campaign = started(7, per_minute=2)
    client.force_login(make.staff())
    page = reverse("admin:campaigns_campaign_progress", args=[campaign.pk])
    shown = client.get(page).content.decode()
    assert "at most 2 a minute: 4\xa0minutes for those who wait" in shown


@pytest.mark.parametrize(
    ("rate", "is_settled", "hours"),
    [(0, False, 10), (50, False, 10), (0, True, 10), (50, True, 20), (400, True, 10)],
)
def test_it_reckons_with_the_pace_until_a_minute_has_shown_the_rate(
    rate: int, is_settled: bool, hours: int
) -> None:
    seen = Progress({"pending": 60_000}, rate=rate, pace=100, is_settled=is_settled)
    assert seen.left == timedelta(hours=hours)


def test_it_never_says_that_no_minute_is_left() -> None:
    assert Progress({"pending": 3}, rate=3).is_nearly_done
    almost_two = Progress({"pending": 5}, rate=3)
    assert not almost_two.is_nearly_done
    assert almost_two.ends_at - timezone.now() >= timedelta(seconds=100)


def test_it_says_that_the_last_ones_wait_for_their_own_hour(client: Client) -> None:
    topic = make.topic()
    make.granted(make.contact(timezone="Pacific/Honolulu"), topic)
    campaign = make.campaign(topic, is_local_time=True)
    engine.started(campaign)
    seen = progress_of(paced(campaign))
    assert seen.last_due_at is not None
    assert seen.last_due_at - timezone.now() > timedelta(hours=9)
    client.force_login(make.staff())
    page = reverse("admin:campaigns_campaign_progress", args=[campaign.pk])
    assert b"wait for their own hour until" in client.get(page).content
