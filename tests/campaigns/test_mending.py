"""Every finding on the desk says how it is mended, and leads there whoever may mend it."""

import re

import pytest
from django.urls import reverse

from campaigns.admin import mending
from campaigns.models import Sender
from consent.models import Organization, Topic
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def campaign():
    make.organization()
    return make.campaign(make.topic())


def links(client, campaign):
    page = client.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk]))
    return re.findall(r'class="desk-mend" href="([^"]+)"', page.content.decode())


@pytest.mark.parametrize(
    ("part", "field"),
    [
        ({"subject": "x" * 61}, "subject"),
        ({"subject": ""}, "subject"),
        ({"subject": "{{ contact.shoe }}"}, "subject"),
        ({"subject": "For {{ contact.first_name }}"}, "subject"),
        ({"preheader": ""}, "preheader"),
        ({"preheader": "x" * 121}, "preheader"),
        ({"body": "{{ contact.shoe }}"}, "body"),
        ({"body": "In {{ contact.first_name }}"}, "body"),
        ({"body": "[go](#)"}, "body"),
        ({"body": "![](https://cdn.lumen.example/books.jpg)"}, "body"),
        ({"body": "A long line of words. " * 6_000}, "body"),
    ],
)
def test_it_leads_to_the_field_of_the_language(client, campaign, part, field):
    campaign.contents.update(preheader="Twelve new books")
    sound = {"subject": "Livres", "preheader": "Ici", "body": "Bonjour"}
    campaign.contents.create(**{"language": "fr"} | sound | part)
    client.force_login(make.staff())
    page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    found = links(client, campaign)
    assert set(found) == {f"{page}#id_contents-1-{field}"}
    assert f'id="id_contents-1-{field}"' in client.get(page).content.decode()


def test_it_leads_to_what_stands_around_the_words(client, campaign):
    campaign.contents.update(preheader="Twelve new books")
    client.force_login(make.staff())
    assert links(client, campaign) == []
    Organization.objects.update(postal_address=" ")
    Topic.objects.update(status="draft")
    assert links(client, campaign) == [
        reverse("admin:consent_organization_change", args=[Organization.objects.get().pk]),
        reverse("admin:consent_topic_change", args=[campaign.topic_id]),
    ]
    Organization.objects.all().delete()
    assert links(client, campaign)[0] == reverse("admin:consent_organization_add")


def test_it_leads_to_the_sender_of_a_text(client):
    make.organization()
    text = make.text_campaign(make.topic())
    Sender.objects.update(sms_from="")
    client.force_login(make.staff())
    assert reverse("admin:campaigns_sender_change", args=[text.sender_id]) in links(client, text)


def test_it_leads_nobody_where_they_may_not_go(rf, campaign):
    Organization.objects.update(postal_address=" ")
    request = rf.get("/")
    request.user = make.permit(make.staff(superuser=False), "campaigns.view_campaign")
    listed = mending.findings(request, campaign)
    assert any(each.finding.is_error for each in listed)
    assert {each.url for each in listed} == {""}
