"""A campaign that needs a second person: who may approve, and when an approval stands."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from campaigns import approval, progress, services
from campaigns.models import Campaign
from consent.models import Organization, Topic
from contacts.models import Segment, StaticList
from tests import make
from tests.beside import elsewhere, somebody_waits_for_us

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


def ask(campaign):
    services.ask_approval(campaign=campaign, actor_id=campaign.author_id)


def approve(campaign, staff):
    ask(campaign)
    services.approve_campaign(campaign=campaign, actor_id=staff.pk)


def test_it_schedules_when_a_second_person_approved(campaign, second):
    approve(campaign, second)
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


def test_it_refuses_approval_by_everybody_who_changed_it(campaign, second):
    third = make.staff("third")
    campaign.editors.add(second, third)
    for editor in (second, third):
        with pytest.raises(services.SecondPersonNeeded):
            services.approve_campaign(campaign=campaign, actor_id=editor.pk)
    approve(campaign, make.staff("fourth"))


def test_it_asks_nobody_twice_whose_words_somebody_else_has_read(campaign, second):
    third, fourth = make.staff("third"), make.staff("fourth")
    campaign.editors.add(second)
    approve(campaign, third)
    campaign.editors.add(fourth)
    campaign.contents.update(body="What fourth wrote")
    with pytest.raises(services.SecondPersonNeeded):
        approve(campaign, fourth)
    approve(campaign, second)
    assert approval.stands(campaign)


def test_it_keeps_the_editors_when_approval_is_asked_for(campaign, author, second):
    campaign.editors.add(second)
    services.ask_approval(campaign=campaign, actor_id=author.pk)
    with pytest.raises(services.SecondPersonNeeded):
        approve(campaign, second)


def test_it_holds_an_approval_void_when_the_approver_changes_it_and_back(client, campaign, second):
    approve(campaign, second)
    client.force_login(second)
    page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    for name in ("Mine now", campaign.name):
        client.post(page, form_of(campaign, name=name))
    assert not approval.stands(Campaign.objects.get(pk=campaign.pk))


def test_it_names_nobody_an_editor_who_saved_without_a_change(client, campaign, second):
    client.force_login(second)
    page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    assert client.post(page, form_of(campaign)).status_code == 302
    assert not campaign.editors.exists()


def test_it_refuses_an_earlier_editor_on_the_desk_and_names_them(client, campaign, second):
    third = make.staff("third")
    page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    for staff, name in ((second, "From second"), (third, "From third")):
        client.force_login(staff)
        client.post(page, form_of(campaign, name=name))
    client.force_login(second)
    approve = reverse("admin:campaigns_campaign_approve", args=[campaign.pk])
    assert "Somebody else has to approve" in client.post(approve, follow=True).content.decode()
    assert "Changed by: second, third." in client.get(page).content.decode()


def test_it_refuses_to_approve_what_is_under_way(campaign, second):
    approve(campaign, second)
    schedule(campaign)
    with pytest.raises(services.NotADraft):
        approve(campaign, second)


def test_it_forgets_the_approval_when_the_words_change(campaign, second):
    approve(campaign, second)
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
    ask(campaign)
    assert [client.post(page).status_code for page in pages] == [302, 200]
    campaign.refresh_from_db()
    assert campaign.approved_by == nora


def digest_on(page):
    (seen,) = re.findall(r'name="_seen" value="(\w{64})"', page.content.decode())
    return {"_seen": seen}


def rename_sender(campaign):
    campaign.sender.from_email = "other@lumen.example"
    campaign.sender.save(update_fields=["from_email"])


def change_rule(campaign):
    campaign.segments.update(
        rule={"condition": "language", "operator": "is", "value": "fr"},
    )


def rewrite(campaign):
    campaign.contents.update(body="What nobody else has read")


@pytest.mark.parametrize("change", [rewrite, rename_sender])
def test_it_approves_nothing_that_was_changed_after_the_page_was_opened(
    client, campaign, second, change
):
    client.force_login(second)
    approve = reverse("admin:campaigns_campaign_approve", args=[campaign.pk])
    ask(campaign)
    opened = digest_on(client.get(approve))
    change(campaign)
    refused = client.post(approve, opened)
    assert "It was changed after you opened this page" in refused.content.decode()
    campaign.refresh_from_db()
    assert campaign.approved_by is None
    ask(campaign)
    assert client.post(approve, digest_on(refused)).status_code == 302
    assert approval.stands(Campaign.objects.get(pk=campaign.pk))


def test_it_schedules_nothing_that_was_changed_after_the_page_was_opened(
    client, campaign, second, settings
):
    settings.CAMPAIGN_NEEDS_APPROVAL = False
    client.force_login(second)
    page = reverse("admin:campaigns_campaign_schedule", args=[campaign.pk])
    moment = {"day": "2099-05-04", "hour": "09:00", "timezone": "Europe/Paris"}
    opened = digest_on(client.get(page))
    rewrite(campaign)
    refused = client.post(page, moment | opened)
    assert "It was changed after you opened this page" in refused.content.decode()
    assert Campaign.objects.get(pk=campaign.pk).state == "draft"
    assert client.post(page, moment | digest_on(refused)).status_code == 302


@pytest.mark.parametrize("move", ["approve", "schedule", "unschedule", "cancel"])
def test_it_makes_no_move_over_the_api_with_a_campaign_that_was_saved_meanwhile(
    client, campaign, second, settings, move
):
    settings.CAMPAIGN_NEEDS_APPROVAL = False
    if move not in {"approve", "schedule"}:
        schedule(campaign)
    client.force_login(second)
    detail = reverse("api:campaign-detail", args=[campaign.pk])
    seen = client.get(detail).headers["ETag"]
    rewrite(campaign)
    state = campaign.state

    def press(tag):
        return client.post(
            reverse(f"api:campaign-{move}", args=[campaign.pk]),
            {"send_at": timezone.now()},
            content_type="application/json",
            headers={"If-Match": tag},
        )

    assert press(seen).status_code == 412
    campaign.refresh_from_db()
    assert (campaign.state, campaign.approved_by) == (state, None)
    if move == "approve":
        ask(campaign)
    assert press(client.get(detail).headers["ETag"]).status_code == 200


def test_it_approves_nothing_that_nobody_else_asked_for(campaign, second):
    with pytest.raises(services.NotAsked):
        services.approve_campaign(campaign=campaign, actor_id=second.pk)
    services.ask_approval(campaign=campaign, actor_id=second.pk)
    with pytest.raises(services.NotAsked):
        services.approve_campaign(campaign=campaign, actor_id=second.pk)
    assert not approval.stands(campaign)


def put_on_a_list(_campaign):
    StaticList.objects.get().contacts.add(make.contact())


@pytest.mark.parametrize("change", [put_on_a_list, change_rule, rename_sender, rewrite])
def test_it_approves_nothing_that_changed_since_somebody_asked(client, campaign, second, change):
    """Whoever approves may change a list or a segment, and would be alone with what they made of it."""
    listed(campaign, make.contact())
    ask(campaign)
    change(campaign)
    client.force_login(second)
    page = reverse("admin:campaigns_campaign_approve", args=[campaign.pk])
    assert "somebody has to ask for it again" in client.get(page).content.decode()
    with pytest.raises(services.NotAsked):
        services.approve_campaign(campaign=campaign, actor_id=second.pk)
    approve(campaign, second)
    assert approval.stands(Campaign.objects.get(pk=campaign.pk))


def test_it_lets_whoever_may_change_it_ask_over_the_api(client, campaign, second):
    nora = make.staff("nora", superuser=False)
    nora.user_permissions.add(Permission.objects.get(codename="view_campaign"))
    client.force_login(nora)
    page = reverse("api:campaign-ask", args=[campaign.pk])
    assert client.post(page).status_code == 403
    nora.user_permissions.add(Permission.objects.get(codename="change_campaign"))
    assert client.post(page).json()["asked_at"]
    services.approve_campaign(campaign=campaign, actor_id=second.pk)
    assert approval.stands(Campaign.objects.get(pk=campaign.pk))


def test_it_offers_approval_of_a_held_campaign_and_of_none_that_goes(client, campaign, second):
    client.force_login(second)
    page = reverse("admin:campaigns_campaign_progress", args=[campaign.pk])
    approve = reverse("admin:campaigns_campaign_approve", args=[campaign.pk])
    Campaign.objects.update(state="held", send_at=timezone.now())
    assert approve in client.get(page).content.decode()
    Campaign.objects.update(state="sending", started_at=timezone.now())
    assert approve not in client.get(page).content.decode()


# What is approved is what is sent


def listed(campaign, *people, how="is"):
    """The campaign goes to a list kept by hand, named by a rule two levels deep."""
    vips = StaticList.objects.create(name="VIPs")
    vips.contacts.set(people)
    value = str(vips.pk) if how != "is_any_of" else [str(vips.pk)]
    asked = {"condition": "static_list", "operator": how, "value": value}
    campaign.segments.add(Segment.objects.create(name="VIPs", rule={"any": [{"not": asked}]}))
    return vips


@pytest.mark.parametrize("how", ["is", "is_any_of", "is_not"])
@pytest.mark.parametrize("side", ["segments", "excluded_segments"])
def test_it_forgets_the_approval_when_somebody_is_put_on_a_list(campaign, second, how, side):
    vips = listed(campaign, make.contact(), how=how)
    if side == "excluded_segments":
        campaign.excluded_segments.set(campaign.segments.all())
        campaign.segments.clear()
    approve(campaign, second)
    assert approval.stands(campaign)
    vips.contacts.add(make.contact())
    assert not approval.stands(campaign)


def test_it_forgets_the_approval_when_one_person_of_a_list_is_swapped(campaign, second):
    ada, bo = make.contact(), make.contact()
    vips = listed(campaign, ada)
    approve(campaign, second)
    vips.contacts.set([bo])
    assert not approval.stands(campaign)
    vips.contacts.set([ada])
    assert approval.stands(campaign)


@pytest.mark.parametrize(
    "change",
    [
        rename_sender,
        change_rule,
        lambda campaign: Organization.objects.update(postal_address="Elsewhere"),
        lambda campaign: Topic.objects.update(public_name="Offers"),
        lambda campaign: campaign.segments.clear(),
        lambda campaign: campaign.contents.update(preheader="Quick"),
    ],
    ids=["sender", "rule", "organization", "topic", "segments", "preheader"],
)
def test_it_forgets_the_approval_when_what_goes_out_changes(campaign, second, change):
    campaign.segments.add(Segment.objects.create(name="Everybody", rule={}))
    approve(campaign, second)
    change(campaign)
    campaign = Campaign.objects.get(pk=campaign.pk)
    assert not approval.stands(campaign)


def test_it_forgets_the_approval_when_others_get_another_language(campaign, second):
    """Whoever reads neither gets what was written first."""
    french = {"language": "fr", "subject": "Nouveautés", "body": "Bonjour"}
    campaign.contents.create(**french)
    approve(campaign, second)
    campaign.contents.filter(language="fr").delete()
    campaign.contents.create(**french)
    assert approval.stands(campaign)
    english = campaign.contents.get(language="en")
    english.delete()
    english.pk = None
    english.save()
    assert not approval.stands(campaign)


def test_it_holds_what_changed_between_schedule_and_start(campaign, second):
    ada = make.contact()
    make.granted(ada, campaign.topic)
    vips = listed(campaign, ada)
    approve(campaign, second)
    schedule(campaign)
    vips.contacts.add(make.contact())
    progress.start_due()
    campaign.refresh_from_db()
    assert campaign.state == "held"
    assert "approved again" in str(campaign.state_reason)
    services.release_held(campaign=campaign)
    progress.start_due()
    campaign.refresh_from_db()
    assert campaign.state == "held"
    approve(campaign, second)
    services.release_held(campaign=campaign)
    progress.start_due()
    campaign.refresh_from_db()
    assert campaign.state == "sending"


@pytest.mark.django_db(transaction=True)
def test_it_freezes_nobody_who_was_put_on_a_list_since_the_clock_looked(campaign, second):
    ada, bo = make.contact(), make.contact()
    for person in (ada, bo):
        make.granted(person, campaign.topic)
    vips = listed(campaign, ada)
    campaign.segments.update(
        rule={"condition": "static_list", "operator": "is", "value": str(vips.pk)}
    )
    approve(campaign, second)
    schedule(campaign)

    with transaction.atomic(), connection.cursor() as cursor:
        # The clock has found it approved, and waits to write down who gets it.
        cursor.execute("LOCK TABLE campaigns_delivery IN SHARE MODE")
        clock = elsewhere(progress.start_due)
        somebody_waits_for_us()
        elsewhere(lambda: vips.contacts.add(bo)).join()
    clock.join()

    campaign.refresh_from_db()
    assert campaign.state == "held"
    assert "approved again" in str(campaign.state_reason)
    assert not campaign.deliveries.exists()


def test_it_keeps_the_approval_of_what_is_a_draft_again_until_it_changes(campaign, second):
    approve(campaign, second)
    schedule(campaign)
    services.unschedule_campaign(campaign=campaign)
    assert approval.stands(campaign)
    rewrite(campaign)
    with pytest.raises(services.NotApproved):
        schedule(campaign)


def test_it_starts_what_is_as_it_was_approved(campaign, second):
    approve(campaign, second)
    schedule(campaign)
    progress.start_due()
    campaign.refresh_from_db()
    assert campaign.state == "sending"


# Every edit, through every door


def form_of(campaign, **changes):
    """What the desk's form of a campaign posts."""
    content = campaign.contents.get()
    return {
        "name": campaign.name,
        "topic": campaign.topic_id,
        "channel": campaign.channel,
        "sender": campaign.sender_id,
        "segments": [segment.pk for segment in campaign.segments.all()],
        "contents-TOTAL_FORMS": "1",
        "contents-INITIAL_FORMS": "1",
        "contents-0-id": content.pk,
        "contents-0-campaign": campaign.pk,
        "contents-0-language": content.language,
        "contents-0-layout": content.layout,
        "contents-0-markup": content.markup,
        "contents-0-subject": content.subject,
        "contents-0-preheader": content.preheader,
        "contents-0-body": content.body,
        **changes,
    }


