"""A real worker and a real beat send over real SMTP; what is killed is found again."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from campaigns import services
from campaigns.models import Campaign, Delivery
from contacts import services as contacts
from tests import make, processes
from tests.campaigns import engine
from tests.sink import Sink

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
        processes.wait_for(lambda: _is_sent(campaign), seconds=40, what="the campaign")

    # Receipts of the consent itself come the same way.
    newsletters = [raw for raw in sink.messages() if b"\r\nList-Id: " in raw]
    recipients = sorted(engine.recipient_of(raw) for raw in newsletters)
    assert recipients == sorted(f"reader{number}@example.org" for number in range(30))
    assert engine.states(campaign) == {"sent": 30, "withheld": 1}
    assert not Delivery.objects.filter(state="sent", event=None).exists()
