"""How far a campaign is: counted live where that is quick, else the clock's last count with its age."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from campaigns import audience, tally, tasks
from campaigns.models import Campaign, Delivery, Tally
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    topic = make.topic()
    for name in ("ada", "bo"):
        make.granted(make.contact(f"{name}@example.org"), topic)
    make.contact("cy@example.org")
    campaign = make.campaign(topic)
    audience.freeze(campaign, lanes=1)
    Campaign.objects.filter(pk=campaign.pk).update(state="paused", send_at=Now(), started_at=Now())
    campaign.refresh_from_db()
    return campaign


def slow(campaign, at):
    Tally.objects.filter(campaign=campaign).update(took=timedelta(seconds=1), counted_at=at)


def test_it_counts_live_until_counting_takes_long(campaign):
    tally.keep_due()
    Delivery.objects.filter(state="pending").update(
        state="withheld", reason="cancelled", settled_at=Now()
    )
    counted = tally.count(campaign)
    assert counted.at is None
    assert sorted(counted.rows) == [
        ("withheld", "cancelled", 2, 0, 2),
        ("withheld", "never_asked", 1, 0, 0),
    ]


def test_it_shows_the_last_count_and_its_age_where_counting_takes_long(campaign, client, hurried):
    tally.keep_due()
    at = timezone.now() - timedelta(seconds=5)
    slow(campaign, at)
    Delivery.objects.filter(state="pending").update(
        state="withheld", reason="cancelled", settled_at=Now()
    )
    counted = tally.count(campaign)
    assert counted.at == at
    assert sorted(counted.rows) == [("pending", "", 2, 0, 0), ("withheld", "never_asked", 1, 0, 0)]
    client.force_login(make.staff())
    for page in ("progress", "audience"):
        url = reverse(f"admin:campaigns_campaign_{page}", args=[campaign.pk])
        shown = client.get(url).content.decode()
        assert f"counted at {at:%H:%M:%S}" in shown, page


def test_it_counts_again_when_the_tick_finds_it_due(campaign):
    tasks.tick()
    slow(campaign, timezone.now() - timedelta(seconds=10))
    tasks.tick()
    assert Tally.objects.get().took == timedelta(seconds=1), "a twentieth of the time is enough"
    slow(campaign, timezone.now() - timedelta(seconds=60))
    tasks.tick()
    assert Tally.objects.get().took != timedelta(seconds=1)


@pytest.mark.parametrize(
    ("ended", "since", "is_due"),
    [
        (timedelta(hours=1), timedelta(seconds=30), False),
        (timedelta(hours=1), timedelta(seconds=90), True),
        (timedelta(days=8), timedelta(hours=2), False),
        (timedelta(days=8), timedelta(days=1, hours=1), True),
        # It ended after the last count.
        (timedelta(seconds=5), timedelta(seconds=10), True),
    ],
)
def test_it_counts_what_has_ended_less_and_less(campaign, ended, since, is_due):
    now = timezone.now()
    tally.keep_due()
    Campaign.objects.filter(pk=campaign.pk).update(state="sent", finished_at=now - ended)
    Tally.objects.update(counted_at=now - since, counts=[])
    tally.keep_due()
    assert bool(Tally.objects.get().counts) is is_due


def test_it_counts_nothing_that_has_not_started(campaign):
    Campaign.objects.update(state="draft", started_at=None)
    tally.keep_due()
    assert not Tally.objects.exists()
