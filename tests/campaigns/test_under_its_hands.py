"""What changes between a lane's claim and its hand-over, or keeps it from going on."""

from collections.abc import Callable

import pytest
from django.conf import LazySettings
from django.db import transaction

from campaigns import delivery, services
from campaigns.models import Campaign, Delivery, Lane
from consent import services as consent
from consent.models import Suppression
from contacts import services as contacts
from contacts.models import Channel, Contact, Identity
from tests import make
from tests.beside import elsewhere, somebody_waits_for_us
from tests.campaigns import engine
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
    with transaction.atomic():
        assert Lane.objects.select_for_update().get(campaign=campaign)
        lane = elsewhere(lambda: delivery.work(campaign_id=campaign.pk, number=0))
        somebody_waits_for_us()
        elsewhere(change).join()
    lane.join()
    campaign.refresh_from_db()
    return campaign


def say_yes_again(person: Contact, campaign: Campaign) -> None:
    """A fresh act of the person on their page, with the address they have now."""
    topic = campaign.topic
    choice = consent.Choice(topic, Channel.EMAIL, True, make.wording(topic))
    consent.save_preferences(contact=person, choices=[choice])


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
    engine.work(campaign)

    assert sink.count() == 0
    withheld = Delivery.objects.get()
    assert (withheld.state, withheld.reason) == ("withheld", "withdrawn")
    assert withheld.event == person.permissions.get().event


def test_it_hands_over_nothing_to_whose_address_was_suppressed_after_the_claim(sink: Sink) -> None:
    campaign = campaign_to(1)
    address, cause = Identity.objects.get().email, Suppression.Cause.STAFF

    work_while(
        campaign,
        lambda: consent.suppress_address(
            channel=Channel.EMAIL, address=address, topic=None, cause=cause
        ),
    )

    assert sink.count() == 0
    assert Delivery.objects.values_list("state", "reason").get() == ("withheld", "suppressed")


def test_it_writes_down_the_address_it_goes_to_when_another_was_confirmed_after_the_claim(
    sink: Sink,
) -> None:
    campaign = campaign_to(1)
    person = Contact.objects.get()

    def move() -> None:
        contacts.update_contact(contact=person, email="new@example.org")
        say_yes_again(person, campaign)

    work_while(campaign, move)
    engine.work(campaign)

    assert [taken.recipient for taken in sink.taken()] == ["new@example.org"]
    sent = Delivery.objects.get()
    assert (sent.state, sent.attempt) == ("sent", 1)
    assert sent.address == person.addresses.current().get()


def test_it_withholds_from_an_address_that_was_changed_after_the_claim(sink: Sink) -> None:
    campaign = campaign_to(1)
    person = Contact.objects.get()

    work_while(campaign, lambda: contacts.update_contact(contact=person, email="new@example.org"))
    engine.work(campaign)

    assert sink.count() == 0
    withheld = Delivery.objects.get()
    assert (withheld.state, withheld.reason) == ("withheld", "other_address")
    assert withheld.address == person.addresses.current().get()


def test_it_writes_down_the_yes_that_allows_it_when_another_was_given_after_the_claim(
    sink: Sink,
) -> None:
    campaign = campaign_to(1)
    person = Contact.objects.get()

    def turn() -> None:
        make.withdrawn(person, campaign.topic)
        say_yes_again(person, campaign)

    work_while(campaign, turn)
    engine.work(campaign)

    assert sink.count() == 1
    assert Delivery.objects.get().event == person.permissions.get().event


def test_it_hands_over_no_more_once_half_the_lease_is_over(
    sink: Sink, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "WORK_FOR_S", 0.1)
    settings.DELIVERY_LEASE_S = 8
    campaign = campaign_to(delivery.FIRST_UNIT)
    sink.change(Mode(delay=0.8))

    engine.work(campaign)

    assert sink.count() <= 5
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
