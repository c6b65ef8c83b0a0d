"""What the relay says decides: later, never, or stop and ask a person."""

import socketserver
import threading
from datetime import UTC, datetime, time, timedelta

import pytest
from django.conf import LazySettings
from django.core.mail import EmailMessage
from django.utils import timezone

from campaigns import delivery, quiet, services
from campaigns.models import Campaign, Delivery
from campaigns.throttle import Bucket, Throttle
from tests import make
from tests.campaigns import engine
from tests.sink import Mode, Sink

pytestmark = pytest.mark.django_db(transaction=True)


def _campaign_to(count: int, **fields: object) -> Campaign:
    topic = make.topic()
    for _ in range(count):
        make.granted(make.contact(), topic)
    return engine.started(make.campaign(topic, **fields))


@pytest.fixture(autouse=True)
def _one_lane(settings: LazySettings) -> None:
    settings.DELIVERY_LANES = 1


def test_it_tries_again_later_when_the_relay_puts_off(sink: Sink) -> None:
    campaign = _campaign_to(1)
    sink.change(Mode(refuse={".*": "451 4.7.1 greylisted, come back"}))

    engine.work(campaign)

    row = Delivery.objects.get()
    assert (row.state, row.attempt) == ("pending", 1)
    assert row.due_at is not None
    assert timedelta(seconds=50) < row.due_at - timezone.now() <= timedelta(minutes=1)
    assert "greylisted" in row.diagnostic

    sink.change(Mode())
    engine.work(campaign)
    assert sink.count() == 0
    engine.wait_is_over(campaign)
    engine.work(campaign)
    assert (sink.count(), campaign.state) == (1, Campaign.State.SENT)
    assert Delivery.objects.get().attempt == 2


def test_it_gives_up_after_the_last_attempt(sink: Sink) -> None:
    campaign = _campaign_to(1)
    sink.change(Mode(refuse={".*": "451 4.7.1 not now"}))

    for _ in range(delivery.ATTEMPTS):
        engine.work(campaign)
        engine.wait_is_over(campaign)
    engine.work(campaign)

    row = Delivery.objects.get()
    assert (row.state, row.reason, row.attempt) == ("failed", "given_up", delivery.ATTEMPTS)
    assert campaign.state == Campaign.State.SENT


def test_it_fails_for_good_when_the_relay_refuses(sink: Sink) -> None:
    campaign = _campaign_to(2)
    refused = Delivery.objects.first()
    assert refused is not None
    sink.change(Mode(refuse={refused.contact.identity.email: "550 5.1.1 no such user"}))

    engine.work(campaign)

    refused.refresh_from_db()
    assert (refused.state, refused.reason) == ("failed", "refused_by_relay")
    assert "no such user" in refused.diagnostic
    assert engine.states(campaign) == {"failed": 1, "sent": 1}
    assert campaign.state == Campaign.State.SENT


@pytest.mark.parametrize(
    ("attempt", "is_loss", "seconds"),
    [(1, False, 60), (2, False, 240), (5, False, 14400), (1, True, 5)],
)
def test_it_waits_longer_after_each_attempt(attempt: int, is_loss: bool, seconds: int) -> None:
    assert delivery.backoff(attempt, is_loss=is_loss) == timedelta(seconds=seconds)


def test_it_pauses_with_the_reason_after_a_burst_of_refusals(sink: Sink) -> None:
    campaign = _campaign_to(40)
    sink.change(Mode(refuse={".*": "550 5.7.1 you are on a blocklist"}))

    engine.work(campaign)

    assert campaign.state == Campaign.State.PAUSED
    assert "25 of the last 50" in str(campaign.state_reason)
    assert "blocklist" in str(campaign.state_reason)
    states = engine.states(campaign)
    assert states["failed"] <= delivery.BURST + 20
    services.cancel_campaign(campaign=campaign)


