"""A real worker and a real beat send texts through a real HTTP gateway, from sign-up to STOP."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from campaigns import services
from campaigns.models import Campaign
from consent import services as consent
from contacts import services as contacts
from contacts.models import Channel
from tests import make, processes
from tests.beside import wait_until
from tests.campaigns import engine
from tests.consent.public import stranger, text_link
from tests.gateway import TextGateway

pytestmark = pytest.mark.django_db(transaction=True)
NEWCOMER = "+33699999999"


def _is_sent(campaign: Campaign) -> bool:
    campaign.refresh_from_db()
    return campaign.state == Campaign.State.SENT


def test_it_takes_a_number_in_writes_to_it_and_stops_when_worker_and_beat_run(
    texts: TextGateway, tmp_path: Path
) -> None:
    contacts.record_key_checks()
    make.organization()
    topic = make.topic()
    numbers = [f"+3361000{number:04d}" for number in range(12)]
    for number in numbers:
        make.granted(contacts.create_contact(phone=number), topic, Channel.SMS)
    gone = contacts.find_contact(channel=Channel.SMS, address=numbers[0])
    assert gone is not None
    consent.request_consent(
        phone=NEWCOMER, wordings=[make.wording(topic, Channel.SMS)], language="en"
    )
    environment = processes.environment(
        SMS_URL=texts.sms_url, SMS_FROM="+33700000000", SMS_COUNTRIES="FR"
    )

    with (
        processes.running(processes.worker_command("one"), environment),
        processes.running(processes.beat_command(tmp_path), environment),
    ):
        wait_until(lambda: texts.bodies(NEWCOMER), "the confirmation")
        stranger().post(text_link(texts.bodies(NEWCOMER)[0]))
        consent.stop_by_answer(number=numbers[0], message_id="SM-stop")
        campaign = make.text_campaign(topic)
        services.schedule_campaign(
            campaign=campaign, send_at=timezone.now() + timedelta(seconds=1), actor_id=None
        )
        wait_until(lambda: _is_sent(campaign), "the campaign")

    reached = sorted(text["To"] for text in texts.texts if "Three new books" in text["Body"])
    assert reached == sorted([*numbers[1:], NEWCOMER])
    assert engine.states(campaign) == {"sent": 12, "withheld": 1}
    assert len(texts.bodies(NEWCOMER)) == 2
    stop = text_link(texts.bodies(NEWCOMER)[1])
    stranger().post(stop, {"page": "1", "stop": "topic"})
    newcomer = contacts.find_contact(channel=Channel.SMS, address=NEWCOMER)
    assert newcomer is not None
    assert not consent.is_allowed(contact=newcomer, topic=topic, channel=Channel.SMS)
