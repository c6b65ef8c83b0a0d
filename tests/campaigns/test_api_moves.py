"""What ops do over the API as on the desk: release what was held, set the pace, settle what is unknown."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.utils import timezone

from campaigns import progress, services
from campaigns.models import Campaign, Delivery, Sender
from tests import make
from tests.campaigns import engine
from tests.campaigns.test_api import client
from tests.sink import Sink

pytestmark = pytest.mark.django_db(transaction=True)
State = Campaign.State
MOVES = {
    "release": {},
    "pace": {"per_minute": 60},
    "settle": {"what": "leave", "all": True},
}


@pytest.fixture
def campaign() -> Campaign:
    topic = make.topic()
    for _ in range(2):
        make.granted(make.contact(), topic)
    return engine.started(make.campaign(topic))


def put(campaign: Campaign, state: str) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(state=state)
    campaign.refresh_from_db()


def post(
    campaign: Campaign, move: str, body: object = None, by: str = "send_campaign", **headers: str
) -> Any:
    """The answer to a move by a fresh member of staff who may do `by` and nothing else."""
    asked = MOVES[move] if body is None else body
    User.objects.all().delete()
    url = f"/api/campaigns/{campaign.pk}/{move}/"
    return client(by).post(url, asked, format="json", headers=headers)


@pytest.mark.parametrize("move", MOVES)
def test_it_lets_only_those_make_a_move_who_may_send(campaign: Campaign, move: str) -> None:
    put(campaign, State.HELD)
    before = Campaign.objects.values().get()
    assert post(campaign, move, by="change_campaign").status_code == 403
    assert Campaign.objects.values().get() == before


@pytest.mark.parametrize("move", MOVES)
def test_it_finds_no_campaign_that_is_not_there(campaign: Campaign, move: str) -> None:
    campaign.pk += 1
    assert post(campaign, move).status_code == 404


@pytest.mark.parametrize("move", ["release", "pace"])
def test_it_makes_no_move_of_what_was_saved_meanwhile(campaign: Campaign, move: str) -> None:
    put(campaign, State.HELD)
    refused = post(campaign, move, **{"If-Match": '"another"'})
    assert refused.status_code == 412
    campaign.refresh_from_db()
    assert (campaign.state, campaign.per_minute) == (State.HELD, None)


def test_it_releases_what_was_held_under_way(campaign: Campaign, sink: Sink) -> None:
    put(campaign, State.HELD)
    answer = post(campaign, "release")
    assert (answer.status_code, answer.json()["state"]) == (200, "sending")
    assert answer.headers["ETag"]
    assert engine.work(campaign).state == State.SENT


def test_it_releases_what_was_held_before_its_start() -> None:
    campaign = engine.scheduled(make.campaign(make.topic()))
    long_ago = timezone.now().replace(year=2025)
    Campaign.objects.update(send_at=long_ago, latest_start_at=long_ago)
    progress.start_due()
    answer = post(campaign, "release")
    assert (answer.json()["state"], answer.json()["latest_start_at"]) == ("scheduled", None)


@pytest.mark.parametrize("state", sorted(set(State) - {State.HELD}))
def test_it_refuses_to_release_what_is_not_held(campaign: Campaign, state: str) -> None:
    put(campaign, state)
    refused = post(campaign, "release")
    assert (refused.status_code, refused.json()["detail"]) == (409, str(services.NotHeld()))


def test_it_refuses_to_release_what_nobody_approved(
    campaign: Campaign, settings: LazySettings
) -> None:
    settings.CAMPAIGN_NEEDS_APPROVAL = True
    put(campaign, State.HELD)
    Sender.objects.update(from_name="Somebody else")
    refused = post(campaign, "release")
    assert (refused.status_code, refused.json()["detail"]) == (409, str(services.NotApproved()))


@pytest.mark.parametrize("per_minute", [1, 1_000_000, None])
def test_it_sets_the_pace_under_way(campaign: Campaign, per_minute: int | None) -> None:
    answer = post(campaign, "pace", {"per_minute": per_minute})
    assert (answer.status_code, answer.json()["per_minute"]) == (200, per_minute)
    campaign.refresh_from_db()
    assert campaign.per_minute == per_minute


@pytest.mark.parametrize(
    "body", [{}, *({"per_minute": n} for n in (0, -1, 1_000_001, "fast", 1.5))]
)
def test_it_refuses_a_pace_that_is_none(campaign: Campaign, body: object) -> None:
    refused = post(campaign, "pace", body)
    assert (refused.status_code, list(refused.json())) == (400, ["per_minute"])


@pytest.mark.parametrize("state", [State.SENT, State.CANCELLED])
def test_it_refuses_a_pace_for_what_is_over(campaign: Campaign, state: str) -> None:
    put(campaign, state)
    refused = post(campaign, "pace")
    assert (refused.status_code, refused.json()["detail"]) == (409, str(services.AlreadyOver()))


# What is unknown


@pytest.fixture
def unknown(campaign: Campaign) -> list[int]:
    """Both of them were in hand when their worker ended."""
    for delivery in Delivery.objects.select_related("contact"):
        Delivery.objects.filter(pk=delivery.pk).update(
            state="unknown",
            reason="stopped_working",
            attempt=1,
            event=delivery.contact.permissions.get().event,
            address=delivery.contact.addresses.get(),
        )
    put(campaign, State.SENT)
    return sorted(Delivery.objects.values_list("pk", flat=True))


def test_it_sends_chosen_ones_again_through_the_gate(
    campaign: Campaign, unknown: list[int], sink: Sink
) -> None:
    answer = post(campaign, "settle", {"what": "resend", "deliveries": unknown[:1]})
    assert (answer.status_code, answer.json()) == (200, {"settled": 1})
    engine.work(campaign)
    assert sink.count() == 1
    assert engine.states(campaign) == {"sent": 1, "unknown": 1}


def test_it_leaves_all_of_them_and_asks_no_more(campaign: Campaign, unknown: list[int]) -> None:
    assert post(campaign, "settle").json() == {"settled": 2}
    assert set(Delivery.objects.values_list("state", "reason")) == {("unknown", "left")}
    again = {"what": "resend", "all": True}
    assert post(campaign, "settle", again).json() == {"settled": 0}


def test_it_leaves_those_of_another_campaign_alone(campaign: Campaign, unknown: list[int]) -> None:
    other = make.campaign(campaign.topic)
    answer = post(other, "settle", {"what": "resend", "deliveries": unknown})
    assert answer.json() == {"settled": 0}
    assert engine.states(campaign) == {"unknown": 2}


def test_it_sends_nothing_again_of_what_was_cancelled(
    campaign: Campaign, unknown: list[int]
) -> None:
    put(campaign, State.CANCELLED)
    refused = post(campaign, "settle", {"what": "resend", "all": True})
    assert (refused.status_code, refused.json()["detail"]) == (409, str(services.AlreadyOver()))
    assert engine.states(campaign) == {"unknown": 2}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"what": "resend"},
        {"what": "forget", "all": True},
        {"what": "resend", "deliveries": []},
        {"what": "resend", "deliveries": ["x"]},
        {"what": "resend", "deliveries": [2**63]},
        {"what": "resend", "deliveries": 1},
        {"what": "resend", "all": False},
        {"what": "resend", "all": True, "deliveries": [1]},
    ],
)
def test_it_settles_nothing_where_it_is_not_said_what(
    campaign: Campaign, unknown: list[int], body: object
) -> None:
    assert post(campaign, "settle", body).status_code == 400
    assert engine.states(campaign) == {"unknown": 2}


def test_it_describes_every_move() -> None:
    api = client(superuser=True)
    described = api.get("/api/schema/", headers={"Accept": "application/json"}).json()["paths"]
    for move in MOVES:
        assert described[f"/api/campaigns/{{id}}/{move}/"]["post"]["description"]