def test_it_pauses_before_it_burns_the_audience_when_nothing_is_answered(sink: Sink) -> None:
    campaign = _campaign_to(40)
    sink.change(Mode(drop_after=1))

    engine.work(campaign)

    assert campaign.state == Campaign.State.PAUSED
    words = "3 messages in a row went out and had no answer: connection lost after the final dot"
    assert str(campaign.state_reason) == words
    assert engine.states(campaign) == {"unknown": delivery.UNANSWERED, "pending": 37}


def test_it_goes_on_when_answers_come_between(sink: Sink) -> None:
    campaign = _campaign_to(40)
    sink.change(Mode(drop_after=15))

    engine.work(campaign)
    engine.wait_is_over(campaign)
    engine.work(campaign)

    assert campaign.state == Campaign.State.SENT
    assert engine.states(campaign) == {"unknown": 2, "sent": 38}


class _LeavesBeforeTheContent(socketserver.StreamRequestHandler):
    """A relay that hangs up as soon as it is asked to take a message."""

    def handle(self) -> None:
        self.wfile.write(b"220 hello\r\n")
        for line in self.rfile:
            if line.startswith(b"DATA"):
                return
            self.wfile.write(b"250 ok\r\n")


def test_it_pauses_when_every_connection_is_lost_before_the_content(settings: LazySettings) -> None:
    campaign = _campaign_to(80)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _LeavesBeforeTheContent) as relay:
        threading.Thread(target=relay.serve_forever).start()
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", relay.server_address[1]
        engine.work(campaign)
        relay.shutdown()

    assert campaign.state == Campaign.State.PAUSED
    assert "25 of the last 50 messages were not taken" in str(campaign.state_reason)
    assert engine.states(campaign) == {"pending": 80}


@pytest.mark.parametrize("transport", ["nowhere.EmailBackend", "django.core.mail.EmailMessage"])
def test_it_pauses_with_the_reason_when_its_backend_is_gone(sink: Sink, transport: str) -> None:
    campaign = _campaign_to(2)
    campaign.sender.transport = transport
    campaign.sender.save(update_fields=["transport"])
    engine.work(campaign)

    services.release_held(campaign=campaign)
    engine.work(campaign)

    assert campaign.state == Campaign.State.PAUSED
    assert "cannot use the email backend" in str(campaign.state_reason)
    assert engine.states(campaign) == {"pending": 2}


def test_it_pauses_and_burns_nobody_when_the_relay_is_out(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "OUTAGE_PATIENCE_S", 0.5)
    monkeypatch.setattr(delivery, "LONGEST_PAUSE_S", 0.2)
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    campaign = _campaign_to(3)

    engine.work(campaign)

    assert campaign.state == Campaign.State.PAUSED
    assert "relay takes no messages" in str(campaign.state_reason)
    assert engine.states(campaign) == {"pending": 3}
    assert set(Delivery.objects.values_list("attempt", flat=True)) == {0}


