"""A copy of a campaign, field by field: a new field of the model is on one of these lists or fails here."""

from datetime import UTC, datetime, time

import pytest
from django.urls import reverse

from campaigns import services
from campaigns.models import Campaign, CampaignContent, Delivery
from contacts.models import Segment
from tests import make

pytestmark = pytest.mark.django_db
MOMENT = datetime(2026, 5, 4, 9, 0, tzinfo=UTC)
# What an author chose; the way of each message, and nothing of what happened to it.
CHOSEN = {
    "topic", "channel", "segments", "excluded_segments", "sender", "timezone", "is_local_time",
    "per_minute", "quiet_from", "quiet_until", "is_measured", "contents",
}  # fmt: skip
ITS_OWN = {
    "id", "name", "author", "created_at", "state", "state_reason", "send_at", "begins_at",
    "latest_start_at", "editors", "approved_by", "approved_digest", "approved_at", "asked_by",
    "asked_at", "asked_digest", "started_at", "started_digest", "finished_at", "deliveries",
    "lanes", "tally", "result", "destinations",
}  # fmt: skip
# What hangs on a campaign once it is made or started.
AFTER = {"editors", "deliveries", "lanes", "tally", "result", "destinations"}
SAID = {"language", "subject", "preheader", "body", "markup", "layout"}


def names(model):
    return {field.name for field in model._meta.get_fields()}


def plain(campaign, name):
    """A value of any field that can be compared: many are a list of keys."""
    value = getattr(campaign, name)
    return sorted(value.values_list("pk", flat=True)) if hasattr(value, "values_list") else value


def default_of(name):
    return Campaign._meta.get_field(name).get_default()


def everything():
    """A campaign in which no field has its default."""
    staff = make.staff("author")
    topic = make.topic("offers", offers_sms=True)
    campaign = make.campaign(
        topic,
        name="Spring", sender=make.sender(name="Shop", per_minute=9), timezone="Europe/Paris",
        is_local_time=True, per_minute=120, quiet_from=time(21), quiet_until=time(8),
        is_measured=True, state="sent", state_reason="Done", send_at=MOMENT, begins_at=MOMENT,
        latest_start_at=MOMENT, author=staff, approved_by=staff, approved_digest="d" * 64,
        approved_at=MOMENT, asked_by=staff, asked_at=MOMENT, asked_digest="d" * 64,
        started_at=MOMENT, started_digest="e" * 64, finished_at=MOMENT,
    )  # fmt: skip
    campaign.editors.add(staff)
    for place, key in ((campaign.segments, "in"), (campaign.excluded_segments, "out")):
        place.set(Segment.objects.create(name=f"{key}{each}", rule={}) for each in range(2))
    campaign.contents.all().delete()
    for language, layout, markup in (("fr", "letter", "markdown"), ("en", "digest", "mjml")):
        campaign.contents.create(
            language=language, layout=layout, markup=markup, subject=f"Subject {language}",
            preheader=f"Preview {language}", body=f"Body {language}",
        )  # fmt: skip
    ada = make.contact()
    Delivery.objects.create(campaign=campaign, contact=ada, state="withheld", reason="never_asked")
    return campaign


def said(campaign):
    return list(campaign.contents.order_by("pk").values(*sorted(SAID)))


def test_it_decides_about_each_field_of_a_campaign():
    assert names(Campaign) - CHOSEN - ITS_OWN == set()
    assert not CHOSEN & ITS_OWN
    assert names(CampaignContent) == SAID | {"id", "campaign"}


def test_it_copies_all_that_an_author_chose_and_nothing_else():
    campaign = everything()
    writer = make.staff("writer")
    copy = services.duplicate_campaign(campaign=campaign, name="Summer", author_id=writer.pk)
    copy = Campaign.objects.get(pk=copy.pk)
    for name in CHOSEN - {"contents", "channel"}:
        assert plain(copy, name) == plain(campaign, name), name
        assert plain(copy, name) not in ([], None, "", False), f"{name}: the test chooses nothing"
    assert said(copy) == said(campaign)
    assert [content["language"] for content in said(copy)] == ["fr", "en"]
    assert (copy.name, copy.author) == ("Summer", writer)
    for name in ITS_OWN - {"id", "name", "author", "created_at", *AFTER}:
        assert getattr(copy, name) == default_of(name) != getattr(campaign, name), name
    assert not copy.editors.exists()
    assert not copy.deliveries.exists()
    assert copy.created_at >= campaign.created_at


def test_it_copies_a_text_as_a_text():
    text = make.text_campaign(make.topic())
    copy = services.duplicate_campaign(campaign=text, name="Again", author_id=None)
    assert (copy.channel, said(copy)) == ("sms", said(text))


def test_it_leaves_the_first_as_it_was_when_the_copy_changes(client):
    campaign = everything()
    before = said(campaign), plain(campaign, "segments")
    client.force_login(make.staff("writer"))
    page = reverse("admin:campaigns_campaign_duplicate", args=[campaign.pk])
    client.post(page, {"name": "Summer"})
    copy = Campaign.objects.get(name="Summer")
    copy.contents.update(body="Else")
    copy.segments.clear()
    assert (said(campaign), plain(campaign, "segments")) == before
