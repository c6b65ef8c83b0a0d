"""A pause in the audience: shown before the send, and withheld with its reason at the freeze."""

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns import audience
from campaigns.models import Delivery
from consent import services as consent
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
