"""A real worker and a real beat send over real SMTP; what is killed is found again."""

from datetime import timedelta
from pathlib import Path

import pytest
from celery import current_app
from django.utils import timezone

from campaigns import services
from campaigns.models import Campaign, Delivery, Unit
from consent.models import ServiceMail
from contacts import services as contacts
from tests import make, processes
from tests.beside import PATIENCE_S, wait_until
from tests.campaigns import engine
from tests.sink import Mode, Sink

pytestmark = pytest.mark.django_db(transaction=True)


def _is_sent(campaign: Campaign) -> bool:
    campaign.refresh_from_db()
    return campaign.state == Campaign.State.SENT


def test_it_starts_by_itself_and_reaches_everybody_when_worker_and_beat_run(
    sink: Sink, tmp_path: Path
) -> None:
    contacts.record_key_checks()
    topic = make.topic()
    for number in range(30):
        make.granted(make.contact(f"reader{number}@example.org"), topic)
    make.contact("never@example.org")
    make.organization()
    campaign = make.campaign(topic)
    services.schedule_campaign(
        campaign=campaign, send_at=timezone.now() + timedelta(seconds=2), actor_id=None
    )
    environment = processes.environment()

    with (
        processes.running(processes.worker_command("one"), environment),
        processes.running(processes.beat_command(tmp_path), environment),
    ):
        wait_until(lambda: _is_sent(campaign), "the campaign")

    # Receipts of the consent itself come the same way.
    newsletters = [raw for raw in sink.messages() if b"\r\nList-Id: " in raw]
    recipients = sorted(engine.recipient_of(raw) for raw in newsletters)
    assert recipients == sorted(f"reader{number}@example.org" for number in range(30))
    assert engine.states(campaign) == {"sent": 30, "withheld": 1}
    assert not Delivery.objects.filter(state="sent", event=None).exists()


def _sending_slowly(sink: Sink, count: int) -> Campaign:
    contacts.record_key_checks()
    topic = make.topic()
    for _ in range(count):
        make.granted(make.contact(), topic)
    ServiceMail.objects.all().delete()
    sink.change(Mode(delay=0.1))  # it would take 20 s: time enough to end a worker
    return engine.started(make.campaign(topic))


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_it_leaves_nothing_unknown_when_a_worker_is_shut_down_in_mid_campaign(
    sink: Sink, pool: str
) -> None:
    campaign = _sending_slowly(sink, 200)
    command = processes.worker_command("one", pool=pool)

    with processes.running(command, processes.environment()) as worker:
        current_app.send_task("campaigns.tick")
        wait_until(lambda: sink.count() > 10, "the first messages")
        worker.terminate()
        worker.wait(PATIENCE_S)
    engine.lanes_are_let_go(campaign)
    sent = sink.count()

    assert 10 < sent < 200
    assert engine.states(campaign) == {"sent": sent, "pending": 200 - sent}
    sink.change(Mode())
    engine.work(campaign)
    recipients = [taken.recipient for taken in sink.taken()]
    assert len(recipients) == len(set(recipients)) == 200
    assert campaign.state == Campaign.State.SENT


def test_it_shows_at_most_a_unit_for_each_connection_when_a_worker_is_killed(
    sink: Sink, tmp_path: Path
) -> None:
    campaign = _sending_slowly(sink, 200)

    with processes.running(processes.worker_command("one"), processes.environment()) as worker:
        current_app.send_task("campaigns.tick")
        wait_until(lambda: sink.count() > 10, "the first messages")
        processes.kill(worker)
    engine.lanes_are_let_go(campaign)
    claimed = engine.states(campaign).get("claimed", 0)
    Unit.objects.update(lease_until=timezone.now())
    sink.change(Mode())
    engine.work(campaign)

    recipients = [taken.recipient for taken in sink.taken()]
    assert len(recipients) == len(set(recipients))
    assert claimed <= 2 * 50
    assert engine.states(campaign) == {
        "sent": 200 - claimed,
        **({"unknown": claimed} if claimed else {}),
    }
    unreached = Delivery.objects.exclude(contact__identity__email__in=recipients)
    assert set(unreached.values_list("state", flat=True)) <= {"unknown"}
