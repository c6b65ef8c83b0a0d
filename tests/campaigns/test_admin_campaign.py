"""A campaign in the admin, from the draft to the result: what each page shows and what it refuses."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission as StaffPermission
from django.contrib.auth.models import User
from django.db.models import Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse

from campaigns import audience, progress, services
from campaigns.models import Campaign, Delivery
from contacts import counting, segments
from contacts.models import Segment
from tests import make
from tests.campaigns import measuring

pytestmark = pytest.mark.django_db
State = Campaign.State
SOON = datetime(2099, 5, 4, 9, 0, tzinfo=UTC)


def allowed(client: Client, *permissions: str, username: str = "nora") -> User:
    """Sign in as staff with exactly these permissions."""
    staff = make.staff(username, superuser=False)
    for permission in permissions:
        app, _, codename = permission.partition(".")
        staff.user_permissions.add(
            StaffPermission.objects.get(content_type__app_label=app, codename=codename)
        )
    client.force_login(staff)
    return staff


MARKETER = (
    "campaigns.view_campaign", "campaigns.add_campaign", "campaigns.change_campaign",
    "campaigns.send_campaign", "campaigns.view_delivery", "campaigns.view_sender",
    "contacts.view_contact", "contacts.view_segment", "consent.view_topic",
)  # fmt: skip


def at(name: str, campaign: Campaign) -> str:
    return reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk])


@pytest.fixture
def campaign():
    make.organization()
    return make.campaign(make.topic())


def started(campaign: Campaign) -> Campaign:
    services.schedule_campaign(
        campaign=campaign, send_at=datetime.now(UTC) - timedelta(seconds=1), actor_id=None
    )
    progress.start(campaign.pk)
    campaign.refresh_from_db()
    return campaign


def test_it_begins_in_the_language_of_the_desk_and_keeps_what_was_written_in_another(
    client, campaign
):
    allowed(client, *MARKETER)

    def chosen(page: str) -> set[str]:
        shown = client.get(page, headers={"accept-language": "fr"}).content.decode()
        return set(re.findall(r'<option value="(en|fr)" selected>', shown))

    assert chosen(reverse("admin:campaigns_campaign_add")) == {"fr"}
    shown = client.get(at("change", campaign), headers={"accept-language": "fr"})
    formset = shown.context["inline_admin_formsets"][0].formset
    assert [form["language"].value() for form in formset.forms] == ["en"]
    assert formset.empty_form["language"].value() == "fr"


def content_form(**changes: str) -> dict[str, str]:
    return {
        "contents-TOTAL_FORMS": "1",
        "contents-INITIAL_FORMS": "0",
        "contents-0-language": "en",
        "contents-0-layout": "newsletter",
        "contents-0-markup": "markdown",
        "contents-0-subject": "Spring list",
        "contents-0-preheader": "Twelve new books",
        "contents-0-body": "Hello\n\nThree [new books](https://lumen.example/new).",
        **changes,
    }


def test_it_saves_a_draft_with_its_content_and_author(client):
    staff = allowed(client, *MARKETER)
    topic, sender = make.topic(), make.sender()
    page = client.post(
        reverse("admin:campaigns_campaign_add"),
        {
            "name": "Spring", "topic": topic.pk, "channel": "email", "sender": sender.pk,
            **content_form(), "_continue": "1",
        },
    )  # fmt: skip
    assert page.status_code == 302
    draft = Campaign.objects.get(name="Spring")
    assert draft.author == staff
    assert draft.state == State.DRAFT
    assert draft.contents.get().subject == "Spring list"


@pytest.mark.parametrize(
    ("channel", "is_offered", "is_measured"),
    [("email", True, True), ("sms", True, False), ("email", False, False)],
)
def test_it_can_be_measured_where_people_can_permit_it(channel, is_offered, is_measured, client):
    allowed(client, *MARKETER)
    if is_offered:
        measuring.topic()
    add = reverse("admin:campaigns_campaign_add")
    assert ('name="is_measured"' in client.get(add).content.decode()) is is_offered
    page = client.post(
        add,
        {
            "name": "Spring", "topic": make.topic().pk, "channel": channel, "is_measured": "on",
            "sender": make.sender().pk, **content_form(),
        },
    )  # fmt: skip
    refused = "Text messages are not measured." in page.content.decode()
    assert refused is (channel == "sms")
    assert Campaign.objects.filter(is_measured=True).exists() is is_measured


def test_it_refuses_a_draft_without_words(client):
    allowed(client, *MARKETER)
    page = client.post(
        reverse("admin:campaigns_campaign_add"),
        {
            "name": "Spring", "topic": make.topic().pk, "channel": "email",
            "sender": make.sender().pk, **content_form(**{"contents-0-subject": ""}),
        },
    )  # fmt: skip
    assert page.status_code == 200
    assert "An email needs a subject." in page.content.decode()
    assert not Campaign.objects.exists()


def test_it_saves_a_text_without_a_subject(client):
    allowed(client, *MARKETER)
    page = client.post(
        reverse("admin:campaigns_campaign_add"),
        {
            "name": "Spring", "topic": make.topic().pk, "channel": "sms",
            "sender": make.sender().pk, **content_form(**{"contents-0-subject": ""}),
        },
    )  # fmt: skip
    assert page.status_code == 302
    assert Campaign.objects.get().contents.get().subject == ""


def test_it_shows_a_text_and_what_is_paid_for_it_while_it_is_written(client, texts):
    allowed(client, *MARKETER)
    campaign = make.text_campaign(make.topic())
    seen = client.post(at("live", campaign), WRITTEN | {"body": "<b>Fête</b>"}).json()
    assert seen["subject"].startswith("2 SMS, ")
    assert "because of ê" in seen["subject"]
    assert "Lumen Books: <b>Fête</b>\nStop: http://localhost:8000/s/" in seen["text"]
    assert "&lt;b&gt;Fête" in seen["html"]
    page = client.get(at("preview", campaign)).content.decode()
    assert "+33700000001" in page
    assert "1 SMS, " in page


def test_it_shows_the_checks_as_a_list(client, campaign):
    allowed(client, *MARKETER)
    campaign.contents.update(body="Hello {{ contact.shoe_size }}")
    page = client.get(at("change", campaign))
    assert "shoe_size" in page.content.decode()
    assert "is-error" in page.content.decode()


def test_it_previews_in_a_frame_that_runs_nothing(client, campaign):
    allowed(client, *MARKETER)
    page = client.get(at("preview", campaign)).content.decode()
    assert 'sandbox=""' in page
    assert "New this month" in page
    assert "Three" in client.get(at("preview", campaign), {"as": "text"}).content.decode()


def test_it_previews_as_dark_programs_show_it(client, campaign):
    allowed(client, *MARKETER)
    dark = client.get(at("preview", campaign), {"as": "dark"}).content.decode()
    light = client.get(at("preview", campaign)).content.decode()
    assert "@media all {" in dark
    assert "@media not all {" in light
    assert "prefers-color-scheme: dark" not in dark + light


def test_it_previews_as_a_person_by_name_for_those_to_whom_it_is_open(client, campaign):
    ada = make.contact("ada@example.org", first_name="Ada")
    allowed(client, *MARKETER, "contacts.view_identity")
    asked = {"person": str(ada.subject), "as": "text"}
    assert "Hello reader" in client.get(at("preview", campaign), asked).content.decode()
    show_name = reverse("admin:contacts_contact_show_name", args=[ada.pk])
    client.post(show_name, {"reason": "She asked by phone"})
    page = client.get(at("preview", campaign), asked)
    assert "Hello Ada" in page.content.decode()


def test_it_previews_as_a_person_without_the_name_for_others(client, campaign):
    make.field("city")
    ada = make.contact("ada@example.org", first_name="Ada", attributes={"city": "Lyon"})
    campaign.contents.update(
        body="Hello {{ first_name | default: 'reader' }} in {{ contact.city | default: 'town' }}"
    )
    allowed(client, *MARKETER)
    asked = {"person": str(ada.subject)[:8], "as": "text"}
    page = client.get(at("preview", campaign), asked).content.decode()
    assert "Hello reader in town" in page
    assert "Ada" not in page
    assert "Lyon" not in page
    written = WRITTEN | {
        "body": "In {{ contact.city | default: 'town' }}: {{ first_name }}",
        "person": asked["person"],
    }
    seen = client.post(at("live", campaign), written).json()
    assert "In town:" in seen["text"]
    assert "Ada" not in seen["html"]


def test_it_offers_some_of_those_who_would_get_it_to_look_at_it_as(client, campaign):
    ada = make.contact("ada@example.org", first_name="Ada")
    make.granted(ada, campaign.topic)
    make.contact("bo@example.org")
    allowed(client, *MARKETER)
    [[subject, called]] = client.get(at("readers", campaign)).json()["readers"]
    assert subject == str(ada.subject)
    assert "Ada" not in called
    allowed(client, *(name for name in MARKETER if name != "contacts.view_contact"), username="bo")
    assert client.get(at("readers", campaign)).status_code == 403
    assert at("readers", campaign) not in client.get(at("preview", campaign)).content.decode()


def test_it_finds_nobody_to_preview_by_address_or_without_view_contact(client, campaign):
    ada = make.contact("ada@example.org", first_name="Ada")
    allowed(client, *MARKETER, "contacts.view_identity")
    page = client.get(at("preview", campaign), {"person": "ada@example.org"})
    assert "Nobody, or more than one" in page.content.decode()
    assert (
        "Nobody" in client.post(at("live", campaign), WRITTEN | {"person": "x"}).json()["problem"]
    )
    allowed(client, *(name for name in MARKETER if name != "contacts.view_contact"), username="bo")
    page = client.get(at("preview", campaign), {"person": str(ada.subject), "as": "text"})
    assert "Hello reader" in page.content.decode()


def test_it_counts_who_will_and_who_will_not_get_it_by_reason(client, campaign):
    topic = campaign.topic
    make.granted(make.contact(), topic)
    cy = make.contact("cy@example.org", first_name="Cy", last_name="Twombly")
    make.granted(cy, topic)
    make.withdrawn(cy, topic)
    allowed(client, *MARKETER)
    page = client.get(at("audience", campaign))
    assert (page.context_data["will"], page.context_data["not_sent"]) == (1, 1)
    assert "Withdrew" in page.content.decode()
    people = client.get(at("audience", campaign), {"reason": "withdrawn"}).content.decode()
    assert cy.pseudonym in people
    assert "Twombly" not in people
    assert "c***@e***.org" in people


def test_it_shows_the_numbers_of_people_whom_a_text_does_not_reach(client, campaign):
    make.contact("ada@example.org", phone="+33698765432")
    texts = make.text_campaign(campaign.topic, "Three new books.")
    allowed(client, *MARKETER)
    [row] = client.get(at("audience", texts), {"reason": "never_asked"}).context_data["rows"]
    assert row["address"].endswith("32")
    [row] = client.get(at("audience", campaign), {"reason": "never_asked"}).context_data["rows"]
    assert row["address"] == "a***@e***.org"


def test_it_names_nobody_behind_a_reason_without_view_contact(client, campaign):
    cy = make.contact()
    allowed(client, "campaigns.view_campaign")
    page = client.get(at("audience", campaign), {"reason": "never_asked"}).content.decode()
    assert cy.pseudonym not in page


def test_it_pages_through_the_people_behind_a_reason(client, campaign):
    people = [make.contact() for _ in range(53)]
    allowed(client, *MARKETER)
    first = client.get(at("audience", campaign), {"reason": "never_asked"})
    assert len(first.context_data["rows"]) == 50
    cursor, _, key = first.context_data["older"].partition("=")
    second = client.get(at("audience", campaign), {"reason": "never_asked", cursor: key})
    shown = [row["contact"].pk for row in second.context_data["rows"]]
    assert shown == sorted((person.pk for person in people[:3]), reverse=True)


def test_it_schedules_at_an_hour_of_the_chosen_clock(client, campaign):
    allowed(client, *MARKETER)
    page = client.post(
        at("schedule", campaign),
        {"day": "2099-05-04", "hour": "11:00", "timezone": "Europe/Paris", "patience": "3"},
    )
    assert page.status_code == 302
    campaign.refresh_from_db()
    assert campaign.state == State.SCHEDULED
    assert campaign.send_at == SOON
    assert campaign.latest_start_at == SOON + timedelta(hours=3)
    assert campaign.timezone == "Europe/Paris"


def test_it_says_why_it_cannot_be_scheduled(client, campaign):
    allowed(client, *MARKETER)
    campaign.contents.update(body="{{ contact.shoe_size }}")
    page = client.post(
        at("schedule", campaign),
        {"day": "2099-05-04", "hour": "11:00", "timezone": "UTC", "patience": ""},
    )
    assert page.status_code == 200
    assert "shoe_size" in page.content.decode()
    campaign.refresh_from_db()
    assert campaign.state == State.DRAFT


@pytest.mark.parametrize(
    "move", ["schedule", "unschedule", "test", "pause", "resume", "release", "cancel"]
)
def test_it_moves_nothing_by_get(client, campaign, move):
    allowed(client, *MARKETER)
    client.get(at(move, campaign))
    campaign.refresh_from_db()
    assert campaign.state == State.DRAFT


@pytest.mark.parametrize(
    "move", ["schedule", "unschedule", "pause", "resume", "release", "cancel", "settle"]
)
def test_it_refuses_to_send_without_send_campaign(client, campaign, move):
    allowed(client, *(name for name in MARKETER if name != "campaigns.send_campaign"))
    assert client.post(at(move, campaign)).status_code == 403
    assert client.get(at(move, campaign)).status_code in {403, 405}
    assert at(move, campaign) not in client.get(at("change", campaign)).content.decode()


@pytest.mark.parametrize(
    ("page", "permission"),
    [
        ("preview", "campaigns.view_campaign"),
        ("audience", "campaigns.view_campaign"),
        ("progress", "campaigns.view_delivery"),
        ("result", "campaigns.view_delivery"),
        ("counts", "campaigns.view_delivery"),
        ("person", "campaigns.view_delivery"),
    ],
)
def test_it_refuses_a_page_without_its_permission(client, campaign, page, permission):
    allowed(client, *(name for name in MARKETER if name != permission))
    assert client.get(at(page, campaign)).status_code == 403


def test_it_shows_only_the_moves_that_the_state_allows(client, campaign):
    allowed(client, *MARKETER)
    draft = client.get(at("change", campaign)).content.decode()
    assert at("schedule", campaign) in draft
    assert at("pause", campaign) not in draft
    sending = client.get(at("progress", started(campaign))).content.decode()
    assert at("pause", campaign) in sending
    assert at("schedule", campaign) not in sending


def test_it_pauses_resumes_and_cancels(client, campaign):
    allowed(client, *MARKETER)
    started(campaign)
    for move, state in [
        ("pause", State.PAUSED),
        ("resume", State.SENDING),
        ("cancel", State.CANCELLED),
    ]:
        assert client.post(at(move, campaign), {"reason": "Wrong picture"}).status_code == 302
        campaign.refresh_from_db()
        assert campaign.state == state


def test_it_says_when_a_scheduled_one_starts_however_often_it_looks_again(client, campaign):
    allowed(client, *MARKETER)
    services.set_pace(campaign=campaign, per_minute=7)
    services.schedule_campaign(campaign=campaign, send_at=SOON, actor_id=None)
    for page in ("progress", "counts"):
        shown = client.get(at(page, campaign)).content.decode()
        assert "for 4 May 2099, 09:00 (UTC)" in shown
        assert "at most 7 a minute" in shown


def test_it_asks_for_the_page_anew_when_the_state_allows_other_moves(client, campaign):
    allowed(client, *MARKETER)
    services.schedule_campaign(campaign=campaign, send_at=SOON, actor_id=None)
    shown = client.get(at("progress", campaign)).content.decode()
    (again,) = re.findall(r'hx-get="([^"]+/counts/[^"]+)"', shown)
    assert "HX-Refresh" not in client.get(again).headers
    progress.start(campaign.pk)
    Campaign.objects.update(state=State.SENDING)
    assert client.get(again).headers["HX-Refresh"] == "true"


@pytest.mark.parametrize("state", [State.PAUSED, State.HELD])
def test_it_looks_again_until_it_is_over(client, campaign, state):
    allowed(client, *MARKETER)
    started(campaign)
    Campaign.objects.update(state=state)
    assert b"hx-get" in client.get(at("counts", campaign)).content
    Campaign.objects.update(state=State.SENT, finished_at=Now())
    assert b"hx-get" not in client.get(at("counts", campaign)).content


def test_it_counts_among_those_allowed_whom_a_cancelled_campaign_did_not_reach(client, campaign):
    make.granted(make.contact(), campaign.topic)
    make.contact()
    allowed(client, *MARKETER)
    started(campaign)
    services.cancel_campaign(campaign=campaign)
    progress.end_done()
    assert "0 of 1 sent" in client.get(at("counts", campaign)).content.decode()


def test_it_says_that_a_campaign_has_moved_on(client, campaign):
    allowed(client, *MARKETER)
    page = client.post(at("pause", campaign), follow=True)
    assert "has moved on" in page.content.decode()


def test_it_no_longer_changes_what_is_scheduled(client, campaign):
    allowed(client, *MARKETER)
    services.schedule_campaign(campaign=campaign, send_at=SOON, actor_id=None)
    page = client.post(at("change", campaign), {"name": "Another", **content_form()})
    assert page.status_code == 403
    shown = client.get(at("change", campaign)).content.decode()
    assert "reader&#x27; }},<br><br>Three" in shown
    assert "Product news" in shown
    assert "product-news" not in shown


def test_it_makes_a_draft_again_of_what_is_scheduled_and_leads_to_the_composer(client, campaign):
    allowed(client, *MARKETER)
    services.schedule_campaign(campaign=campaign, send_at=SOON, actor_id=None)
    assert at("unschedule", campaign) in client.get(at("progress", campaign)).content.decode()
    answer = client.post(at("unschedule", campaign))
    assert answer.url == at("change", campaign)
    campaign.refresh_from_db()
    assert campaign.state == State.DRAFT


def test_it_shows_counts_by_state_and_reason_once_started(client, campaign):
    make.granted(make.contact(), campaign.topic)
    make.contact()
    allowed(client, *MARKETER)
    started(campaign)
    page = client.get(at("progress", campaign))
    shown = page.context_data["progress"]
    assert (shown.waiting, shown.withheld, shown.sent) == (1, 1, 0)
    assert "Never said yes" in page.content.decode()
    counts = client.get(at("counts", campaign)).content.decode()
    assert 'hx-trigger="every 3s"' in counts
    assert "<html" not in counts


def unknown_delivery(campaign: Campaign) -> Delivery:
    """As a worker leaves it that ended in the middle of a hand-over."""
    make.granted(make.contact(), campaign.topic)
    started(campaign)
    campaign.deliveries.update(state="unknown", reason="stopped_working", attempt=1)
    return campaign.deliveries.get()


def test_it_sends_unknown_deliveries_again_or_leaves_them(client, campaign):
    delivery = unknown_delivery(campaign)
    allowed(client, *MARKETER)
    assert f'value="{delivery.pk}"' in client.get(at("progress", campaign)).content.decode()
    client.post(at("settle", campaign), {"delivery": delivery.pk, "what": "leave"})
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == ("unknown", "left")
    campaign.deliveries.update(reason="stopped_working")
    client.post(at("settle", campaign), {"delivery": delivery.pk, "what": "resend"})
    delivery.refresh_from_db()
    assert delivery.state == "pending"


def test_it_settles_nothing_when_nothing_is_chosen(client, campaign):
    delivery = unknown_delivery(campaign)
    allowed(client, *MARKETER)
    page = client.post(at("settle", campaign), {"what": "resend"}, follow=True)
    assert "Choose at least one" in page.content.decode()
    delivery.refresh_from_db()
    assert delivery.state == "unknown"


def test_it_says_why_one_person_would_or_would_not_get_it(client, campaign):
    ada = make.contact("ada@example.org")
    make.granted(ada, campaign.topic)
    make.contact("bo@example.org")
    allowed(client, *MARKETER, "contacts.view_identity")
    answer = client.post(at("person", campaign), {"person": "Ada@Example.org"}).content.decode()
    assert "Would get it." in answer
    assert ada.pseudonym in answer
    answer = client.post(at("person", campaign), {"person": "bo@example.org"}).content.decode()
    assert "never said yes to this topic" in answer
    answer = client.post(at("person", campaign), {"person": "nobody@example.org"}).content.decode()
    assert "Nobody is known" in answer


def test_it_says_what_stands_in_the_words_of_the_reader(client, campaign):
    ada = make.contact()
    make.granted(ada, campaign.topic)
    allowed(client, *MARKETER)
    asked = {"person": str(ada.subject)}
    french = client.post(at("person", campaign), asked, headers={"accept-language": "fr"})
    stands = french.content.decode().partition("Ce qui tient")[2].partition("</p>")[0]
    assert "accord" in stands
    assert "granted" not in stands


def test_it_links_the_event_for_those_alone_who_may_look_at_it(client, campaign):
    ada = make.contact()
    event = make.granted(ada, campaign.topic)
    started(campaign)
    delivery = campaign.deliveries.get()
    link = reverse("admin:consent_consentevent_change", args=[event.pk])
    pages = [
        reverse("admin:campaigns_delivery_changelist"),
        reverse("admin:campaigns_delivery_change", args=[delivery.pk]),
        reverse("admin:contacts_contact_change", args=[ada.pk]),
    ]
    marketer = (*MARKETER, "consent.view_permission")
    for name, permissions in (("nora", marketer), ("bo", (*marketer, "consent.view_consentevent"))):
        allowed(client, *permissions, username=name)
        for page in pages:
            shown = client.get(page).content.decode()
            assert f"#{event.pk}" in shown
            assert (f'href="{link}"' in shown) == (name == "bo"), page


def test_it_says_why_one_person_did_not_get_it(client, campaign):
    cy = make.contact("cy@example.org")
    make.granted(cy, campaign.topic)
    make.withdrawn(cy, campaign.topic)
    started(campaign)
    allowed(client, *MARKETER)
    answer = client.post(at("person", campaign), {"person": str(cy.subject)}).content.decode()
    assert "Did not get it: withdrew" in answer


def test_it_sends_a_test_to_the_staff_member(client, campaign):
    staff = allowed(client, *MARKETER)
    campaign.sender.transport = "django.core.mail.backends.locmem.EmailBackend"
    campaign.sender.save(update_fields=["transport"])
    page = client.post(at("test", campaign), {"language": "en"}, follow=True)
    assert "The test was sent." in page.content.decode(), staff.email
    assert not Delivery.objects.exists()


def test_it_says_why_a_test_cannot_go_when_the_backend_does_not_exist(client, campaign):
    allowed(client, *MARKETER)
    campaign.sender.transport = "nowhere.EmailBackend"
    campaign.sender.save(update_fields=["transport"])
    page = client.post(at("test", campaign), {"language": "en"})
    assert "cannot use the email backend" in page.content.decode()


@pytest.mark.parametrize(
    ("transport", "status"),
    [
        ("nowhere.EmailBackend", 200),
        ("anymail.backends.postmark.EmailBackend", 200),
        ("smtp", 302),
        ("django.core.mail.backends.locmem.EmailBackend", 302),
    ],
)
def test_it_takes_no_transport_that_nobody_could_send_through(client, transport, status):
    client.force_login(make.staff())
    page = reverse("admin:campaigns_sender_add")
    sender = {"name": "Shop", "from_name": "Shop", "from_email": "shop@lumen.example"}
    answer = client.post(page, sender | {"transport": transport})
    assert answer.status_code == status
    assert ("The sender cannot send" in answer.content.decode()) == (status == 200)


def test_it_lists_deliveries_without_growing_queries(
    client, campaign, django_assert_max_num_queries
):
    for _ in range(3):
        make.granted(make.contact(), campaign.topic)
    started(campaign)
    allowed(client, *MARKETER)
    with django_assert_max_num_queries(8):
        page = client.get(reverse("admin:campaigns_delivery_changelist"))
    assert page.status_code == 200
    for _ in range(20):
        make.contact()
    audience.freeze(make.campaign(campaign.topic, name="Second"), lanes=1)
    with django_assert_max_num_queries(8):
        assert client.get(reverse("admin:campaigns_delivery_changelist")).status_code == 200


def test_it_never_changes_or_deletes_deliveries(client, campaign):
    make.granted(make.contact(), campaign.topic)
    started(campaign)
    client.force_login(make.staff())
    delivery = campaign.deliveries.get()
    page = reverse("admin:campaigns_delivery_change", args=[delivery.pk])
    assert client.get(page).status_code == 200
    assert client.post(page, {"state": "sent"}).status_code == 403
    assert (
        client.post(reverse("admin:campaigns_delivery_delete", args=[delivery.pk])).status_code
        == 403
    )
    assert client.get(reverse("admin:campaigns_delivery_add")).status_code == 403


def test_it_duplicates_words_and_segments_but_no_schedule(client, campaign):
    staff = allowed(client, *MARKETER)
    campaign.segments.add(Segment.objects.create(name="French", rule={}))
    services.schedule_campaign(campaign=campaign, send_at=SOON, actor_id=None)
    client.get(at("duplicate", campaign))
    assert Campaign.objects.count() == 1
    client.post(at("duplicate", campaign), {"name": "Next letter"})
    copy = Campaign.objects.get(name="Next letter")
    assert (copy.state, copy.send_at, copy.author) == (State.DRAFT, None, staff)
    assert copy.contents.get().body == campaign.contents.get().body
    assert copy.segments.get().name == "French"


def test_it_duplicates_nothing_without_add_campaign(client, campaign):
    allowed(client, *(name for name in MARKETER if name != "campaigns.add_campaign"))
    assert client.post(at("duplicate", campaign), {"name": "Copy"}).status_code == 403
    assert Campaign.objects.count() == 1


def test_it_opens_the_desk_with_what_this_person_may_see(client, campaign):
    make.granted(make.contact(), campaign.topic)
    started(campaign)
    allowed(client, *MARKETER)
    page = client.get(reverse("admin:index"))
    assert page.context_data["running"][0]["progress"].waiting == 1
    assert "audience" not in page.context_data
    allowed(client, "consent.view_permission", username="officer")
    page = client.get(reverse("admin:index"))
    assert [line["count"] for line in page.context_data["audience"]] == [1, 0]
    assert "running" not in page.context_data


def test_it_says_where_to_begin_when_there_is_nobody(client):
    client.force_login(make.staff())
    assert "Where to begin" in client.get(reverse("admin:index")).content.decode()


WRITTEN = {
    "language": "en", "layout": "letter", "markup": "markdown", "subject": "Draft",
    "preheader": "", "body": "Half a *sentence*",
}  # fmt: skip


def test_it_renders_what_is_being_written_and_saves_nothing(client, campaign):
    allowed(client, *MARKETER)
    seen = client.post(at("live", campaign), WRITTEN).json()
    assert seen["subject"] == "Draft"
    assert "<em>sentence</em>" in seen["html"]
    seen = client.post(at("live", campaign), WRITTEN | {"body": "{{ contact.shoe }}"}).json()
    assert "shoe" in seen["problem"]
    assert client.post(at("live", campaign), WRITTEN | {"layout": "../x"}).status_code == 400
    assert campaign.contents.get().subject == "New this month"
    assert client.get(at("live", campaign)).status_code == 405


def test_it_renders_nothing_for_those_who_may_not_write(client, campaign):
    allowed(client, "campaigns.view_campaign")
    assert client.post(at("live", campaign), WRITTEN).status_code == 403


def test_it_shows_the_page_at_once_and_counts_afterwards_when_counting_takes_long(
    client, campaign, hurried, monkeypatch
):
    make.granted(make.contact(), campaign.topic)
    allowed(client, *MARKETER)
    asleep = Q(pk__in=RawSQL("SELECT id FROM contacts_contact, pg_sleep(0.05)", []))
    slow = segments.Operator("is", "is", "nothing", lambda _value: asleep, "%(label)s")
    condition = segments.Condition("slow", "slow", segments.by_name(slow))
    monkeypatch.setattr("contacts.segments.conditions._sources", [lambda: [condition]])
    rule = {"condition": "slow", "operator": "is"}
    campaign.segments.add(Segment.objects.create(name="Slow", rule=rule))
    shown = client.get(at("audience", campaign)).context_data
    assert (
        "Counting so many takes a moment" in client.get(at("audience", campaign)).content.decode()
    )
    assert "Count who will get it" in client.get(at("schedule", campaign)).content.decode()
    figure = shown["figure"]
    asked = {"kind": figure.kind, "about": figure.about, "back": at("audience", campaign)}
    answer = client.post(reverse("admin:contacts_contact_ask_count"), asked, follow=True)
    assert "It is being counted" in answer.content.decode()
    counting.work()
    counted = client.get(at("audience", campaign))
    assert counted.context_data["will"] == 1
    assert "Count again" in counted.content.decode()
    assert client.get(at("schedule", campaign)).context_data["will"] == 1
    campaign.segments.clear()
    assert client.get(at("audience", campaign)).context_data["figure"].at is None


def test_it_pages_through_the_people_behind_a_reason_once_started(client, campaign):
    people = [make.contact() for _ in range(52)]
    allowed(client, *MARKETER)
    started(campaign)
    first = client.get(at("audience", campaign), {"reason": "never_asked"})
    cursor, _, key = first.context_data["older"].partition("=")
    second = client.get(at("audience", campaign), {"reason": "never_asked", cursor: key})
    shown = [row["contact"].pk for row in second.context_data["rows"]]
    assert shown == [people[1].pk, people[0].pk]
    assert second.context_data["older"] == ""


def test_it_says_what_uses_a_segment_and_keeps_it_from_being_deleted(client) -> None:
    wanted = Segment.objects.create(name="Wanted", rule={})
    free = Segment.objects.create(name="Free", rule={})
    campaign = make.campaign(make.topic(), name="Spring letter")
    campaign.segments.add(wanted)
    client.force_login(make.staff())
    page = client.get(reverse("admin:contacts_segment_change", args=[wanted.pk])).content.decode()
    assert "Spring letter" in page
    delete = "admin:contacts_segment_delete"
    assert client.post(reverse(delete, args=[wanted.pk]), {"post": "yes"}).status_code == 403
    assert client.post(reverse(delete, args=[free.pk]), {"post": "yes"}).status_code == 302
    assert [segment.name for segment in Segment.objects.all()] == ["Wanted"]


def test_it_settles_all_that_is_unknown_at_once(client, campaign):
    for _ in range(3):
        make.granted(make.contact(), campaign.topic)
    started(campaign)
    campaign.deliveries.update(state="unknown", reason="stopped_working", attempt=1)
    allowed(client, *MARKETER)
    client.post(at("settle", campaign), {"all": "yes", "what": "leave"})
    assert set(campaign.deliveries.values_list("reason", flat=True)) == {"left"}
    campaign.deliveries.update(reason="stopped_working")
    client.post(at("settle", campaign), {"all": "yes", "what": "resend"})
    assert set(campaign.deliveries.values_list("state", flat=True)) == {"pending"}


def test_it_says_how_long_a_throttled_send_takes(client, campaign):
    for _ in range(5):
        make.granted(make.contact(), campaign.topic)
    allowed(client, *MARKETER)
    page = client.get(at("schedule", campaign)).content.decode()
    assert "as fast as its transport takes" in page
    campaign.sender.per_minute = 2
    campaign.sender.save(update_fields=["per_minute"])
    page = client.get(at("schedule", campaign)).content.decode()
    assert "at most 2 messages a minute" in page
    assert "At 2 a minute this one takes about 3\xa0minutes" in page
    campaign.per_minute = 1
    campaign.save(update_fields=["per_minute"])
    page = client.get(at("schedule", campaign)).content.decode()
    assert "At 1 a minute this one takes about 5\xa0minutes" in page


def test_it_shows_after_the_send_what_really_happened(client, campaign):
    for _ in range(4):
        make.granted(make.contact(), campaign.topic)
    make.contact()
    started(campaign)
    keys = list(campaign.deliveries.filter(state="pending").values_list("pk", flat=True))
    for key, state, reason in zip(
        keys,
        ("sent", "bounced", "failed", "unknown"),
        ("", "", "refused_by_relay", "no_answer"),
        strict=True,
    ):
        campaign.deliveries.filter(pk=key).update(state=state, reason=reason, attempt=1)
    allowed(client, *MARKETER)
    page = client.get(at("audience", campaign))
    shown = {share.reason: share.count for share in page.context_data["outcomes"]}
    assert shown == {"sent": 1, "failed": 1, "withheld": 1, "unknown": 1, "bounced": 1}
    assert "The relay refused it" in page.content.decode()
    figures = ("handed_over", "not_sent", "unknown", "waiting", "total")
    assert [page.context_data[name] for name in figures] == [2, 2, 1, 0, 5]


def test_it_tells_who_was_left_out_at_the_start_from_who_was_since(client, campaign):
    for _ in range(3):
        make.granted(make.contact(), campaign.topic)
    make.contact()
    started(campaign)
    first = campaign.deliveries.filter(state="pending").first()
    campaign.deliveries.filter(pk=first.pk).update(
        state="withheld", reason="withdrew", settled_at=Now()
    )
    allowed(client, *MARKETER)
    page = client.get(at("audience", campaign)).context_data
    told = {share.reason: (share.at_start, share.later) for share in page["will_not"]}
    assert told == {"never_asked": (1, 0), "withdrew": (0, 1)}


def test_it_shows_whoever_approves_what_they_approve(client, campaign, settings):
    settings.CAMPAIGN_NEEDS_APPROVAL = True
    make.granted(make.contact(), campaign.topic)
    make.contact()
    campaign.segments.add(Segment.objects.create(name="Everybody of note"))
    allowed(client, *MARKETER, "campaigns.approve_campaign")
    page = client.get(at("approve", campaign))
    shown = page.content.decode()
    assert "Everybody of note" in shown
    assert "New this month" in shown
    assert "srcdoc=" in shown
    assert 'sandbox=""' in shown
    assert (page.context_data["will"], page.context_data["not_sent"]) == (1, 1)


def test_it_says_why_a_message_cannot_be_shown_to_whoever_approves(client, campaign, settings):
    settings.CAMPAIGN_NEEDS_APPROVAL = True
    campaign.contents.update(body="{{ contact.secret }}")
    allowed(client, *MARKETER, "campaigns.approve_campaign")
    seen = client.get(at("approve", campaign)).context_data["messages_of"]
    assert seen[0]["problem"]


def test_it_looks_for_the_people_behind_a_reason_in_parts(client, campaign, monkeypatch):
    monkeypatch.setattr("campaigns.audience.WINDOW", 3)
    rare = make.contact()
    for _ in range(4):
        make.granted(make.contact(), campaign.topic)
    allowed(client, *MARKETER)
    first = client.get(at("audience", campaign), {"reason": "never_asked"})
    assert first.context_data["rows"] == []
    assert "look at older ones" in first.content.decode()
    cursor, _, key = first.context_data["older"].partition("=")
    second = client.get(at("audience", campaign), {"reason": "never_asked", cursor: key})
    assert [row["contact"] for row in second.context_data["rows"]] == [rare]
    assert second.context_data["older"] == ""


def test_it_says_why_it_was_held_before_it_is_released(client, campaign):
    allowed(client, *MARKETER)
    held = {"state": "held", "state_reason": "Was a backup restored?", "send_at": SOON}
    Campaign.objects.filter(pk=campaign.pk).update(**held)
    assert "Was a backup restored?" in client.get(at("release", campaign)).content.decode()


def test_it_says_without_scripts_what_works(client):
    client.force_login(make.staff())
    page = client.get(reverse("admin:index")).content.decode()
    assert "JavaScript is off." in page.partition("<noscript>")[2].partition("</noscript>")[0]


def test_it_saves_words_in_a_language_that_is_not_configured_any_more(client, campaign):
    allowed(client, *MARKETER)
    german = campaign.contents.create(language="de", subject="Neues", body="Hallo")
    english = campaign.contents.get(language="en")
    page = client.get(at("change", campaign)).content.decode()
    assert '<option value="de" selected>de</option>' in page
    form = {
        "name": "Kept", "topic": campaign.topic_id, "channel": "email", "sender": campaign.sender_id,
        **content_form(**{
            "contents-TOTAL_FORMS": "2", "contents-INITIAL_FORMS": "2",
            "contents-0-id": str(english.pk), "contents-1-id": str(german.pk),
            "contents-1-language": "de", "contents-1-layout": "newsletter",
            "contents-1-markup": "markdown", "contents-1-subject": "Neueres",
            "contents-1-preheader": "", "contents-1-body": "Hallo",
        }),
    }  # fmt: skip
    assert client.post(at("change", campaign), form).status_code == 302
    german.refresh_from_db()
    assert german.subject == "Neueres"
    form["contents-0-language"] = "nl"
    assert client.post(at("change", campaign), form).status_code == 200


def test_it_names_what_goes_with_a_campaign_and_not_what_stays(client, campaign):
    allowed(client, *MARKETER, "campaigns.delete_campaign")
    campaign.segments.add(Segment.objects.create(name="French", rule={}))
    page = client.get(at("delete", campaign)).content.decode()
    assert "New this month" in page
    assert "object (" not in page
    assert "relationship" not in page
    client.post(at("delete", campaign), {"post": "yes"})
    assert not Campaign.objects.filter(pk=campaign.pk).exists()
    assert Segment.objects.filter(name="French").exists()


def test_it_shows_no_empty_box_of_an_approval_that_nobody_asked_for(client, campaign, settings):
    started(campaign)
    settings.CAMPAIGN_NEEDS_APPROVAL = True
    allowed(client, *MARKETER)
    assert 'id="approval"' not in client.get(at("progress", campaign)).content.decode()


def test_it_names_the_languages_of_a_message(client, campaign):
    allowed(client, *MARKETER)
    page = client.get(at("preview", campaign), headers={"Accept-Language": "fr"}).content.decode()
    assert ">Anglais</option>" in page


def test_it_offers_nobody_where_a_segment_cannot_be_read(client, campaign):
    rule = {"condition": "field.gone", "operator": "is", "value": "x"}
    campaign.segments.add(Segment.objects.create(name="Gone", rule=rule))
    allowed(client, *MARKETER)
    assert client.get(at("readers", campaign)).json() == {"readers": []}