EDITS = {
    "name": "Another name",
    "segments": [],
    "contents-0-language": "fr",
    "contents-0-layout": "letter",
    "contents-0-subject": "Another subject",
    "contents-0-preheader": "Another preview",
    "contents-0-body": "Another body.",
}


@pytest.mark.parametrize("field", EDITS)
def test_it_notes_who_edits_on_the_desk_and_drops_the_approval(client, campaign, second, field):
    campaign.segments.add(Segment.objects.create(name="Everybody", rule={}))
    approve(campaign, second)
    third = make.staff("third")
    client.force_login(third)
    page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    assert client.post(page, form_of(campaign, **{field: EDITS[field]})).status_code == 302
    campaign = Campaign.objects.get(pk=campaign.pk)
    assert list(campaign.editors.all()) == [third]
    assert not approval.stands(campaign)


PATCHES = {
    "name": "Another name",
    "segments": [],
    "channel": "sms",
    "contents": [{"language": "en", "subject": "Another", "body": "Another body."}],
}


@pytest.mark.parametrize("field", PATCHES)
def test_it_notes_who_edits_over_the_api_and_drops_the_approval(client, campaign, second, field):
    campaign.segments.add(Segment.objects.create(name="Everybody", rule={}))
    approve(campaign, second)
    third = make.staff("third")
    client.force_login(third)
    answer = client.patch(
        reverse("api:campaign-detail", args=[campaign.pk]),
        {field: PATCHES[field]},
        content_type="application/json",
    )
    assert answer.status_code == 200
    campaign = Campaign.objects.get(pk=campaign.pk)
    assert list(campaign.editors.all()) == [third]
    assert not approval.stands(campaign)


