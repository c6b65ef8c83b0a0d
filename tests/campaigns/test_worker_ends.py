"""A worker that ends in the middle of a unit, or loses its lane: what it knows is written down."""

import mmap
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import LazySettings
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection

from campaigns import claims, delivery, stopping
from campaigns.models import Campaign, Delivery
from contacts.models import Contact
from tests import make
from tests.beside import elsewhere, wait_until
from tests.campaigns import engine
from tests.sink import Mode, Sink

pytestmark = pytest.mark.django_db(transaction=True)


class Dies(BaseEmailBackend):
    """Ends the process at the first message."""

    def send_messages(self, email_messages: object) -> int:
        raise SystemExit


@pytest.fixture(autouse=True)
def _one_lane(settings: LazySettings) -> None:
    settings.DELIVERY_LANES = 1


def campaign_to(count: int, **fields: object) -> Campaign:
    topic = make.topic()
    for _ in range(count):
        make.granted(make.contact(), topic)
    return engine.started(make.campaign(topic, **fields))


def test_it_ends_after_the_message_it_is_at_when_the_worker_shuts_down(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "_flag", mmap.mmap(-1, 1))
    campaign = campaign_to(delivery.FIRST_UNIT + 5)
    sink.change(Mode(delay=0.3))
    lane = elsewhere(lambda: delivery.work(campaign_id=campaign.pk, number=0))
    wait_until(sink.count, "the first message")

    stopping.stop()
    lane.join()

    went = sink.count()
    assert 1 <= went < delivery.FIRST_UNIT
    assert engine.states(campaign) == {"sent": went, "pending": delivery.FIRST_UNIT + 5 - went}
    assert not Delivery.objects.filter(state="pending").exclude(attempt=0).exists()
    assert delivery.work(campaign_id=campaign.pk, number=0) is delivery.Ending.NOT_MINE
    assert sink.count() == went


def test_it_knows_of_nobody_when_the_worker_dies_in_the_hand_over() -> None:
    campaign = campaign_to(2, sender=make.sender(name="Dies", transport=f"{__name__}.Dies"))

    with pytest.raises(SystemExit):
        delivery.work(campaign_id=campaign.pk, number=0)

    assert set(Delivery.objects.values_list("state", "reason")) == {("unknown", "no_answer")}


def test_it_puts_back_what_was_claimed_when_no_letter_can_be_written(sink: Sink) -> None:
    campaign = campaign_to(2)
    # No door writes this; it stands for a fault of ours.
    Contact.objects.update(attributes=[])

    with pytest.raises(TypeError):
        delivery.work(campaign_id=campaign.pk, number=0)

    assert sink.count() == 0
    assert set(Delivery.objects.values_list("state", "attempt")) == {("pending", 0)}


@contextmanager
def next_at_the_lane(campaign: Campaign) -> Iterator[None]:
    """Somebody waits for the lock of the lane, gets it as soon as it is free, and keeps it a while."""
    key = claims.lock_key(campaign.pk, 0)
    over = threading.Event()

    def wait() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [key])
            over.wait(60)
            cursor.execute("SELECT pg_advisory_unlock(%s)", [key])

    waiting = elsewhere(wait)
    asks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with connection.cursor() as cursor:
        wait_until(lambda: cursor.execute(asks).fetchone()[0], "the next at the lane")
    try:
        yield
    finally:
        over.set()
        waiting.join()


def test_it_writes_down_what_it_knows_when_somebody_else_took_its_lane(sink: Sink) -> None:
    campaign = campaign_to(40)
    sink.change(Mode(delay=0.1))
    lane = elsewhere(lambda: delivery.work(campaign_id=campaign.pk, number=0))
    wait_until(Delivery.objects.filter(state="sent").exists, "the first record")
    with next_at_the_lane(campaign), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            " AND granted AND (classid::bigint << 32) + objid::bigint = %s",
            [claims.lock_key(campaign.pk, 0)],
        )
        lane.join()
        went = sink.count()
        assert engine.states(campaign) == {"sent": went, "pending": 40 - went}

    sink.change(Mode())
    engine.work(campaign)
    recipients = [taken.recipient for taken in sink.taken()]
    assert len(recipients) == len(set(recipients)) == 40
    assert engine.states(campaign) == {"sent": 40}
