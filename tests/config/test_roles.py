"""Roles by actions over the desks and the API, as one table; and that nobody raises themselves above it."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from config import roles
from consent import renewing, sealing
from consent.models import LedgerCheckpoint
from contacts import exports, rights
from contacts.models import Segment, StaticList, Tag
from tests import make

pytestmark = pytest.mark.django_db

MARKETER, ANALYST, PUBLISHER = "Marketer", "Analyst", "Publisher"
OFFICER, OPERATOR, ADMINISTRATOR = "Privacy officer", "Operator", "Administrator"
EVERYBODY = {MARKETER, ANALYST, PUBLISHER, OFFICER, OPERATOR, ADMINISTRATOR}
SENDING = {MARKETER, ANALYST, OPERATOR, OFFICER}
PEOPLE = {MARKETER, ANALYST, OFFICER}
CONSENT = {MARKETER, ANALYST, PUBLISHER, OFFICER}
NOBODY: set[str] = set()

# Pages of the desks: GET. `{…}` is an object of the stage below.
PAGES = {
    "index": EVERYBODY,
    "campaigns_campaign_changelist": SENDING,
    "campaigns_campaign_add": {MARKETER},
    "campaigns_campaign_change {campaign}": SENDING,
    "campaigns_campaign_delete {campaign}": {MARKETER},
    "campaigns_campaign_preview {campaign}": SENDING,
    "campaigns_campaign_audience {campaign}": SENDING,
    "campaigns_campaign_progress {campaign}": SENDING,
    "campaigns_campaign_result {campaign}": SENDING,
    "campaigns_campaign_person {campaign}": SENDING,
    "campaigns_campaign_test {campaign}": {MARKETER},
    "campaigns_campaign_schedule {campaign}": {MARKETER, OPERATOR},
    "campaigns_campaign_cancel {scheduled}": {MARKETER, OPERATOR},
    "campaigns_campaign_running": SENDING,
    "campaigns_campaign_pace {scheduled}": {MARKETER, OPERATOR},
    "campaigns_campaign_ask {campaign}": {MARKETER},
    "campaigns_campaign_approve {campaign}": {MARKETER},
    "campaigns_campaign_duplicate {campaign}": {MARKETER},
    "campaigns_image_changelist": {MARKETER, ANALYST},
    "campaigns_image_choices": {MARKETER, ANALYST},
    "campaigns_image_add": {MARKETER},
    "campaigns_delivery_changelist": SENDING,
    "campaigns_sender_changelist": {MARKETER, ANALYST, OPERATOR, ADMINISTRATOR},
    "campaigns_sender_add": {OPERATOR, ADMINISTRATOR},
    "contacts_contact_changelist": PEOPLE,
    "contacts_contact_add": NOBODY,
    "contacts_contact_change {contact}": PEOPLE,
    "contacts_contact_delete {contact}": NOBODY,
    "contacts_contact_find": PEOPLE,
    "contacts_contact_show_names": {OFFICER},
    "contacts_contact_show_name {contact}": {OFFICER},
    "contacts_segment_changelist": PEOPLE,
    "contacts_segment_add": {MARKETER},
    "contacts_segment_delete {segment}": {MARKETER},
    "contacts_tag_changelist": PEOPLE,
    "contacts_tag_add": {MARKETER},
    "contacts_staticlist_changelist": PEOPLE,
    "contacts_staticlist_add": {MARKETER},
    "contacts_datafield_changelist": {OFFICER},
    "contacts_datafield_add": {OFFICER},
    "contacts_datafield_record": {OFFICER},
    "contacts_datafield_record_file": {OFFICER},
    "contacts_datafield_replace_choice {field}": {OFFICER},
    "contacts_datafield_retention": {OFFICER},
    "contacts_datafield_runs": {OFFICER},
    "contacts_processor_changelist": {OFFICER},
    "contacts_processor_add": {OFFICER},
    "contacts_export_changelist": {OFFICER, ADMINISTRATOR},
    "contacts_export_add": {OFFICER},
    "contacts_export_fetch {export}": NOBODY,
    "contacts_subjectrequest_changelist": {OFFICER},
    "contacts_subjectrequest_add": {OFFICER},
    "contacts_subjectrequest_answer {asked}": {OFFICER},
    "contacts_subjectrequest_refuse {asked}": {OFFICER},
    "contacts_subjectrequest_tell {asked}": {OFFICER},
    "contacts_hold_changelist": {OFFICER},
    "contacts_hold_add": {OFFICER},
    "contacts_hold_lift {hold}": {OFFICER},
    "contacts_identityview_changelist": {OFFICER},
    "consent_topic_changelist": CONSENT,
    "consent_topic_add": {PUBLISHER},
    "consent_topic_retire {topic}": {PUBLISHER},
    "consent_wording_changelist": CONSENT,
    "consent_wording_add": {PUBLISHER},
    "consent_wording_publish {draft}": {PUBLISHER},
    "consent_wording_delete {draft}": {PUBLISHER},
    "consent_permission_changelist": CONSENT,
    "consent_permission_change {permission}": CONSENT,
    "consent_permission_unmailable": CONSENT,
    "consent_permission_record_basis": {OPERATOR},
    "consent_renewalround_changelist": CONSENT,
    "consent_renewalround_add": {PUBLISHER},
    "consent_renewalround_change {renewal}": CONSENT,
    "consent_renewalround_stop {renewal}": {PUBLISHER},
    "consent_suppression_changelist": {OFFICER},
    "consent_suppression_add": {OFFICER},
    "consent_suppression_find": {OFFICER},
    "consent_consentevent_changelist": {OFFICER},
    "consent_consentevent_change {event}": {OFFICER},
    "consent_consentevent_prove {contact}": {OFFICER},
    "consent_consentevent_go_to_person {event}": {OFFICER},
    "consent_ledgercheckpoint_changelist": {OPERATOR, OFFICER},
    "consent_ledgercheckpoint_status": {OPERATOR, OFFICER},
    "consent_ledgercheckpoint_readings": {OPERATOR, OFFICER},
    "consent_ledgercheckpoint_note {checkpoint}": {OPERATOR, OFFICER},
    "consent_importbatch_changelist": {OPERATOR, OFFICER},
    "consent_importbatch_add": {OPERATOR},
    "consent_servicemail_changelist": {OPERATOR, OFFICER},
    "consent_organization_changelist": {PUBLISHER, OFFICER, ADMINISTRATOR},
    "auth_user_changelist": {ADMINISTRATOR},
    "auth_user_add": {ADMINISTRATOR},
    "auth_user_change {clerk}": {ADMINISTRATOR},
    "auth_user_delete {clerk}": NOBODY,
    "auth_group_changelist": {ADMINISTRATOR},
    "auth_group_add": NOBODY,
    "mfa_authenticator_changelist": {ADMINISTRATOR},
    "config_auditentry_changelist": {OFFICER, ADMINISTRATOR},
    "config_apitoken_changelist": EVERYBODY,
}
# Acts by POST on the desks: the same door as the page that asks.
ACTS = {
    "campaigns_campaign_schedule {campaign}": {MARKETER, OPERATOR},
    "campaigns_campaign_unschedule {scheduled}": {MARKETER, OPERATOR},
    "campaigns_campaign_pace {scheduled}": {MARKETER, OPERATOR},
    "campaigns_campaign_pause {scheduled}": {MARKETER, OPERATOR},
    "campaigns_campaign_resume {scheduled}": {MARKETER, OPERATOR},
    "campaigns_campaign_release {scheduled}": {MARKETER, OPERATOR},
    "campaigns_campaign_settle {scheduled}": {MARKETER, OPERATOR},
    "campaigns_campaign_cancel {scheduled}": {MARKETER, OPERATOR},
    "campaigns_campaign_test {campaign}": {MARKETER},
    "campaigns_campaign_ask {campaign}": {MARKETER},
    "campaigns_campaign_approve {campaign}": {MARKETER},
    "campaigns_campaign_duplicate {campaign}": {MARKETER},
    "campaigns_campaign_person {campaign}": SENDING,
    "campaigns_campaign_delete {campaign}": {MARKETER},
    "campaigns_image_upload": {MARKETER},
    "consent_topic_retire {topic}": {PUBLISHER},
    "consent_wording_publish {draft}": {PUBLISHER},
    "consent_permission_record_basis": {OPERATOR},
    "consent_renewalround_add": {PUBLISHER},
    "consent_renewalround_stop {renewal}": {PUBLISHER},
    "contacts_subjectrequest_answer {asked}": {OFFICER},
    "contacts_hold_lift {hold}": {OFFICER},
    "contacts_contact_find": PEOPLE,
    "contacts_contact_show_names": {OFFICER},
    "contacts_datafield_count": {OFFICER},
    "contacts_export_add": {OFFICER},
    "consent_ledgercheckpoint_verify": {OPERATOR, OFFICER},
    "contacts_segment_delete {segment}": {MARKETER},
}
API = {
    "GET contacts/": PEOPLE,
    "GET contacts/{subject}/": PEOPLE,
    "POST contacts/find/": {OFFICER},
    "POST contacts/": NOBODY,
    "PATCH contacts/{subject}/": {OFFICER},
    "GET topics/": CONSENT,
    "POST topics/": {PUBLISHER},
    "POST topics/{key}/publish/": {PUBLISHER},
    "POST topics/{key}/retire/": {PUBLISHER},
    "GET permissions/": CONSENT,
    "GET permissions/explain/": CONSENT,
    "POST permissions/give/": {OPERATOR},
    "POST permissions/withdraw/": {OFFICER},
    "GET events/": {OFFICER},
    "GET campaigns/": SENDING,
    "GET campaigns/{campaign}/": SENDING,
    "POST campaigns/": {MARKETER},
    "PATCH campaigns/{campaign}/": {MARKETER},
    "GET campaigns/{campaign}/audience/": SENDING,
    "POST campaigns/{campaign}/approve/": {MARKETER},
    "POST campaigns/{campaign}/schedule/": {MARKETER, OPERATOR},
    "POST campaigns/{campaign}/unschedule/": {MARKETER, OPERATOR},
    "POST campaigns/{campaign}/pause/": {MARKETER, OPERATOR},
    "POST campaigns/{campaign}/resume/": {MARKETER, OPERATOR},
    "POST campaigns/{campaign}/release/": {MARKETER, OPERATOR},
    "POST campaigns/{campaign}/pace/": {MARKETER, OPERATOR},
    "POST campaigns/{campaign}/settle/": {MARKETER, OPERATOR},
    "POST campaigns/{campaign}/cancel/": {MARKETER, OPERATOR},
    "GET deliveries/": SENDING,
}
# What the admin offers to everybody who is staff: their own things, and a search of what they may see.
OWN = {"index", "logout", "password_change", "password_change_done", "jsi18n", "login", "search"}


@pytest.fixture
def stage() -> dict[str, Any]:
    """One object of each kind, named as the tables above name them."""
    make.organization()
    topic = make.topic()
    ada = make.contact("ada@example.org")
    event = make.granted(ada, topic)
    draft = make.wording(topic).__class__.objects.create(
        topic=topic, channel="sms", language="en", version=1, text="Yes, by SMS."
    )
    scheduled = make.campaign(topic, name="Soon", state="scheduled", send_at=make.LONG_AGO)
    Tag.objects.create(name="fair")
    sealing.seal()
    StaticList.objects.create(name="Fair")
    return {
        "topic": topic.pk,
        "key": topic.key,
        "draft": draft.pk,
        "contact": ada.pk,
        "subject": ada.subject,
        "event": event.pk,
        "permission": ada.permissions.get(topic=topic).pk,
        "renewal": renewing.start(
            topic=topic, channel="email", days_before=30, started_by_id=None
        ).pk,
        "campaign": make.campaign(topic).pk,
        "scheduled": scheduled.pk,
        "segment": Segment.objects.create(name="Everybody").pk,
        "export": exports.ask(segment=None, reason="An audit", staff_id=None).pk,
        "checkpoint": LedgerCheckpoint.objects.get().pk,
        "asked": rights.receive(contact=ada, kind="access").pk,
        "field": make.field("genre", "choice", choices=["Poems", "Plays"]).pk,
        "hold": rights.place_hold(contact=ada, reason="A claim in court", placer_id=None).pk,
        "clerk": make.staff("clerk", superuser=False).pk,
    }


def signed_in(*names: str) -> Client:
    staff = make.staff("nora", superuser=False)
    staff.groups.set([Group.objects.get(name=name) for name in names])
    client = Client()
    client.force_login(staff)
    return client


def address(row: str, stage: dict[str, Any]) -> str:
    page, _, thing = row.partition(" ")
    return reverse(f"admin:{page}", args=[stage[thing.strip("{}")]] if thing else [])


def allowed(table: dict[str, set[str]], role: str, ask: Callable[[str], int]) -> set[str]:
    """The rows whose answer is no refusal."""
    return {row for row in table if ask(row) not in {401, 403, 404}}


def expected(table: dict[str, set[str]], role: str) -> set[str]:
    return {row for row, may in table.items() if role in may}


@pytest.mark.parametrize("role", sorted(roles.ROLES))
def test_it_opens_to_a_role_exactly_its_pages(role, stage):
    client = signed_in(role)
    opened = allowed(PAGES, role, lambda row: client.get(address(row, stage)).status_code)
    assert opened == expected(PAGES, role)


@pytest.mark.parametrize("role", sorted(roles.ROLES))
def test_it_does_for_a_role_exactly_its_acts(role, stage):
    client = signed_in(role)
    form = {"post": "yes"}
    done = allowed(ACTS, role, lambda row: client.post(address(row, stage), form).status_code)
    assert done == expected(ACTS, role)


@pytest.mark.parametrize("role", sorted(roles.ROLES))
def test_it_answers_a_role_exactly_its_requests(role, stage):
    client = signed_in(role)

    def ask(row: str) -> int:
        method, _, path = row.partition(" ")
        return client.generic(
            method, "/api/" + path.format(**stage), "{}", content_type="application/json"
        ).status_code

    assert allowed(API, role, ask) == expected(API, role)


@pytest.mark.parametrize("role", sorted(roles.ROLES))
def test_it_shows_a_role_only_the_navigation_it_may_use(role, stage):
    shown = signed_in(role).get(reverse("admin:index")).content.decode()
    for row, may in PAGES.items():
        if row.endswith("_changelist") and f"admin/{row.split('_')[0]}" in shown:
            linked = f'href="{reverse(f"admin:{row}")}"' in shown
            assert not linked or role in may, row


@pytest.mark.parametrize("role", sorted(EVERYBODY - {OFFICER}))
def test_it_shows_addresses_and_names_to_privacy_officers_only(role, stage):
    client = signed_in(role)
    for path in (
        reverse("admin:contacts_contact_changelist"),
        reverse("admin:contacts_contact_change", args=[stage["contact"]]),
        f"/api/contacts/{stage['subject']}/",
    ):
        assert "ada@example.org" not in client.get(path).content.decode()


def patterns(resolver: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from patterns(pattern, route)
        elif isinstance(pattern, URLPattern):
            yield route, pattern.name or ""


def objects_of(name: str) -> list[int]:
    """The keys that a page of this name can be asked for: any other object of its model is not there."""
    models = {
        f"{model._meta.label_lower.replace('.', '_')}_": model for model in admin.site._registry
    }
    own = [model for prefix, model in models.items() if name.startswith(prefix)]
    keys = own[0]._default_manager.values_list("pk", flat=True)[:3] if own else []
    return [*keys] or [1]


def test_it_opens_nothing_to_staff_without_a_role(stage):
    client = signed_in()
    opened, asked = [], set()
    for route, name in patterns(get_resolver()):
        if not route.startswith("admin/") or name in OWN or "^" in route:
            continue
        for key in objects_of(name) if "object_id>" in route else [0]:
            path = "/" + re.sub(r"<\w+:object_id>", str(key), route)
            asked.add(name)
            for method in ("GET", "POST"):
                answer = client.generic(method, path, follow=False)
                if answer.status_code not in {302, 403, 404, 405}:
                    opened.append(f"{method} {name} {path}")
    assert [each for each in opened if "apitoken" not in each] == []
    assert {row.partition(" ")[0] for row in PAGES | ACTS} - OWN <= asked


def test_it_answers_nothing_over_the_api_to_staff_without_a_role(stage):
    client = signed_in()
    for row in API:
        method, _, path = row.partition(" ")
        answer = client.generic(
            method, "/api/" + path.format(**stage), "{}", content_type="application/json"
        )
        assert answer.status_code == 403, row


def test_it_names_only_permissions_that_exist():
    for name, permissions in roles.ROLES.items():
        held = {
            f"{permission.content_type.app_label}.{permission.codename}"
            for permission in Group.objects.get(name=name).permissions.select_related(
                "content_type"
            )
        }
        assert held == set(permissions)


def test_it_brings_a_role_back_to_the_table_when_somebody_widened_it():
    analyst = Group.objects.get(name=ANALYST)
    officer = Group.objects.get(name=OFFICER)
    analyst.permissions.set(officer.permissions.all())
    roles.hold()
    assert analyst.permissions.count() == len(roles.ROLES[ANALYST])


def test_it_makes_a_role_again_and_leaves_a_group_of_ones_own_alone():
    Group.objects.filter(name=ANALYST).delete()
    own = Group.objects.create(name="Interns")
    roles.hold()
    assert Group.objects.get(name=ANALYST).permissions.count() == len(roles.ROLES[ANALYST])
    assert not own.permissions.exists()


def test_it_does_nothing_the_second_time(django_assert_num_queries):
    with django_assert_num_queries(5):
        roles.hold()


# Nobody raises themselves


FORM = {"username": "nora", "email": "", "is_active": "on", "is_staff": "on"}


def test_it_lets_an_administrator_make_no_superuser():
    client = signed_in(ADMINISTRATOR)
    boss, clerk = make.staff("boss"), make.staff("clerk", superuser=False)
    page = reverse("admin:auth_user_change", args=[clerk.pk])
    client.post(page, FORM | {"username": "clerk", "is_superuser": "on"})
    clerk.refresh_from_db()
    assert not clerk.is_superuser
    assert client.post(reverse("admin:auth_user_change", args=[boss.pk]), FORM).status_code == 403
    password = reverse("admin:auth_user_password_change", args=[boss.pk])
    assert client.post(password, {"password1": "x" * 12, "password2": "x" * 12}).status_code == 403


def test_it_lets_an_administrator_give_roles_to_others_and_none_to_themselves():
    client = signed_in(ADMINISTRATOR)
    officer = Group.objects.get(name=OFFICER)
    nora, clerk = User.objects.get(username="nora"), make.staff("clerk", superuser=False)
    for user in (nora, clerk):
        page = reverse("admin:auth_user_change", args=[user.pk])
        client.post(page, FORM | {"username": user.username, "groups": [officer.pk]})
    assert officer not in nora.groups.all()
    assert officer in clerk.groups.all()


def test_it_lets_nobody_edit_a_role_that_comes_with_assent(client):
    client.force_login(make.staff())
    role, own = Group.objects.get(name=ANALYST), Group.objects.create(name="Interns")
    for group, status in ((role, 403), (own, 302)):
        page = reverse("admin:auth_group_change", args=[group.pk])
        assert client.post(page, {"name": "Renamed"}).status_code == status


def test_it_takes_an_erased_or_restricted_date_from_nobody(client, stage):
    client.force_login(make.staff())
    client.patch(
        f"/api/contacts/{stage['subject']}/",
        {"restricted_at": "2026-01-01T00:00:00Z", "erased_at": "2026-01-01T00:00:00Z"},
        content_type="application/json",
    )
    shown = client.get(f"/api/contacts/{stage['subject']}/").json()
    assert (shown["restricted_at"], shown["erased_at"]) == (None, None)


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("contacts_contact_find", "Find a person"),
        ("contacts_contact_changelist", "Contacts"),
        ("contacts_datafield_retention", "Retention"),
        ("contacts_datafield_record", "Record of processing"),
        ("contacts_datafield_add", "Registered fields"),
        ("consent_ledgercheckpoint_status", "Ledger at a glance"),
    ],
)
def test_it_marks_one_place_of_the_sidebar_as_the_one_that_is_shown(stage, page, title):
    shown = signed_in(OFFICER).get(reverse(f"admin:{page}"))
    site: Any = admin.site  # the theme's own, which carries no types
    groups = site.get_sidebar_list(shown.wsgi_request)
    active = [str(item["title"]) for group in groups for item in group["items"] if item["active"]]
    assert active == [title]
