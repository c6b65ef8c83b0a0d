"""The first page: figures counted in the background, charts with their words, and what waits for whom."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from campaigns import figures, progress, services, tally, tasks
from campaigns.admin import dashboard
from campaigns.models import AudienceDay, Campaign, MoveDay, Tally
from config import roles
from consent.models import UnwrittenNo
from contacts import counting, exports
from contacts.models import Export
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def topic():
    make.organization()
    return make.topic(offers_sms=False)


def signed_in(client, *permissions):
    staff = make.staff("nora", superuser=False)
    for permission in permissions:
        app, _, codename = permission.partition(".")
        found = Permission.objects.get(content_type__app_label=app, codename=codename)
        staff.user_permissions.add(found)
    client.force_login(staff)
    return staff


def first_page(client):
    return client.get(reverse("admin:index"))


def sent(topic, *states, name="Spring", **fields):
    """A campaign that is over, with one delivery in each state."""
    campaign = make.campaign(topic, name=name, **fields)
    for _ in states:
        make.granted(make.contact(), topic)
    services.schedule_campaign(campaign=campaign, send_at=timezone.now(), actor_id=None)
    progress.start(campaign.pk)
    pending = campaign.deliveries.filter(state="pending").order_by("-pk")
    campaign.deliveries.exclude(pk__in=pending.values("pk")[: len(states)]).delete()
    for delivery, state in zip(campaign.deliveries.order_by("pk"), states, strict=True):
        reason = "" if state in {"sent", "delivered", "bounced", "complained"} else "no_answer"
        campaign.deliveries.filter(pk=delivery.pk).update(state=state, reason=reason, attempt=1)
    Campaign.objects.filter(pk=campaign.pk).update(state="sent", finished_at=timezone.now())
    return campaign


def test_it_counts_who_stands_on_a_topic_once_a_day(topic):
    ada, bo = make.contact(), make.contact()
    make.granted(ada, topic)
    make.granted(bo, topic)
    figures.count()
    assert AudienceDay.objects.get().granted == 2
    make.withdrawn(ada, topic)
    tasks.count_audience()
    assert AudienceDay.objects.get().granted == 1
    make.withdrawn(bo, topic)
    figures.count()
    assert AudienceDay.objects.get().granted == 0


def test_it_draws_the_audience_by_topic_over_time(client, topic):
    make.granted(make.contact(), topic)
    signed_in(client, "consent.view_permission")
    assert first_page(client).context_data["audience_chart"] is None
    for back, granted in ((9, 7), (1, 4)):
        day = timezone.now().date() - timedelta(days=back)
        AudienceDay.objects.create(day=day, topic=topic, channel="email", granted=granted)
    page = first_page(client)
    chart = page.context_data["audience_chart"]
    assert len(chart.labels) == 10
    [line] = json.loads(chart.data)["datasets"]
    assert line["data"] == [7, None, None, None, None, None, None, None, 4, 1]
    since = date_format(timezone.now() - timedelta(days=9), "MONTH_DAY_FORMAT")
    assert f"\u22126 since {since}" in page.content.decode()


def test_it_draws_what_became_of_messages_of_each_sender(client, topic):
    other = make.sender(name="Other", from_email="other@lumen.example")
    sent(topic, "sent", "delivered", "bounced", "complained")
    sent(topic, "sent", "failed", name="Elsewhere", sender=other)
    tally.keep_due()
    signed_in(client, "campaigns.view_delivery")
    page = first_page(client)
    shown = {
        each["sender"].name: {line.name: line.values for line in each["chart"].series}
        for each in page.context_data["deliverability"]
    }
    assert shown["Lumen"] == {
        "sent": [50.0], "unknown": [0.0], "failed": [0.0], "bounced": [25.0], "complained": [25.0],
    }  # fmt: skip
    assert shown["Other"]["failed"] == [50.0]
    assert "4 handed over: 2 sent, 1 bounced, 1 complained." in page.content.decode()


def test_it_draws_those_who_send_once_a_month_beside_those_who_send_every_day(client, topic):
    monthly = sent(topic, "sent", name="Monthly", sender=make.sender(name="Monthly"))
    over = {"state": "sent", "send_at": monthly.send_at, "begins_at": monthly.send_at}
    daily = [make.campaign(topic, name=f"Day {number}", **over) for number in range(40)]
    for back, campaign in enumerate([*reversed(daily), monthly]):
        began = timezone.now() - timedelta(days=back)
        Campaign.objects.filter(pk=campaign.pk).update(started_at=began, finished_at=began)
        counts = [["sent", "", 1, 0, 1]]
        Tally.objects.create(
            campaign=campaign, counts=counts, counted_at=began, took=2 * counting.QUICK
        )
    signed_in(client, "campaigns.view_delivery")
    shown = first_page(client).context_data["deliverability"]
    names = [[label.partition(" (")[0] for label in each["chart"].labels] for each in shown]
    assert names == [[f"Day {number}" for number in range(28, 40)], ["Monthly"]]


def test_it_draws_no_chart_of_nothing(client, topic):
    sent(topic, "sent")
    tally.keep_due()
    signed_in(client, "campaigns.view_delivery")
    page = first_page(client).content.decode()
    assert "1 handed over: 1 sent." in page
    assert 'class="desk-chart"' not in page


def test_it_writes_numbers_as_the_reader_does(client, topic):
    campaign = sent(topic, "sent")
    counts = [["delivered", "", 1234567, 0, 1234567]]
    Tally.objects.create(
        campaign=campaign, counts=counts, counted_at=timezone.now(), took=2 * counting.QUICK
    )
    signed_in(client, "campaigns.view_delivery")
    assert "1,234,567 handed over" in first_page(client).content.decode()
    french = client.get(reverse("admin:index"), headers={"accept-language": "fr"})
    assert "1\u202f234\u202f567 remis" in french.content.decode()


def test_it_leads_an_empty_installation_to_its_first_campaign(client):
    staff = make.staff("root")
    client.force_login(staff)
    page = first_page(client)
    assert [step.is_done for step in page.context_data["steps"]] == [False] * 6
    assert 'class="desk-chart"' not in page.content.decode()
    make.organization()
    make.wording(make.topic())
    done = [step.is_done for step in first_page(client).context_data["steps"]]
    assert done == [True, True, True, False, False, False]
    campaign = make.campaign(make.topic())
    assert first_page(client).context_data["steps"]
    services.schedule_campaign(campaign=campaign, send_at=timezone.now(), actor_id=None)
    assert first_page(client).context_data["steps"] == []


def test_it_links_only_the_steps_one_may_take(client):
    signed_in(client, "campaigns.view_sender")
    linked = [step.title for step in first_page(client).context_data["steps"] if step.url]
    assert linked == ["Let people sign up", "Add a sender"]


def test_it_says_every_chart_as_a_table(client, topic):
    sent(topic, "sent", "bounced")
    tally.keep_due()
    signed_in(client, "campaigns.view_delivery", "consent.view_permission")
    page = first_page(client).content.decode()
    assert page.count('class="desk-chart" aria-hidden="true"') == page.count("As a table</summary>")
    assert page.count("As a table</summary>") == 2


def test_it_shows_what_waits_for_ones_approval_and_not_ones_own(client, topic, settings):
    settings.CAMPAIGN_NEEDS_APPROVAL = True
    author = make.staff("author")
    campaign = make.campaign(topic, author=author)
    make.campaign(topic, name="Not asked", author=author)
    services.ask_approval(campaign=campaign, actor_id=author.pk)
    nora = signed_in(client, "campaigns.approve_campaign", "campaigns.view_campaign")
    assert first_page(client).context_data["to_approve"] == [campaign]
    services.approve_campaign(campaign=campaign, actor_id=nora.pk)
    assert first_page(client).context_data["to_approve"] == []
    client.force_login(author)
    assert first_page(client).context_data["to_approve"] == []


def test_it_looks_again_at_what_is_under_way_and_only_for_those_who_may(client, topic):
    page = reverse("admin:campaigns_campaign_running")
    make.granted(make.contact(), topic)
    campaign = make.campaign(topic)
    signed_in(client)
    assert client.get(page).status_code == 403
    client.force_login(make.staff())
    assert "hx-get" not in client.get(page).content.decode()
    services.schedule_campaign(campaign=campaign, send_at=timezone.now(), actor_id=None)
    progress.start(campaign.pk)
    shown = client.get(page).content.decode()
    assert "0 of 1 sent" in shown
    assert f'hx-get="{page}"' in shown


def test_it_makes_no_query_more_when_more_was_sent(client, topic, django_assert_max_num_queries):
    sent(topic, "sent")
    tally.keep_due()
    client.force_login(make.staff())
    first_page(client)
    with django_assert_max_num_queries(26) as few:
        first_page(client)
    for number in range(4):
        sent(topic, "sent", name=f"Letter {number}")
    tally.keep_due()
    with django_assert_max_num_queries(len(few.captured_queries)):
        first_page(client)
    assert Tally.objects.count() == 4


def test_it_warns_whoever_signs_in_while_noes_cannot_be_written_to_the_journal(client):
    signed_in(client)
    assert "cannot be written to the journal" not in first_page(client).content.decode()
    UnwrittenNo.objects.create(line={})
    assert "cannot be written to the journal" in first_page(client).content.decode()


def days_ago(number):
    return timezone.now().date() - timedelta(days=number)


def test_it_tells_the_days_before_it_counted_from_the_permissions_that_stand(client, topic):
    for began in (5, 5, 2, 400):
        person = make.contact()
        make.granted(person, topic)
        began_at = timezone.now() - timedelta(days=began)
        person.permissions.update(since=began_at)
    gone = make.contact()
    make.granted(gone, topic)
    make.withdrawn(gone, topic)
    figures.count()
    told = dict(AudienceDay.objects.filter(is_counted=False).values_list("day", "granted"))
    assert len(told) == figures.DAYS - 1
    assert [told[days_ago(back)] for back in (29, 6, 5, 2, 1)] == [1, 1, 3, 4, 4]
    signed_in(client, "consent.view_permission")
    page = first_page(client)
    assert page.context_data["audience_chart"].series[0].values[-1] == 4
    assert "those who still say yes today, by the day they did" in page.content.decode()
    # What is told from hindsight is compared with nothing.
    assert [line["moved"] for line in page.context_data["audience"]] == [""]


def test_it_tells_nothing_from_hindsight_once_a_day_was_counted(client, topic):
    make.granted(make.contact(), topic)
    AudienceDay.objects.create(day=days_ago(2), topic=topic, channel="email", granted=9)
    figures.count()
    assert AudienceDay.objects.filter(is_counted=False).count() == 0
    signed_in(client, "consent.view_permission")
    assert "by the day they did" not in first_page(client).content.decode()


def test_it_counts_yes_and_no_by_day_also_after_a_pause_of_the_clock(topic):
    ada = make.contact()
    make.granted(ada, topic)
    make.withdrawn(ada, topic)
    figures.count()
    assert MoveDay.objects.values_list("day", "yes", "no").get() == (days_ago(0), 1, 1)
    MoveDay.objects.update(yes=0)
    figures.count()
    assert MoveDay.objects.get().yes == 1


@pytest.mark.django_db(transaction=True)
def test_it_shows_what_the_clock_counted_where_counting_takes_long(topic, hurried):
    make.granted(make.contact(), topic)
    figures.count()
    MoveDay.objects.update(yes=70)
    AudienceDay.objects.update(granted=80)
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE consent_consentevent, consent_permission")
            # Whoever waits for the lock is as slow as whoever counts a million.
            assert dashboard._moved_by_day(days_ago(1))[days_ago(0)] == (70, 0)
            assert dashboard._granted() == {(topic.pk, "email"): 80}
            # Closing alone leaves the locks until the server notices.
            cursor.execute("ROLLBACK")
    finally:
        other.close()
    assert dashboard._moved_by_day(days_ago(1))[days_ago(0)] == (1, 0)
    assert dashboard._granted() == {(topic.pk, "email"): 1}


def test_it_says_so_when_nothing_waits_for_an_administrator(client):
    roles.hold()
    staff = make.staff("ines", superuser=False)
    staff.groups.add(Group.objects.get(name="Administrator"))
    make.campaign(make.topic(), state="scheduled", send_at=timezone.now())
    client.force_login(staff)
    page = first_page(client).content.decode()
    assert "Nothing waits for you" in page
    assert "You have no role yet" not in page


def test_it_says_who_helps_when_one_has_no_role_yet(client):
    make.campaign(make.topic(), state="scheduled", send_at=timezone.now())
    client.force_login(make.staff("nora", superuser=False))
    assert "You have no role yet" in first_page(client).content.decode()


def test_it_says_nothing_of_waiting_when_there_is_something_to_see(client, topic):
    signed_in(client, "campaigns.view_campaign")
    assert "Nothing waits for you" not in first_page(client).content.decode()


@pytest.fixture
def asked(settings):
    settings.EXPORT_NEEDS_SECOND_PERSON = True
    return exports.ask(segment=None, reason="An audit", staff_id=make.staff("olga").pk)


def test_it_shows_files_of_people_to_whoever_may_approve_them(client, asked):
    signed_in(client, "contacts.view_export", "contacts.approve_export")
    page = first_page(client)
    assert list(page.context_data["exports"]) == [asked]
    assert reverse("admin:contacts_export_change", args=[asked.pk]) in page.content.decode()


def test_it_shows_no_file_when_it_is_approved_over_or_ones_own(client, asked):
    nora = signed_in(client, "contacts.view_export", "contacts.approve_export")
    exports.approve(export=asked, staff_id=nora.pk)
    exports.ask(segment=None, reason="Mine", staff_id=nora.pk)
    old = exports.ask(segment=None, reason="Old", staff_id=asked.asked_by_id)
    Export.objects.filter(pk=old.pk).update(asked_at=timezone.now() - timedelta(days=8))
    assert list(first_page(client).context_data["exports"]) == []


def test_it_counts_outcomes_in_words_that_agree(client, topic):
    sent(topic, "sent", "sent", "unknown")
    tally.keep_due()
    signed_in(client, "campaigns.view_delivery")
    page = client.get(reverse("admin:index"), headers={"Accept-Language": "fr"}).content.decode()
    assert "3 remis\u00a0: 2 envoyés, 1 inconnu." in page
