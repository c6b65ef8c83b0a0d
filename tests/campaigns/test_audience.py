"""A pause in the audience: shown before the send, and withheld with its reason at the freeze."""

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns import audience
from campaigns.models import Delivery
from consent import services as consent
from contacts.models import Segment
from tests import make

pytestmark = pytest.mark.django_db


def test_it_withholds_a_person_in_a_pause_and_nobody_after_one() -> None:
    topic = make.topic()
    ada, bo = (make.contact(f"{name}@example.org") for name in ("ada", "bo"))
    for person in (ada, bo):
        make.granted(person, topic)
    consent.pause(contact=ada, weeks=2, now=timezone.now())
    consent.pause(contact=bo, weeks=2, now=timezone.now() - timedelta(weeks=2, hours=1))
    campaign = make.campaign(topic)
    assert audience.preview_audience(campaign) == [("", 1), ("paused", 1)]
    audience.freeze(campaign, lanes=1)
    withheld = Delivery.objects.get(campaign=campaign, state=Delivery.State.WITHHELD)
    assert (withheld.contact, withheld.reason) == (ada, "paused")


def test_it_means_everybody_in_any_chosen_segment_and_in_none_of_the_others() -> None:
    french, old, everybody = (
        Segment.objects.create(name=name, rule=rule)
        for name, rule in (
            ("French", {"condition": "language", "operator": "is", "value": "fr"}),
            ("Leads", {"condition": "lifecycle", "operator": "is", "value": "lead"}),
            ("All", {}),
        )
    )
    ada = make.contact(language="fr")
    bo = make.contact(language="en")
    cy = make.contact(language="fr", lifecycle="lead")
    campaign = make.campaign(make.topic())

    def meant() -> set[int]:
        return set(audience.candidates(campaign).values_list("pk", flat=True))

    assert meant() == {ada.pk, bo.pk, cy.pk}
    campaign.segments.set([french])
    assert meant() == {ada.pk, cy.pk}
    campaign.excluded_segments.set([old])
    assert meant() == {ada.pk}
    campaign.segments.set([french, everybody])
    assert meant() == {ada.pk, bo.pk}
    campaign.excluded_segments.set([everybody])
    assert meant() == set()
    assert audience.preview_audience(campaign) == []