def test_it_blames_neither_address_nor_relay_for_what_it_cannot_say_itself(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This address needs SMTPUTF8, which the relay does not offer: another one may."""
    monkeypatch.setattr(delivery, "BURST", 1)
    sink.change(Mode(offer="PIPELINING 8BITMIME"))
    topic = make.topic()
    jurgen = make.contact("j\u00fcrgen@example.org")
    for person in (jurgen, make.contact()):
        make.granted(person, topic)
    campaign = engine.started(make.campaign(topic))

    engine.work(campaign)

    assert campaign.state == Campaign.State.SENT
    assert engine.states(campaign) == {"failed": 1, "sent": 1}
    assert jurgen.addresses.get().undeliverable_at is None


def test_it_rides_out_a_short_outage(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "LONGEST_PAUSE_S", 0.1)
    campaign = _campaign_to(3)
    sink.change(Mode(refuse={".*": "421 4.3.2 closed for now"}))
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            sink.change(Mode())

    monkeypatch.setattr(delivery, "_sleep", sleep)
    engine.work(campaign)

    assert (sink.count(), campaign.state) == (3, Campaign.State.SENT)


def test_it_fails_one_person_only_when_the_content_cannot_be_rendered_for_them(sink: Sink) -> None:
    topic = make.topic()
    make.granted(make.contact("ada@example.org", first_name="Ada"), topic)
    make.granted(make.contact("bo@example.org", first_name="Bo"), topic)
    campaign = make.campaign(topic)
    campaign.contents.update(
        body="Hello{% if first_name == 'Bo' %}{{ 10 | divided_by: 0 }}{% endif %}"
    )

    engine.work(engine.started(campaign))

    rows = dict(Delivery.objects.values_list("contact__identity__email", "reason"))
    assert rows == {"ada@example.org": "", "bo@example.org": "not_rendered"}
    assert sink.count() == 1


def test_it_hands_over_to_any_django_backend(
    settings: LazySettings, mailoutbox: list[EmailMessage]
) -> None:
    sender = make.sender(name="Provider", transport="django.core.mail.backends.locmem.EmailBackend")
    campaign = _campaign_to(2, sender=sender)

    engine.work(campaign)

    assert campaign.state == Campaign.State.SENT
    assert len(mailoutbox) == 2
    assert mailoutbox[0].extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_it_waits_for_the_end_of_the_quiet_hours(sink: Sink) -> None:
    now = timezone.now()
    campaign = _campaign_to(
        1,
        quiet_from=(now - timedelta(hours=1)).time(),
        quiet_until=(now + timedelta(hours=1)).time(),
    )

    engine.work(campaign)

    row = Delivery.objects.get()
    assert (sink.count(), row.state, row.attempt) == (0, "pending", 0)
    assert row.due_at is not None
    assert timedelta(minutes=59) < row.due_at - now < timedelta(minutes=61)


@pytest.mark.parametrize(
    ("at", "zone", "hours"),
    [
        ("12:00", "UTC", 0),
        ("22:00", "UTC", 9),
        ("02:00", "UTC", 5),
        ("07:00", "UTC", 0),
        ("20:30", "Europe/Paris", 9.5),
        ("19:30", "Europe/Paris", 0),
        ("12:00", "no such zone", 0),
    ],
)
def test_it_reckons_quiet_hours_on_the_clock_of_the_person(
    at: str, zone: str, hours: float
) -> None:
    now = datetime.combine(datetime(2026, 1, 10), time.fromisoformat(at), UTC)

    wait = quiet.wait(now, start=time(21), end=time(7), timezone=zone, fallback="UTC")

    assert wait == timedelta(hours=hours)


def test_it_sends_at_the_hour_of_each_person(sink: Sink) -> None:
    topic = make.topic()
    for name, zone in {"here": "UTC", "west": "America/New_York", "odd": "nowhere"}.items():
        make.granted(engine.contact_in(zone, f"{name}@example.org"), topic)
    campaign = make.campaign(topic, is_local_time=True)

    engine.work(engine.started(campaign))

    rows = dict(Delivery.objects.values_list("contact__identity__email", "state"))
    assert rows == {
        "here@example.org": "sent", "odd@example.org": "sent", "west@example.org": "pending"
    }  # fmt: skip
    assert campaign.state == Campaign.State.SENDING
    waiting = Delivery.objects.get(state="pending")
    assert waiting.due_at is not None
    assert waiting.due_at - timezone.now() > timedelta(hours=3)


def test_a_bucket_never_gives_more_than_its_minute() -> None:
    bucket = Throttle(Bucket("one of a test", 3))

    assert bucket.take(20)[0] == 1
    granted, wait = bucket.take(20)
    assert granted == 0
    assert 10 < wait <= 20
    bucket.give_back(1)
    assert bucket.take(1)[0] == 1
    bucket.close()
