"""What nobody can know is shown as unknown, and never sent again silently."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.conf import LazySettings
from django.db import connection, transaction
from django.utils import timezone

from campaigns import claims, delivery, feedback, message_ids, progress, services
from campaigns.models import Campaign, Delivery, Lane, Unit
from campaigns.reports import Report, What
from consent import in_flight
from contacts.models import Contact
from tests import make
from tests.beside import wait_until
from tests.campaigns import engine
from tests.sink import Mode, Sink

pytestmark = pytest.mark.django_db(transaction=True)


def _campaign_to(count: int) -> Campaign:
    topic = make.topic()
    for _ in range(count):
        make.granted(make.contact(), topic)
    return engine.started(make.campaign(topic))


def _session(campaign: Campaign, number: int = 0) -> claims.Session:
    lane = Lane.objects.get(campaign=campaign, number=number)
    return claims.Session(campaign, lane=lane.pk, number=number, lease=timedelta(seconds=60))


def _claim_and_die(campaign: Campaign, size: int = 20) -> list[int]:
    """What a worker leaves that is killed after its claim."""
    with _session(campaign) as session:
        _, claimed = session.claim(uuid.uuid4(), size=size, walking=True, before=None)
    engine.lanes_are_let_go(campaign)
    return [each.delivery_id for each in claimed]


def _end_leases() -> None:
    Unit.objects.update(lease_until=timezone.now() - timedelta(seconds=1))


@pytest.fixture
def one_lane(settings: LazySettings) -> None:
    settings.DELIVERY_LANES = 1


@pytest.mark.usefixtures("one_lane")
def test_it_shows_what_a_dead_worker_had_claimed_as_unknown(sink: Sink) -> None:
    campaign = _campaign_to(5)
    dead = _claim_and_die(campaign, size=2)

    engine.work(campaign)
    assert (sink.count(), campaign.state) == (3, Campaign.State.SENDING)

    _end_leases()
    engine.work(campaign)

    assert campaign.state == Campaign.State.SENT
    assert sink.count() == 3
    unknown = Delivery.objects.unknown()
    assert set(unknown.values_list("pk", "reason")) == {(pk, "stopped_working") for pk in dead}


@pytest.mark.usefixtures("one_lane")
def test_it_resends_through_the_gate_when_staff_decide_so(sink: Sink) -> None:
    campaign = _campaign_to(2)
    _claim_and_die(campaign)
    _end_leases()
    engine.work(campaign)
    gone = Contact.objects.first()
    assert gone is not None
    make.withdrawn(gone, campaign.topic)

    assert services.resend_unknown(campaign=campaign) == 2
    engine.work(campaign)

    assert campaign.state == Campaign.State.SENT
    assert sink.count() == 1
    assert engine.states(campaign) == {"sent": 1, "withheld": 1}
    assert Delivery.objects.get(state="sent").attempt == 2


@pytest.mark.usefixtures("one_lane")
def test_it_leaves_alone_what_staff_decide_to_leave(sink: Sink) -> None:
    campaign = _campaign_to(2)
    first, second = _claim_and_die(campaign)
    _end_leases()
    engine.work(campaign)

    assert services.leave_unknown(campaign=campaign, delivery_ids=[first]) == 1
    assert services.resend_unknown(campaign=campaign) == 1
    engine.work(campaign)

    assert dict(Delivery.objects.values_list("pk", "state")) == {
        first: "unknown", second: "sent"
    }  # fmt: skip


@pytest.mark.usefixtures("one_lane")
def test_it_ends_no_campaign_of_which_somebody_sends_the_unknown_again(sink: Sink) -> None:
    """The clock comes by between the press and its commit."""
    campaign = _campaign_to(1)
    sink.change(Mode(drop_after=1))
    delivery.work(campaign_id=campaign.pk, number=0)
    assert engine.states(campaign) == {"unknown": 1}

    with transaction.atomic():
        services.resend_unknown(campaign=campaign)
        clock = threading.Thread(target=_end_done)
        clock.start()
        clock.join(5)
    clock.join()
    sink.change(Mode())
    engine.work(campaign)

    assert (campaign.state, engine.states(campaign)) == (Campaign.State.SENT, {"sent": 1})


def _end_done() -> None:
    progress.end_done()
    connection.close()


def test_it_resends_nothing_of_a_campaign_that_somebody_cancelled_meanwhile(sink: Sink) -> None:
    campaign = _campaign_to(1)
    services.cancel_campaign(campaign=Campaign.objects.get())

    with pytest.raises(services.AlreadyOver):
        services.resend_unknown(campaign=campaign)


def test_it_resends_nothing_of_a_cancelled_campaign() -> None:
    campaign = _campaign_to(1)
    services.cancel_campaign(campaign=campaign)

    with pytest.raises(services.AlreadyOver):
        services.resend_unknown(campaign=campaign)


@pytest.mark.usefixtures("one_lane")
def test_it_settles_an_unknown_delivery_by_a_late_record_of_the_same_attempt() -> None:
    campaign = _campaign_to(1)
    with _session(campaign) as session:
        unit = uuid.uuid4()
        _, [claimed] = session.claim(unit, size=1, walking=True, before=None)
        _end_leases()
        progress.sweep()
        late = claims.Records(unit)
        late.add(claimed.delivery_id, "sent")
        session.record(late)

    assert Delivery.objects.get().state == "sent"


@pytest.mark.usefixtures("one_lane")
def test_it_ignores_a_late_record_when_the_delivery_was_claimed_again() -> None:
    campaign = _campaign_to(1)
    with _session(campaign) as session:
        first, second = uuid.uuid4(), uuid.uuid4()
        _, [claimed] = session.claim(first, size=1, walking=True, before=None)
        _end_leases()
        progress.sweep()
        services.resend_unknown(campaign=campaign)
        session.claim(second, size=1, walking=False, before=None)
        late = claims.Records(first)
        late.add(claimed.delivery_id, "sent")
        session.record(late)

    row = Delivery.objects.get()
    assert (row.state, row.unit, row.attempt) == ("claimed", second, 2)


# Both statements: the short one where all were sent, and the long one.
@pytest.mark.usefixtures("one_lane")
@pytest.mark.parametrize("others", [[], ["failed"]], ids=["all sent", "mixed"])
@pytest.mark.parametrize("what", ["resent", "bounced"])
def test_it_ignores_a_late_record_of_what_was_settled_meanwhile(
    what: str, others: list[str]
) -> None:
    campaign = _campaign_to(1 + len(others))
    with _session(campaign) as session:
        unit = uuid.uuid4()
        _, claimed = session.claim(unit, size=2, walking=True, before=None)
        first = claimed[0].delivery_id
        if what == "resent":
            _end_leases()
            progress.sweep()
            services.resend_unknown(campaign=campaign, delivery_ids=[first])
        else:
            message_id = message_ids.spell(
                campaign.pk, first, domain="lumen.example", key=message_ids.current_key()
            )
            feedback.take(Report(What.BOUNCED, message_id=message_id, status="5.0.0"))
        late = claims.Records(unit)
        for each, state in zip(claimed, ["sent", *others], strict=True):
            late.add(each.delivery_id, state, reason="" if state == "sent" else "refused_by_relay")
        session.record(late)

    settled = {"resent": "pending", "bounced": "bounced"}[what]
    states = Delivery.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == [settled, *others]


def test_it_is_unknown_when_the_relay_goes_after_the_final_dot(sink: Sink) -> None:
    campaign = _campaign_to(1)
    sink.change(Mode(drop_after=1))

    engine.work(campaign)

    row = Delivery.objects.get()
    assert (row.state, row.reason) == ("unknown", "no_answer")
    assert sink.count() == 1


@pytest.mark.usefixtures("one_lane")
def test_a_withdrawal_waits_for_a_claim_and_no_longer_than_its_lease() -> None:
    campaign = _campaign_to(1)
    person = Contact.objects.get()
    assert not in_flight.is_in_flight(person, campaign.topic_id, "email")

    _claim_and_die(campaign)

    assert in_flight.is_in_flight(person, campaign.topic_id, "email")
    assert in_flight.is_in_flight(person, None, "")
    assert not in_flight.is_in_flight(person, campaign.topic_id, "sms")
    assert not in_flight.is_in_flight(person, make.topic("other").pk, "email")
    assert not in_flight.settle(person, None, "")
    _end_leases()
    assert in_flight.settle(person, None, "")


@pytest.mark.usefixtures("one_lane")
def test_it_looks_again_after_the_claim(sink: Sink) -> None:
    """A withdrawal that commits between the claim and the second look is seen by the look."""
    campaign = _campaign_to(1)
    person = Contact.objects.get()
    with _session(campaign) as session:
        unit = uuid.uuid4()
        session.claim(unit, size=1, walking=True, before=None)
        make.withdrawn(person, campaign.topic)
        # The look alone, as it comes second in the pipeline of a claim.
        [seen] = session.look(unit)

    assert seen.reason == "withdrawn"


@pytest.mark.usefixtures("one_lane")
def test_a_second_worker_leaves_a_lane_alone_that_has_one(sink: Sink) -> None:
    campaign = _campaign_to(1)

    with _session(campaign):
        assert delivery.work(campaign_id=campaign.pk, number=0) is delivery.Ending.NOT_MINE
        assert progress.open_lanes() == []

    assert sink.count() == 0


@pytest.mark.usefixtures("one_lane")
def test_it_keeps_its_results_when_it_loses_the_database_in_mid_unit(
    sink: Sink, settings: LazySettings
) -> None:
    settings.DELIVERY_UNIT = 5
    campaign = _campaign_to(40)
    sink.change(Mode(delay=0.1))
    worker = threading.Thread(target=_work, args=[campaign])
    worker.start()
    _lose_the_session(campaign)
    sink.change(Mode())
    worker.join()

    engine.work(campaign)
    recipients = [taken.recipient for taken in sink.taken()]
    assert len(recipients) == len(set(recipients)) == 40
    assert engine.states(campaign) == {"sent": 40}


def _work(campaign: Campaign) -> None:
    delivery.work(campaign_id=campaign.pk, number=0)
    connection.close()


def _lose_the_session(campaign: Campaign) -> None:
    """End the lane's backend once it has recorded something."""
    wait_until(Delivery.objects.filter(state="sent").exists, "the lane")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
            " AND granted AND (classid::bigint << 32) + objid::bigint = %s",
            [claims.lock_key(campaign.pk, 0)],
        )
        assert cursor.fetchone() == (True,)
