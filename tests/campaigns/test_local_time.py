"""The same hour on everybody's own clock, over the days on which clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns import audience, local_time, services
from campaigns.models import Campaign
from tests import make
from tests.campaigns import engine

pytestmark = pytest.mark.django_db
PARIS = ZoneInfo("Europe/Paris")
ZONES = {
    "Europe/Paris": "09:00",
    "America/New_York": "09:00",
    "Asia/Tokyo": "09:00",
    "Pacific/Kiritimati": "09:00",
    "nowhere": "09:00",
}


def campaign_to(*zones: str) -> Campaign:
    make.organization()
    topic = make.topic()
    for zone in zones:
        make.granted(engine.contact_in(zone), topic)
    return make.campaign(topic, is_local_time=True, timezone="Europe/Paris")


def schedule(campaign: Campaign, send_at: datetime) -> None:
    services.schedule_campaign(campaign=campaign, send_at=send_at, actor_id=None)


# Europe puts its clocks forward on 28 March 2027, America on 14 March; both back in autumn.
@pytest.mark.parametrize(
    "day", ["2027-03-28", "2027-03-14", "2027-10-31", "2027-11-07", "2027-07-01"]
)
def test_it_is_the_same_hour_everywhere_on_a_day_on_which_clocks_change(day: str) -> None:
    campaign = campaign_to(*ZONES)
    schedule(campaign, datetime.fromisoformat(f"{day}T09:00").replace(tzinfo=PARIS))
    audience.freeze(campaign, lanes=1)

    for delivery in campaign.deliveries.select_related("contact"):
        zone = delivery.contact.timezone
        clock = delivery.due_at.astimezone(PARIS if zone == "nowhere" else ZoneInfo(zone))
        assert f"{clock:%Y-%m-%d %H:%M}" == f"{day} 09:00", zone


def test_it_begins_where_the_hour_comes_first() -> None:
    campaign = campaign_to("America/New_York", "Asia/Tokyo", "nowhere", "")
    schedule(campaign, datetime(2099, 5, 4, 9, 0, tzinfo=PARIS))
    assert campaign.begins_at == datetime(2099, 5, 4, 9, 0, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert campaign.send_at == datetime(2099, 5, 4, 9, 0, tzinfo=PARIS)


def test_it_begins_at_its_own_hour_where_nobody_is_ahead_of_it() -> None:
    campaign = campaign_to("America/New_York")
    schedule(campaign, datetime(2099, 5, 4, 9, 0, tzinfo=PARIS))
    assert campaign.begins_at == campaign.send_at


def test_it_is_due_when_it_begins_and_not_before() -> None:
    campaign = campaign_to()
    for begins_at, is_due in (("2020-01-01T00:00Z", True), ("2099-01-01T00:00Z", False)):
        Campaign.objects.filter(pk=campaign.pk).update(
            state="scheduled", send_at="2099-01-01T09:00Z", begins_at=begins_at
        )
        assert Campaign.objects.due().exists() is is_due


@pytest.mark.parametrize(
    ("hour", "exists"),
    [
        ("2027-03-28T01:59", True),
        ("2027-03-28T02:30", False),
        ("2027-03-28T03:00", True),
        ("2027-10-31T02:30", True),
    ],
)
def test_it_knows_the_hours_that_a_change_of_clocks_skips(hour: str, exists: bool) -> None:
    chosen = datetime.fromisoformat(hour).replace(tzinfo=PARIS)
    assert local_time.exists(chosen) is exists


FORM = {"timezone": "Europe/Paris", "patience": "3", "quiet_from": "", "quiet_until": ""}


def page_of(campaign: Campaign, name: str) -> str:
    return reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk])


def test_it_refuses_an_hour_that_the_clocks_skip(client: Client) -> None:
    campaign = campaign_to()
    client.force_login(make.staff())
    chosen = FORM | {"day": "2099-03-29", "hour": "02:30"}
    page = client.post(page_of(campaign, "schedule"), chosen).content.decode()
    assert "There is no such time that day" in page
    assert Campaign.objects.get().state == "draft"


def at(moment: datetime) -> dict[str, str]:
    """The form with this moment on the clock of Paris."""
    local = moment.astimezone(PARIS)
    return FORM | {"day": f"{local:%Y-%m-%d}", "hour": f"{local:%H:%M}"}


@pytest.mark.parametrize("ago", [timedelta(minutes=40), timedelta(days=2), timedelta(days=400)])
def test_it_starts_nothing_at_once_when_a_past_day_was_chosen(
    client: Client, ago: timedelta
) -> None:
    campaign = campaign_to()
    client.force_login(make.staff())
    answer = client.post(page_of(campaign, "schedule"), at(timezone.now() - ago))
    assert "That is past. To start at once, choose the present time." in answer.content.decode()
    assert Campaign.objects.get().state == "draft"


def test_it_starts_at_once_when_the_present_time_was_chosen(client: Client) -> None:
    campaign = campaign_to()
    client.force_login(make.staff())
    moment = timezone.now() - timedelta(minutes=20)
    assert client.post(page_of(campaign, "schedule"), at(moment)).status_code == 302
    assert Campaign.objects.due().exists()


@pytest.mark.parametrize("day", ["0001-01-01", "0026-11-29", "9999-12-31"])
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "Europe/Paris"])
def test_it_refuses_a_year_that_was_mistyped(client: Client, day: str, zone: str) -> None:
    campaign = campaign_to()
    client.force_login(make.staff())
    chosen = FORM | {"day": day, "hour": "23:59", "timezone": zone}
    page = client.post(page_of(campaign, "schedule"), chosen).content.decode()
    assert "more than a hundred years away" in page
    assert Campaign.objects.get().state == "draft"


def test_it_takes_the_first_of_an_hour_that_the_clocks_show_twice(client: Client) -> None:
    campaign = campaign_to()
    client.force_login(make.staff())
    client.post(page_of(campaign, "schedule"), FORM | {"day": "2099-10-25", "hour": "02:30"})
    assert Campaign.objects.get().send_at == datetime(2099, 10, 25, 0, 30, tzinfo=UTC)


def test_it_says_when_it_starts_on_the_campaign_s_own_clock(client: Client) -> None:
    campaign = campaign_to("Asia/Tokyo")
    client.force_login(make.staff())
    chosen = FORM | {"day": "2099-05-04", "hour": "09:00", "is_local_time": "on"}
    page = client.post(page_of(campaign, "schedule"), chosen, follow=True).content.decode()
    assert "for 4 May 2099, 09:00 (Europe/Paris)" in page
    assert "at each person" in page
    assert "the first at 4 May 2099, 00:00 UTC" in page
    assert "at the latest 4 May 2099, 12:00" in page


def test_it_offers_the_zone_of_the_campaign_scheduled_last(client: Client) -> None:
    campaign = campaign_to()
    schedule(campaign, datetime(2099, 5, 4, 9, 0, tzinfo=PARIS))
    draft = make.campaign(campaign.topic, name="Next")
    client.force_login(make.staff())
    page = client.get(page_of(draft, "schedule"))
    assert page.context_data is not None
    form = page.context_data["form"]
    assert form.initial["timezone"] == "Europe/Paris"
