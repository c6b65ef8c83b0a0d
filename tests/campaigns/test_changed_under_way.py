"""What was looked at is what everybody gets: a sender, topic or footer that changes under way holds."""

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from campaigns import services
from campaigns.models import Campaign, Sender
from consent.models import Organization, Topic
from contacts.models import Segment, StaticList
from tests import make
from tests.campaigns import engine
from tests.sink import Sink

pytestmark = pytest.mark.django_db(transaction=True)
HELD, SENT = Campaign.State.HELD, Campaign.State.SENT
CHANGES = {
    "from name": lambda: Sender.objects.update(from_name="Somebody else"),
    "from address": lambda: Sender.objects.update(from_email="other@lumen.example"),
    "reply to": lambda: Sender.objects.update(reply_to="other@lumen.example"),
    "transport": lambda: Sender.objects.update(
        transport="django.core.mail.backends.locmem.EmailBackend"
    ),
    "legal name": lambda: Organization.objects.update(legal_name="Others Ltd"),
    "postal address": lambda: Organization.objects.update(postal_address="Elsewhere"),
    "topic": lambda: Topic.objects.update(public_name="Offers"),
}


def campaign_to(count: int, **fields: object) -> Campaign:
    topic = make.topic()
    for _ in range(count):
        make.granted(make.contact(), topic)
    return engine.started(make.campaign(topic, **fields))


@pytest.mark.parametrize("part", CHANGES)
def test_it_holds_before_anybody_gets_what_changed_after_the_start(sink: Sink, part: str) -> None:
    campaign = campaign_to(2)

    CHANGES[part]()
    engine.work(campaign)

    assert (sink.count(), campaign.state) == (0, HELD)
    assert "changed after it started" in str(campaign.state_reason)
    assert engine.states(campaign) == {"pending": 2}


def test_it_sends_what_it_says_now_once_somebody_released_it(sink: Sink) -> None:
    campaign = campaign_to(1)
    CHANGES["from name"]()
    engine.work(campaign)

    services.release_held(campaign=campaign)
    engine.work(campaign)

    assert campaign.state == SENT
    assert [engine.read(raw)["From"] for raw in sink.messages()] == [
        "Somebody else <news@lumen.example>"
    ]


def test_it_goes_on_where_the_change_was_taken_back_while_it_was_paused(sink: Sink) -> None:
    campaign = campaign_to(1)
    services.pause_campaign(campaign=campaign)
    before = Organization.objects.get().postal_address
    CHANGES["postal address"]()
    Organization.objects.update(postal_address=before)

    services.resume_campaign(campaign=campaign)
    engine.work(campaign)

    assert (sink.count(), campaign.state) == (1, SENT)


def test_it_holds_what_is_resumed_after_a_change(sink: Sink) -> None:
    campaign = campaign_to(1)
    services.pause_campaign(campaign=campaign)
    CHANGES["legal name"]()

    services.resume_campaign(campaign=campaign)
    engine.work(campaign)

    assert (sink.count(), campaign.state) == (0, HELD)


def test_it_goes_on_when_the_pace_of_its_sender_changed(sink: Sink) -> None:
    campaign = campaign_to(1)
    Sender.objects.update(per_minute=6000)

    engine.work(campaign)

    assert (sink.count(), campaign.state) == (1, SENT)


def test_it_goes_on_when_a_list_changed_whose_people_were_written_down(sink: Sink) -> None:
    topic = make.topic()
    ada = make.contact()
    make.granted(ada, topic)
    vips = StaticList.objects.create(name="VIPs")
    vips.contacts.add(ada)
    campaign = make.campaign(topic)
    rule = {"condition": "static_list", "operator": "is", "value": str(vips.pk)}
    campaign.segments.add(Segment.objects.create(name="VIPs", rule=rule))
    engine.started(campaign)
    vips.contacts.clear()

    engine.work(campaign)

    assert (sink.count(), campaign.state) == (1, SENT)


# Where a second person has to approve


@pytest.fixture
def approved(settings: LazySettings) -> Campaign:
    """Under way as somebody approved it, and then held: its sender has another name."""
    settings.CAMPAIGN_NEEDS_APPROVAL = True
    make.organization()
    topic = make.topic()
    make.granted(make.contact(), topic)
    campaign = make.campaign(topic, author=make.staff("author"))
    services.ask_approval(campaign=campaign, actor_id=campaign.author_id)
    services.approve_campaign(campaign=campaign, actor_id=make.staff("second").pk)
    engine.started(campaign)
    CHANGES["from name"]()
    return engine.work(Campaign.objects.get())


def test_it_releases_nothing_that_says_what_nobody_approved(sink: Sink, approved: Campaign) -> None:
    with pytest.raises(services.NotApproved):
        services.release_held(campaign=approved)

    engine.work(approved)
    assert (sink.count(), approved.state) == (0, HELD)


def test_it_goes_on_once_a_second_person_approved_the_change(
    sink: Sink, approved: Campaign, client: Client
) -> None:
    services.ask_approval(campaign=approved, actor_id=approved.author_id)
    client.force_login(User.objects.get(username="second"))
    assert approved.name in client.get(reverse("admin:index")).content.decode()
    page = reverse("admin:campaigns_campaign_approve", args=[approved.pk])
    shown = client.get(page).content.decode()
    assert "Somebody else &lt;news@lumen.example&gt;" in shown
    assert client.post(page).status_code == 302

    services.release_held(campaign=Campaign.objects.get())
    engine.work(approved)
    assert (sink.count(), approved.state) == (1, SENT)


def test_it_releases_as_it_was_approved_once_the_change_was_taken_back(
    sink: Sink, approved: Campaign
) -> None:
    Sender.objects.update(from_name="Lumen Books")

    services.release_held(campaign=Campaign.objects.get())
    engine.work(approved)
    assert (sink.count(), approved.state) == (1, SENT)