def test_it_takes_no_approval_from_who_edited_on_the_desk_or_over_the_api(client, campaign, second):
    client.force_login(second)
    page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    client.post(page, form_of(campaign, name="Mine now"))
    approve = reverse("admin:campaigns_campaign_approve", args=[campaign.pk])
    answer = client.post(approve, follow=True)
    assert "Somebody else has to approve this" in answer.content.decode()
    campaign.editors.clear()
    detail = reverse("api:campaign-detail", args=[campaign.pk])
    client.patch(detail, {"name": "Mine again"}, content_type="application/json")
    answer = client.post(reverse("api:campaign-approve", args=[campaign.pk]))
    assert answer.status_code == 409
    campaign.refresh_from_db()
    assert campaign.approved_by is None


def test_it_takes_no_approval_from_the_author_who_made_it_over_a_door(client, author, settings):
    settings.CAMPAIGN_NEEDS_APPROVAL = True
    make.topic()
    make.sender()
    client.force_login(author)
    draft = {
        "name": "Spring", "topic": "product-news", "sender": "Lumen",
        "contents": [{"language": "en", "subject": "Hello", "body": "Hello."}],
    }  # fmt: skip
    made = client.post(reverse("api:campaign-list"), draft, content_type="application/json").json()
    answer = client.post(reverse("api:campaign-approve", args=[made["id"]]))
    assert answer.status_code == 409


