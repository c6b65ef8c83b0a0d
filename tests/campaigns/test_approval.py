"""A campaign that needs a second person: who may approve, and when an approval stands."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from campaigns import services
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def author():
    return make.staff("author")


@pytest.fixture
def second():
    return make.staff("second")


@pytest.fixture
def campaign(author, settings):
    settings.CAMPAIGN_NEEDS_APPROVAL = True
    make.organization()
    return make.campaign(make.topic(), author=author)


def schedule(campaign):
    services.schedule_campaign(campaign=campaign, send_at=timezone.now(), actor_id=None)


def test_it_schedules_when_a_second_person_approved(campaign, second):
    services.approve_campaign(campaign=campaign, actor_id=second.pk)
    schedule(campaign)
    assert campaign.state == "scheduled"


def test_it_schedules_without_approval_when_none_is_asked_for(campaign, settings):
    settings.CAMPAIGN_NEEDS_APPROVAL = False
    schedule(campaign)
    assert campaign.state == "scheduled"


def test_it_refuses_to_schedule_what_nobody_approved(campaign):
    with pytest.raises(services.NotApproved):
        schedule(campaign)


def test_it_refuses_approval_by_the_author_and_by_nobody(campaign, author):
    for actor_id in (author.pk, None):
        with pytest.raises(services.SecondPersonNeeded):
            services.approve_campaign(campaign=campaign, actor_id=actor_id)


def test_it_refuses_approval_by_who_changed_it_last(campaign, second):
    campaign.changed_by = second
    campaign.save(update_fields=["changed_by"])
    with pytest.raises(services.SecondPersonNeeded):
        services.approve_campaign(campaign=campaign, actor_id=second.pk)


def test_it_refuses_to_approve_what_is_under_way(campaign, second):
    services.approve_campaign(campaign=campaign, actor_id=second.pk)
    schedule(campaign)
    with pytest.raises(services.NotADraft):
        services.approve_campaign(campaign=campaign, actor_id=second.pk)


def test_it_forgets_the_approval_when_the_words_change(campaign, second):
    services.approve_campaign(campaign=campaign, actor_id=second.pk)
    campaign.contents.update(body="Something else")
    with pytest.raises(services.NotApproved):
        schedule(campaign)


def test_it_approves_on_the_desk_and_over_the_api_with_the_permission(client, campaign):
    nora = make.staff("nora", superuser=False)
    nora.user_permissions.add(Permission.objects.get(codename="view_campaign"))
    client.force_login(nora)
    pages = (
        reverse("admin:campaigns_campaign_approve", args=[campaign.pk]),
        reverse("api:campaign-approve", args=[campaign.pk]),
    )
    assert [client.post(page).status_code for page in pages] == [403, 403]
    nora.user_permissions.add(Permission.objects.get(codename="approve_campaign"))
    assert [client.post(page).status_code for page in pages] == [302, 200]
    campaign.refresh_from_db()
    assert campaign.approved_by == nora
