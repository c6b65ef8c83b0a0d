"""What staff decide about a campaign, and every refusal."""

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns import progress, services
from campaigns.models import Campaign, Delivery, Heartbeat
from tests import make
from tests.campaigns import engine
from tests.sink import Sink

pytestmark = pytest.mark.django_db(transaction=True)
State = Campaign.State


def _in_state(state: State) -> Campaign:
    campaign = make.campaign(make.topic())
    Campaign.objects.filter(pk=campaign.pk).update(state=state, send_at=timezone.now())
    campaign.refresh_from_db()
    return campaign


def test_it_schedules_a_draft_that_is_complete() -> None:
    make.organization()
    campaign = make.campaign(make.topic())
    at = timezone.now() + timedelta(hours=1)

    services.schedule_campaign(campaign=campaign, send_at=at, actor_id=None)

    assert (campaign.state, campaign.send_at) == (State.SCHEDULED, at)


@pytest.mark.parametrize("state", set(State) - {State.DRAFT})
def test_it_refuses_to_schedule_what_is_no_draft(state: State) -> None:
    with pytest.raises(services.NotADraft):
        services.schedule_campaign(campaign=_in_state(state), send_at=timezone.now(), actor_id=None)


def test_it_says_everything_that_is_missing_when_a_draft_is_not_ready() -> None:
    topic = make.topic(status="draft", offers_email=False)
    campaign = make.campaign(topic, timezone="Mars/Olympus")
    campaign.contents.update(body="Hello {{ contact.shoe_size }}")

    with pytest.raises(services.NotReady) as refusal:
        services.schedule_campaign(
            campaign=campaign,
            send_at=timezone.now(),
            latest_start_at=timezone.now() - timedelta(hours=1),
            actor_id=None,
        )

    for words in (
        "shoe_size", "not published", "not offered", "which organization", "latest start",
        "Mars/Olympus",
    ):  # fmt: skip
        assert words in str(refusal.value)


def test_it_refuses_a_campaign_that_says_nothing() -> None:
    make.organization()
    campaign = make.campaign(make.topic())
    campaign.contents.all().delete()

    with pytest.raises(services.NotReady, match="says nothing"):
        services.schedule_campaign(campaign=campaign, send_at=timezone.now(), actor_id=None)


def test_it_refuses_a_sender_whose_transport_does_not_exist() -> None:
    make.organization()
    sender = make.sender(name="Broken", transport="nowhere.EmailBackend")
    campaign = make.campaign(make.topic(), sender=sender)

    with pytest.raises(services.NotReady, match="sender cannot send"):
        services.schedule_campaign(campaign=campaign, send_at=timezone.now(), actor_id=None)


@pytest.mark.parametrize("state", [State.SCHEDULED, State.HELD])
def test_it_makes_a_draft_again_of_what_has_not_started(state: State) -> None:
    campaign = _in_state(state)
    Campaign.objects.update(begins_at=timezone.now(), latest_start_at=timezone.now())

    services.unschedule_campaign(campaign=campaign)
    progress.start_due()

    campaign.refresh_from_db()
    assert campaign.state == State.DRAFT
    assert (campaign.send_at, campaign.begins_at, campaign.latest_start_at) == (None, None, None)


@pytest.mark.parametrize("state", set(State) - {State.SCHEDULED})
def test_it_makes_no_draft_of_what_has_started(state: State) -> None:
    campaign = _in_state(state)
    Campaign.objects.update(started_at=timezone.now())

    with pytest.raises(services.AlreadyStarted):
        services.unschedule_campaign(campaign=campaign)


@pytest.mark.parametrize("state", set(State) - {State.SENDING})
def test_it_refuses_to_pause_what_is_not_sending(state: State) -> None:
    with pytest.raises(services.NotSending):
        services.pause_campaign(campaign=_in_state(state))


@pytest.mark.parametrize("state", set(State) - {State.PAUSED})
def test_it_refuses_to_resume_what_is_not_paused(state: State) -> None:
    with pytest.raises(services.NotPaused):
        services.resume_campaign(campaign=_in_state(state))


@pytest.mark.parametrize("state", set(State) - {State.HELD})
def test_it_refuses_to_release_what_is_not_held(state: State) -> None:
    with pytest.raises(services.NotHeld):
        services.release_held(campaign=_in_state(state))


