"""`manage.py explain`: why somebody got a campaign, or why not."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from campaigns import audience
from contacts.models import Segment
from tests import make

pytestmark = pytest.mark.django_db


def explain(contact, campaign, *arguments):
    said = io.StringIO()
    call_command(
        "explain", *arguments, contact=str(contact.subject), campaign=campaign.pk, stdout=said
    )
    return said.getvalue()


def test_it_names_the_event_that_allows_and_the_one_that_stops():
    topic = make.topic()
    ada = make.contact()
    given = make.granted(ada, topic)
    campaign = make.campaign(topic)
    assert f"would be sent (consent event {given.pk})" in explain(ada, campaign)
    audience.freeze(campaign, lanes=1)
    withdrawn = make.withdrawn(ada, topic)
    answer = json.loads(explain(ada, campaign, "--json"))
    assert answer["delivery"]["state"] == "pending"
    assert answer["now"] == {"is_allowed": False, "reason": "withdrawn", "event": withdrawn.pk}


def test_it_says_why_a_withheld_person_did_not_get_it():
    topic = make.topic()
    bo = make.contact()
    campaign = make.campaign(topic)
    audience.freeze(campaign, lanes=1)
    assert "The delivery is withheld (never_asked)." in explain(bo, campaign)


def test_it_says_that_a_person_is_not_in_the_segments():
    topic = make.topic()
    ada = make.contact(language="en")
    make.granted(ada, topic)
    campaign = make.campaign(topic)
    rule = {"condition": "language", "operator": "is", "value": "fr"}
    campaign.segments.add(Segment.objects.create(name="French", rule=rule))
    assert "not in the campaign's segments" in explain(ada, campaign)


def test_it_says_so_when_a_segment_asks_for_what_is_gone():
    campaign = make.campaign(make.topic())
    rule = {"condition": "field.gone", "operator": "is", "value": "x"}
    campaign.segments.add(Segment.objects.create(name="Gone", rule=rule))
    said = explain(make.contact(), campaign)
    assert "“Gone”" in said
    assert "not in the campaign's segments" not in said


def test_it_refuses_a_campaign_or_a_person_that_is_not_there():
    campaign = make.campaign(make.topic())
    with pytest.raises(CommandError, match="There is no campaign 0"):
        call_command("explain", contact=str(make.contact().subject), campaign=0)
    with pytest.raises(CommandError):
        call_command("explain", contact="nobody@example.org", campaign=campaign.pk)
