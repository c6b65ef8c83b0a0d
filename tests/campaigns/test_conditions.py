"""Segments ask who received past campaigns; fields that a sent message names are noted as used."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns import progress
from campaigns.models import Campaign, Delivery
from contacts import segments
from contacts.models import DataField, Segment
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent():
    topic = make.topic()
    people = [make.contact(f"{name}@example.org") for name in ("ada", "bo", "cy")]
    for person in people:
        make.granted(person, topic)
    campaign = make.campaign(topic, name="Spring letter")
    now = timezone.now()
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", send_at=now)
    progress.start_due()
    campaign.refresh_from_db()
    # Ada received it, Bo's bounced, Cy's waits.
    for person, state in zip(people, ("delivered", "bounced"), strict=False):
        Delivery.objects.filter(contact=person).update(
            state=state,
            handed_over_at=now - timedelta(days=2),
            settled_at=now,
            event=person.permissions.get().event,
            attempt=1,
        )
    return campaign, people


def found(operator, condition="campaign", **more):
    rule = {"condition": condition, "operator": operator} | more
    return set(segments.matching(rule).values_list("pk", flat=True))


def test_it_finds_who_received_a_campaign_and_who_did_not(sent):
    campaign, (ada, bo, cy) = sent
    key = str(campaign.pk)
    assert found("received", value=key) == {ada.pk}
    assert found("received_any_of", value=[key]) == {ada.pk}
    assert found("not_received", value=key) == {bo.pk, cy.pk}
    rule = {"condition": "campaign", "operator": "received", "value": key}
    assert segments.describe(rule) == "received “Spring letter”"


def test_it_finds_who_received_anything_lately(sent):
    _campaign, (ada, bo, cy) = sent
    assert found("in_the_last", "messages", value=3) == {ada.pk}
    assert found("in_the_last", "messages", value=1) == set()
    assert found("not_in_the_last", "messages", value=3) == {bo.pk, cy.pk}
    Campaign.objects.update(state="sent", finished_at=timezone.now() - timedelta(days=10))
    assert found("in_the_last", "messages", value=3) == set()


def test_it_offers_no_campaign_that_has_not_started(sent):
    draft = make.campaign(sent[0].topic, name="Draft")
    with pytest.raises(segments.RuleError):
        found("received", value=str(draft.pk))


def test_it_keeps_asking_of_a_campaign_that_a_page_no_longer_offers(sent, monkeypatch, client):
    campaign, (ada, *_others) = sent
    monkeypatch.setattr("campaigns.conditions.NEWEST", 0)
    rule = {"condition": "campaign", "operator": "received", "value": str(campaign.pk)}
    assert found("received", value=str(campaign.pk)) == {ada.pk}
    assert segments.describe(rule) == "received “Spring letter”"
    client.force_login(make.staff())
    segment = Segment.objects.create(name="Spring", rule=rule)
    page = client.get(reverse("admin:contacts_segment_change", args=[segment.pk]))
    widget = page.context_data["adminform"].form["rule"].as_widget()
    assert f'["{campaign.pk}", "Spring letter"]' in widget
    for key in ("0", "\uff11", "9" * 30, "9" * 18, "x", ""):
        with pytest.raises(segments.RuleError):
            found("received", value=key)


def test_it_notes_the_fields_a_message_names_when_it_starts():
    topic = make.topic()
    make.field("city")
    make.field("plan")
    campaign = make.campaign(topic)
    campaign.contents.update(body="Hello {{ contact.city | default: 'there' }}")
    Campaign.objects.filter(pk=campaign.pk).update(state="scheduled", send_at=timezone.now())
    progress.start_due()
    used = {field.key: field.used_in_template_at for field in DataField.objects.all()}
    assert used["city"] is not None
    assert used["plan"] is None