def test_it_shows_who_asked_and_who_approved_what_and_when(client, campaign, author, second):
    client.force_login(author)
    client.post(reverse("admin:campaigns_campaign_ask", args=[campaign.pk]))
    campaign.refresh_from_db()
    assert campaign.asked_by == author
    page = reverse("admin:campaigns_campaign_schedule", args=[campaign.pk])
    shown = client.get(page).content.decode()
    assert "author asked for it on" in shown
    assert "Nobody has approved it yet" in shown
    approve(campaign, second)
    for name in ("schedule", "progress", "change"):
        shown = client.get(reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk]))
        assert "Approved by second on" in shown.content.decode(), name
        assert campaign.approved_digest[:16] in shown.content.decode()
    campaign.contents.update(body="Something else")
    assert "it has changed since" in client.get(page).content.decode()


def test_it_asks_for_no_approval_where_none_is_needed(client, campaign, author, settings):
    settings.CAMPAIGN_NEEDS_APPROVAL = False
    client.force_login(author)
    page = client.get(reverse("admin:campaigns_campaign_schedule", args=[campaign.pk]))
    assert "Approval" not in page.content.decode()
    client.post(reverse("admin:campaigns_campaign_ask", args=[campaign.pk]))
    campaign.refresh_from_db()
    assert campaign.asked_at is None
