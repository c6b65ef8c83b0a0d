"""A campaign whose segment asks for what is gone: said everywhere, sent nowhere, and in nobody's way."""

import pytest
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.html import escape

from campaigns import progress, services
from campaigns.models import Campaign
from contacts.models import DataField, Segment
from tests import make
from tests.campaigns import engine

pytestmark = pytest.mark.django_db
SENTENCE = "The segment “Pro plans” cannot be read: There is no condition “field.plan”."


@pytest.fixture
def topic():
    make.organization()
    made = make.topic()
    make.granted(make.contact("ada@example.org"), made)
    return made


@pytest.fixture
def campaign(topic):
    """A draft to those of a plan."""
    make.field("plan")
    rule = {"condition": "field.plan", "operator": "is", "value": "pro"}
    made = make.campaign(topic, name="To pro plans")
    made.segments.add(Segment.objects.create(name="Pro plans", rule=rule))
    return made


def retire_field():
    DataField.objects.filter(key="plan").update(retired_at=timezone.now())


def test_it_holds_the_campaign_and_starts_the_others_when_a_field_was_retired(campaign, topic):
    engine.scheduled(campaign)
    other = engine.scheduled(make.campaign(topic, name="To everybody"))
    retire_field()

    progress.start_due()

    campaign.refresh_from_db()
    other.refresh_from_db()
    assert (campaign.state, other.state) == (Campaign.State.HELD, Campaign.State.SENDING)
    words = "The segment “Pro plans” asks for what is gone: mend it, then release this."
    assert str(campaign.state_reason) == words
    with translation.override("fr"):
        assert "demande ce qui n\u2019existe plus" in str(campaign.state_reason)


def test_it_refuses_to_schedule_what_no_segment_can_be_read_for(campaign):
    retire_field()
    with pytest.raises(services.NotReady, match="Pro plans"):
        engine.scheduled(campaign)


@pytest.mark.parametrize("page", ["change", "audience", "schedule", "approve", "person"])
@pytest.mark.parametrize("query", [{}, {"reason": ""}])
def test_it_says_on_every_page_which_segment_cannot_be_read(
    client, campaign, settings, page, query
):
    settings.CAMPAIGN_NEEDS_APPROVAL = True
    retire_field()
    client.force_login(make.staff())
    url = reverse(f"admin:campaigns_campaign_{page}", args=[campaign.pk])
    if page == "person":
        answer = client.post(url, {"person": "ada@example.org"})
    else:
        answer = client.get(url, query)
    assert escape(SENTENCE) in answer.content.decode()


def test_it_says_over_the_api_which_segment_cannot_be_read(client, campaign):
    retire_field()
    client.force_login(make.staff())
    answer = client.get(reverse("api:campaign-audience", args=[campaign.pk]))
    assert (answer.status_code, answer.json()["detail"]) == (409, SENTENCE)


def test_it_still_says_who_got_a_campaign_whose_segment_broke_later(client, campaign):
    engine.started(campaign)
    retire_field()
    client.force_login(make.staff())
    for page in ("audience", "progress"):
        url = reverse(f"admin:campaigns_campaign_{page}", args=[campaign.pk])
        assert client.get(url, {"reason": ""}).status_code == 200
    url = reverse("admin:campaigns_campaign_person", args=[campaign.pk])
    shown = client.post(url, {"person": "ada@example.org"}).content.decode()
    assert "Was not among the people this campaign was meant for" in shown


def test_it_starts_the_others_whatever_is_the_matter_with_one(topic, caplog):
    """What nobody foresaw: here a zone that is gone from the tables of zones."""
    broken = make.campaign(topic, name="Broken", is_local_time=True)
    engine.scheduled(broken)
    Campaign.objects.filter(pk=broken.pk).update(timezone="Atlantis/Capital")
    other = engine.scheduled(make.campaign(topic, name="Other"))

    progress.start_due()

    other.refresh_from_db()
    assert other.state == Campaign.State.SENDING
    assert f"campaign {broken.pk} cannot be started" in caplog.text
