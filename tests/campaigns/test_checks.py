"""The list before scheduling: each check fires on its fault, and passes what is almost one."""

import pytest

from campaigns import services
from consent.models import Organization, Topic
from tests import make

pytestmark = pytest.mark.django_db
IMAGE = f"http://localhost:8000/i/{'a' * 64}/300.jpg"
MJML = f'<mj-section><mj-column><mj-image src="{IMAGE}" /></mj-column></mj-section>'


@pytest.fixture
def campaign(settings):
    settings.PUBLIC_URL = "http://localhost:8000"
    make.organization()
    make.field("city")
    campaign = make.campaign(make.topic())
    campaign.contents.update(preheader="Twelve new books")
    return campaign


def warned(campaign):
    """What is to be looked at or mended, as one text."""
    findings = services.check_content(campaign=campaign)
    return "\n".join(finding.message for finding in findings if not finding.is_passed)


def stopped(campaign):
    return [
        finding.message for finding in services.check_content(campaign=campaign) if finding.is_error
    ]


def test_it_passes_a_sound_campaign(campaign):
    assert warned(campaign) == ""
    passed = services.check_content(campaign=campaign)
    assert len(passed) >= 6
    assert all(finding.is_passed for finding in passed)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"body": "In {{ contact.city }}"}, "“city” has no fallback"),
        ({"body": "In {{ contact.city | upcase }}"}, "“city” has no fallback"),
        ({"subject": "For {{ contact.first_name }}"}, "“first_name” has no fallback"),
        ({"subject": "x" * 61}, "61 characters"),
        ({"preheader": ""}, "Without a preview line"),
        ({"preheader": "x" * 121}, "preview line has 121"),
        ({"body": "[go](/new)"}, "leads nowhere"),
        ({"body": "[go](#)"}, "leads nowhere"),
        ({"body": "[go](https://example.com/new)"}, "looks like a stand-in"),
        ({"body": "[go](https://www.example.org/)"}, "looks like a stand-in"),
        ({"body": "[go](https://localhost/new)"}, "looks like a stand-in"),
        ({"body": "[go](http://lumen.example/)"}, "not encrypted"),
        ({"body": "[](https://lumen.example/)"}, "has no words"),
        ({"body": f"[![]({IMAGE})](https://lumen.example/)"}, "has no words"),
        ({"body": f"![]({IMAGE})"}, "has no alternative text"),
        ({"body": f"![ ]({IMAGE})"}, "has no alternative text"),
        ({"markup": "mjml", "body": MJML}, "has no alternative text"),
        ({"body": "![Books](https://cdn.lumen.example/books.jpg)"}, "learns who opens"),
        ({"body": "A long line of words. " * 6_000}, "Gmail hides the end"),
    ],
)  # fmt: skip
def test_it_warns_of_a_fault_and_schedules_all_the_same(campaign, part, words):
    campaign.contents.update(**part)
    assert words in warned(campaign)
    assert stopped(campaign) == []


@pytest.mark.parametrize(
    "part",
    [
        {"body": "In {{ contact.city | default: 'town' }}"},
        {"body": "In {{ contact.city | default: '' }}"},
        {"body": "{% if contact.city %}In {{ contact.city }}{% endif %}"},
        {"subject": "x" * 60},
        {"body": "[go](https://lumen.example/?a=1&b=2)"},
        {"body": "[write](mailto:hello@lumen.example) or [call](tel:+33123456789)"},
        {"body": f"![Books]({IMAGE})"},
        {"body": f"[![Books]({IMAGE})](https://lumen.example/)"},
        {"body": "[off]({{ unsubscribe_url }})"},
        {"body": "[exemplary](https://examples.company/)"},
    ],
)
def test_it_warns_of_nothing_where_there_is_no_fault(campaign, part):
    campaign.contents.update(**part)
    assert warned(campaign) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda campaign: campaign.contents.all().delete(), "says nothing yet"),
        (lambda campaign: campaign.contents.update(body="{{ contact.shoe }}"), "shoe"),
        (lambda _campaign: Organization.objects.all().delete(), "which organization sends"),
        (lambda _campaign: Organization.objects.update(postal_address=" "), "no postal address"),
        (lambda _campaign: Topic.objects.update(status="draft"), "not published"),
        (lambda _campaign: Topic.objects.update(offers_email=False), "not offered on this channel"),
    ],
    ids=["nothing", "unregistered", "organization", "address", "topic", "channel"],
)
def test_it_stops_what_may_not_go_out(campaign, change, words):
    change(campaign)
    campaign = type(campaign).objects.get(pk=campaign.pk)
    assert words in "\n".join(stopped(campaign))
    with pytest.raises(services.NotReady) as refused:
        services.schedule_campaign(campaign=campaign, send_at=make.LONG_AGO, actor_id=None)
    assert words in str(refused.value)


def test_it_looks_at_every_language(campaign):
    campaign.contents.create(language="fr", subject="Bonjour", preheader="Ici", body="![](#)")
    assert {finding.language for finding in services.check_content(campaign=campaign)} == {
        "", "en", "fr",
    }  # fmt: skip