@pytest.mark.parametrize("state", [State.SENT, State.CANCELLED])
def test_it_refuses_to_cancel_what_is_over(state: State) -> None:
    with pytest.raises(services.AlreadyOver):
        services.cancel_campaign(campaign=_in_state(state))


def test_it_pauses_and_goes_on_where_it_stopped(sink: Sink) -> None:
    topic = make.topic()
    make.granted(make.contact(), topic)
    campaign = engine.started(make.campaign(topic))

    services.pause_campaign(campaign=campaign, reason="wrong picture")
    engine.work(campaign)
    assert (sink.count(), campaign.state_reason) == (0, "wrong picture")

    services.resume_campaign(campaign=campaign)
    engine.work(campaign)
    assert (sink.count(), campaign.state) == (1, State.SENT)


def test_it_withholds_what_is_left_when_a_campaign_is_cancelled(sink: Sink) -> None:
    topic = make.topic()
    make.granted(make.contact(), topic)
    campaign = engine.started(make.campaign(topic))

    services.cancel_campaign(campaign=campaign)
    engine.work(campaign)

    assert sink.count() == 0
    assert Delivery.objects.values_list("state", "reason").get() == ("withheld", "cancelled")
    assert campaign.finished_at is not None


def test_it_holds_a_campaign_whose_latest_start_has_passed(sink: Sink) -> None:
    topic = make.topic()
    make.granted(make.contact(), topic)
    campaign = engine.scheduled(make.campaign(topic))
    long_ago = timezone.now() - timedelta(hours=3)
    Campaign.objects.update(send_at=long_ago, latest_start_at=long_ago + timedelta(hours=1))

    progress.start_due()
    campaign.refresh_from_db()
    assert campaign.state == State.HELD
    assert "latest start" in str(campaign.state_reason)

    services.release_held(campaign=campaign)
    progress.start_due()
    engine.work(campaign)
    assert (sink.count(), campaign.state) == (1, State.SENT)


def test_it_holds_everything_after_an_hour_of_silence() -> None:
    scheduled, sending, paused = map(_in_state, (State.SCHEDULED, State.SENDING, State.PAUSED))
    progress.beat()
    Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=61))

    progress.beat()

    states = dict(Campaign.objects.values_list("pk", "state"))
    assert states == {scheduled.pk: "held", sending.pk: "held", paused.pk: "paused"}


@pytest.mark.parametrize("minutes", [None, 59])
def test_it_holds_nothing_when_the_clock_has_ticked(minutes: int | None) -> None:
    campaign = _in_state(State.SENDING)
    if minutes:
        progress.beat()
        Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=minutes))

    progress.beat()

    campaign.refresh_from_db()
    assert campaign.state == State.SENDING


def test_it_holds_a_campaign_whose_content_broke_after_it_was_scheduled() -> None:
    campaign = engine.scheduled(make.campaign(make.topic()))
    campaign.contents.update(body="{% if %}")

    progress.start_due()

    campaign.refresh_from_db()
    assert campaign.state == State.HELD
    assert campaign.state_reason


def test_it_sends_a_test_to_verified_staff_only(sink: Sink) -> None:
    campaign = make.campaign(make.topic())
    staff = make.staff()

    services.send_test(campaign=campaign, language="en", staff=staff)

    message = engine.read(sink.messages()[0])
    assert message["To"] == staff.email
    assert message["Subject"] == "[Test] New this month"
    assert not Delivery.objects.exists()


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}, {"email": ""}])
def test_it_sends_no_test_to_anybody_else(sink: Sink, change: dict[str, object]) -> None:
    staff = make.staff()
    for name, value in change.items():
        setattr(staff, name, value)

    with pytest.raises(services.NotOneOfUs):
        services.send_test(campaign=make.campaign(make.topic()), language="en", staff=staff)

    assert sink.count() == 0


def test_it_says_when_there_is_no_content_in_a_language() -> None:
    campaign = make.campaign(make.topic())

    with pytest.raises(services.NoSuchContent):
        services.preview(campaign=campaign, language="fr")


def test_it_shows_what_a_person_would_see() -> None:
    campaign = make.campaign(make.topic())
    ada = make.contact("ada@example.org", first_name="Ada")

    assert (
        "Hello Ada"
        in services.preview(campaign=campaign, language="en", contact=ada, has_names=True).text
    )
    assert "Hello reader" in services.preview(campaign=campaign, language="en").text
