"""What changes between a lane's claim and its hand-over, or keeps it from going on."""

import time
from collections.abc import Callable

import pytest
from django.conf import LazySettings
from django.db import connection, transaction

from campaigns import delivery, services
from campaigns.models import Campaign, Delivery, Lane
from contacts.models import Contact
from tests import make
from tests.campaigns import engine
from tests.campaigns.engine import BLOCKED_BY_US, elsewhere
from tests.sink import Mode, Sink

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _one_lane(settings: LazySettings) -> None:
    settings.DELIVERY_LANES = 1


def campaign_to(count: int, **fields: object) -> Campaign:
    topic = make.topic()
    for _ in range(count):
        make.granted(make.contact(), topic)
    return engine.started(make.campaign(topic, **fields))


def work_while(campaign: Campaign, change: Callable[[], object]) -> Campaign:
    """Work at the lane, and change something once its claim has looked at the gate.

    The claim notes how far it walked: until we let go of that row it is not committed, and sees nothing
    of what is.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        assert Lane.objects.select_for_update().get(campaign=campaign)
        lane = elsewhere(lambda: delivery.work(campaign_id=campaign.pk, number=0))
        until = time.monotonic() + 60
        while not cursor.execute(BLOCKED_BY_US).fetchone():
            assert time.monotonic() < until
            time.sleep(0.01)
        elsewhere(change).join()
    lane.join()
    campaign.refresh_from_db()
    return campaign


def test_it_hands_over_nothing_that_was_claimed_when_the_pause_came(sink: Sink) -> None:
    campaign = campaign_to(2)

    work_while(campaign, lambda: services.pause_campaign(campaign=campaign))

    assert sink.count() == 0
    assert set(Delivery.objects.values_list("state", "attempt")) == {("pending", 0)}
    services.resume_campaign(campaign=campaign)
    assert engine.work(campaign).state == Campaign.State.SENT
    assert sink.count() == 2


def test_it_hands_over_nothing_to_whom_withdrew_after_the_claim(sink: Sink) -> None:
    campaign = campaign_to(1)
    person = Contact.objects.get()

    work_while(campaign, lambda: make.withdrawn(person, campaign.topic))

    assert sink.count() == 0
    assert Delivery.objects.values_list("state", "reason").get() == ("withheld", "withdrawn")


def test_it_hands_over_no_more_once_half_the_lease_is_over(
    sink: Sink, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "WORK_FOR_S", 0.1)
    settings.DELIVERY_LEASE_S = 8
    campaign = campaign_to(delivery.FIRST_UNIT)
    sink.change(Mode(delay=0.8))

    engine.work(campaign)

    assert 1 <= sink.count() <= 5
    left = Delivery.objects.filter(state="pending")
    assert left.count() == delivery.FIRST_UNIT - sink.count()
    assert set(left.values_list("attempt", flat=True)) == {0}


def test_it_sends_nothing_while_nobody_can_say_how_much_was_sent(
    sink: Sink, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "WORK_FOR_S", 0.5)
    campaign = campaign_to(2, per_minute=6000)
    settings.REDIS_URL = "redis://127.0.0.1:9/"

    engine.work(campaign)

    assert (sink.count(), engine.states(campaign)) == (0, {"pending": 2})


def test_it_pauses_with_the_reason_when_the_words_broke_under_way(sink: Sink) -> None:
    campaign = campaign_to(2)
    campaign.contents.update(body="{% if %}")

    engine.work(campaign)

    assert campaign.state == Campaign.State.PAUSED
    assert "The content cannot be sent" in str(campaign.state_reason)
    assert engine.states(campaign) == {"pending": 2}


def test_it_comes_back_for_whom_somebody_had_locked_when_the_lane_came_by(sink: Sink) -> None:
    campaign = campaign_to(3)

    with transaction.atomic():
        assert Delivery.objects.select_for_update().first()
        elsewhere(lambda: engine.work(campaign)).join()
    assert (sink.count(), campaign.state) == (2, Campaign.State.SENDING)

    engine.work(campaign)
    engine.work(campaign)
    assert (sink.count(), campaign.state) == (3, Campaign.State.SENT)
