"""The result of a campaign says of how many it speaks; segments ask about opens and clicks of those only."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from campaigns import measurement, results
from campaigns.models import Campaign, Delivery, Hit, Result
from consent import links
from consent import services as consent
from contacts import segments
from contacts.admin import timeline
from contacts.models import Contact
from tests import make
from tests.campaigns import measuring

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent():
    """Ada clicked, Bo opened, Cy did neither; Dee got the plain message."""
    news, now = make.topic(), timezone.now()
    campaign = measuring.campaign(news, name="Spring")
    measurement.write_down(campaign)
    Campaign.objects.filter(pk=campaign.pk).update(
        state="sent", send_at=now, started_at=now, finished_at=now
    )
    campaign.refresh_from_db()
    people = {name: make.contact(f"{name}@example.org") for name in ("ada", "bo", "cy", "dee")}
    for name, person in people.items():
        event = make.granted(person, news)
        if name != "dee":
            measuring.permit(person)
        Delivery.objects.create(
            campaign=campaign,
            contact=person,
            state="sent",
            is_measured=name != "dee",
            event=event,
            address=person.addresses.get(),
            attempt=1,
            handed_over_at=now,
        )
    follow(campaign, people["ada"], 1)
    follow(campaign, people["ada"], 1)
    follow(campaign, people["ada"], 2)
    follow(campaign, people["bo"], None)
    follow(campaign, people["dee"], 1)
    return campaign, people


def follow(campaign, person, number):
    delivery = campaign.deliveries.get(contact=person)
    destination = campaign.destinations.get(number=number) if number else None
    return measurement.note(links.Hit(campaign.pk, delivery.pk, 2**40), destination)


def found(condition, operator, value):
    rule = {"condition": condition, "operator": operator, "value": value}
    emails = segments.matching(rule).values_list("identity__email", flat=True)
    return {email.partition("@")[0] for email in emails}


def figures(campaign):
    told = results.of(campaign)
    return told.received, told.measured, told.opened, told.clicked


def test_it_counts_people_among_those_who_are_measured(sent):
    campaign, _people = sent
    assert figures(campaign) == (4, 3, 2, 1)
    assert [(link.number, link.people) for link in results.of(campaign).links] == [(1, 1), (2, 1)]
    assert results.of(campaign).counted_at is None


def test_the_clock_keeps_the_count_and_pages_read_it(sent, django_assert_max_num_queries):
    campaign, people = sent
    results.keep_due()
    kept = Result.objects.get()
    follow(campaign, people["cy"], 2)
    with django_assert_max_num_queries(2):
        assert figures(campaign) == (4, 3, 2, 1)
    results.keep_due()
    assert Result.objects.get().counted_at == kept.counted_at
    Result.objects.update(counted_at=timezone.now() - timedelta(minutes=2))
    results.keep_due()
    assert figures(campaign) == (4, 3, 3, 2)


def test_the_last_count_stays_when_the_hits_may_be_erased(sent, settings):
    campaign, _people = sent
    results.keep_due()
    old = timezone.now() - timedelta(days=settings.MEASUREMENT_DAYS + 1)
    Campaign.objects.update(started_at=old)
    Result.objects.update(counted_at=old)
    Hit.objects.all().delete()
    results.keep_due()
    assert figures(campaign) == (4, 3, 2, 1)


def test_whoever_takes_it_back_leaves_the_figures(sent):
    campaign, people = sent
    measuring.take_back(people["ada"])
    assert figures(campaign) == (4, 2, 1, 0)


def test_it_counts_nothing_of_a_campaign_that_is_not_measured(sent):
    other = make.campaign(sent[0].topic, started_at=timezone.now())
    assert results.of(other) is None
    results.keep_due()
    assert not Result.objects.filter(campaign=other).exists()


def test_the_page_says_of_how_many_it_speaks(sent, client):
    campaign, _people = sent
    client.force_login(make.staff())
    page = client.get(reverse("admin:campaigns_campaign_result", args=[campaign.pk]))
    text = page.content.decode()
    assert "Measured: 3 of 4 recipients agreed to it" in text
    assert "Opened, of these 3" in text
    assert "33.3%" in text
    assert "https://lumen.example/new?a=1&amp;b=2" in text
    assert "Opens are unreliable" in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"is_measured": False}, "No published topic permits measurement"),
        ({"is_measured": True}, "Nothing has been sent yet"),
        ({"channel": "sms"}, "Text messages are not measured"),
    ],
)
def test_the_page_says_why_it_is_empty(fields, words, client):
    campaign = make.campaign(make.topic(), **fields)
    client.force_login(make.staff())
    page = client.get(reverse("admin:campaigns_campaign_result", args=[campaign.pk]))
    assert words in page.content.decode()


def test_the_api_tells_the_same(sent):
    campaign, _people = sent
    api = APIClient()
    api.force_authenticate(make.staff())
    told = api.get(f"/api/campaigns/{campaign.pk}/result/").json()
    assert (told["received"], told["measured"], told["opened"], told["clicked"]) == (4, 3, 2, 1)
    assert told["links"][0] == {"url": "https://lumen.example/new?a=1&b=2", "people": 1}
    other = make.campaign(campaign.topic)
    assert api.get(f"/api/campaigns/{other.pk}/result/").status_code == 404


def test_the_api_measures_no_text_message(sent):
    api = APIClient()
    api.force_authenticate(make.staff())
    draft = make.campaign(sent[0].topic)
    change = {"channel": "sms", "is_measured": True}
    answer = api.patch(f"/api/campaigns/{draft.pk}/", change, format="json")
    assert answer.status_code == 400
    assert "is_measured" in answer.json()


def test_hits_stand_on_the_timeline(sent, rf):
    _campaign, people = sent
    request = rf.get("/")
    request.user = make.staff()
    told = [
        str(moment.words) for moment in timeline.newest(request, people["ada"], timeline.Window())
    ]
    assert "Spring · followed https://lumen.example/new?a=1&b=2" in told
    assert "Spring · opened" in [
        str(moment.words) for moment in timeline.newest(request, people["bo"], timeline.Window())
    ]
    request.user = make.staff("nobody", superuser=False)
    assert not any(
        "followed" in str(moment.words)
        for moment in timeline.newest(request, people["ada"], timeline.Window())
    )


def test_segments_find_who_clicked_opened_or_did_not_among_the_measured(sent):
    campaign, people = sent
    measuring.permit(people["dee"])  # later: this campaign was not measured of her
    key = str(campaign.pk)
    assert found("measured_campaign", "clicked", key) == {"ada"}
    assert found("measured_campaign", "not_clicked", key) == {"bo", "cy"}
    assert found("measured_campaign", "opened", key) == {"ada", "bo"}
    assert found("measured_campaign", "not_opened", key) == {"cy"}
    assert found("measured_link", "clicked", f"{key}.2") == {"ada"}
    assert found("measured_link", "not_clicked", f"{key}.2") == {"bo", "cy"}
    assert found("measured", "clicked_in_the_last", 3) == {"ada"}
    assert found("measured", "opened_in_the_last", 3) == {"ada", "bo"}
    assert found("measured", "not_clicked_in_the_last", 3) == {"bo", "cy"}


def test_segments_ask_only_lately(sent):
    old = timezone.now() - timedelta(days=9)
    Hit.objects.update(last_at=old, first_at=old)
    assert found("measured", "clicked_in_the_last", 8) == set()
    assert found("measured", "clicked_in_the_last", 10) == {"ada"}


@pytest.mark.parametrize("how", ["over", "restricted", "retired"])
def test_segments_use_nothing_of_whoever_does_not_permit_it_now(how, sent):
    campaign, people = sent
    match how:
        case "over":
            for person in people.values():
                person.permissions.filter(channel="data").update(valid_until=timezone.now())
        case "restricted":
            Contact.objects.update(restricted_at=timezone.now())
        case "retired":
            consent.retire_topic(topic=measuring.topic())
    key = str(campaign.pk)
    for operator in ("clicked", "not_clicked", "opened", "not_opened"):
        assert found("measured_campaign", operator, key) == set()
    assert found("measured", "clicked_in_the_last", 3) == set()
    assert found("measured", "not_clicked_in_the_last", 3) == set()


def test_segments_say_what_they_ask_in_words(sent):
    rule = {
        "condition": "measured_link",
        "operator": "not_clicked",
        "value": f"{sent[0].pk}.2",
    }
    assert segments.describe(rule) == (
        "is measured and did not follow “Spring · http://old.example/”"
    )


def test_nothing_is_offered_before_a_measured_campaign_has_started():
    measuring.campaign(make.topic())
    assert not any(name.startswith("measured") for name in segments.known())


def test_it_offers_only_what_was_measured(sent):
    with pytest.raises(segments.RuleError):
        found("measured_link", "clicked", f"{sent[0].pk}.9")
