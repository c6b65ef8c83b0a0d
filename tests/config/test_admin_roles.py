"""Roles by actions, as one table; and that nobody raises themselves above their role."""

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse

from config import roles
from tests import make

pytestmark = pytest.mark.django_db

MARKETER, ANALYST, PUBLISHER = "Marketer", "Analyst", "Publisher"
OPERATOR, OFFICER, ADMINISTRATOR = "Operator", "Privacy officer", "Administrator"
PAGES = {
    "campaigns_campaign_changelist": {MARKETER, ANALYST, OPERATOR, OFFICER},
    "campaigns_campaign_add": {MARKETER},
    "campaigns_delivery_changelist": {MARKETER, ANALYST, OPERATOR, OFFICER},
    "campaigns_sender_add": {OPERATOR, ADMINISTRATOR},
    "contacts_contact_changelist": {MARKETER, ANALYST, OFFICER},
    "contacts_contact_add": set(),
    "contacts_segment_add": {MARKETER},
    "consent_topic_add": {PUBLISHER},
    "consent_wording_add": {PUBLISHER},
    "consent_suppression_changelist": {OFFICER},
    "consent_suppression_add": {OFFICER},
    "consent_consentevent_changelist": {OFFICER},
    "consent_ledgercheckpoint_changelist": {OPERATOR, OFFICER},
    "consent_importbatch_changelist": {OPERATOR, OFFICER},
    "consent_servicemail_changelist": {OPERATOR, OFFICER},
    "consent_organization_changelist": {PUBLISHER, OFFICER, ADMINISTRATOR},
    "auth_user_changelist": {ADMINISTRATOR},
    "auth_user_add": {ADMINISTRATOR},
    "auth_group_add": set(),
}


def staff_in(role: str, client) -> User:
    staff = make.staff(role.lower().replace(" ", "-"), superuser=False)
    staff.groups.add(Group.objects.get(name=role))
    client.force_login(staff)
    return staff


@pytest.mark.parametrize("role", sorted(roles.ROLES))
def test_it_opens_to_a_role_exactly_its_pages(client, role):
    staff_in(role, client)
    opened = {page for page in PAGES if client.get(reverse(f"admin:{page}")).status_code == 200}
    assert opened == {page for page, allowed in PAGES.items() if role in allowed}


@pytest.mark.parametrize("role", sorted(roles.ROLES))
def test_it_shows_a_role_only_the_navigation_it_may_use(client, role):
    staff_in(role, client)
    shown = client.get(reverse("admin:index")).content.decode()
    for page, allowed in PAGES.items():
        if page.endswith("_changelist"):
            assert (f'href="{reverse(f"admin:{page}")}"' in shown) == (role in allowed), page


@pytest.mark.parametrize("role", [MARKETER, ANALYST, PUBLISHER, OPERATOR, ADMINISTRATOR])
def test_it_shows_names_to_privacy_officers_only(client, role):
    assert not staff_in(role, client).has_perm("contacts.view_identity")


def test_it_leaves_a_role_as_staff_made_it():
    analyst = Group.objects.get(name=ANALYST)
    analyst.permissions.clear()
    roles.make_missing()
    assert not analyst.permissions.exists()


def test_it_makes_a_role_that_is_missing():
    Group.objects.filter(name=ANALYST).delete()
    roles.make_missing()
    assert Group.objects.get(name=ANALYST).permissions.count() == len(roles.ROLES[ANALYST])


def test_it_lets_an_administrator_make_no_superuser(client):
    staff_in(ADMINISTRATOR, client)
    boss = make.staff("boss")
    clerk = make.staff("clerk", superuser=False)
    page = reverse("admin:auth_user_change", args=[clerk.pk])
    form = {
        "username": "clerk",
        "email": "",
        "is_active": "on",
        "is_staff": "on",
        "is_superuser": "on",
    }
    client.post(page, form)
    clerk.refresh_from_db()
    assert not clerk.is_superuser
    assert client.post(reverse("admin:auth_user_change", args=[boss.pk]), form).status_code == 403
    password = reverse("admin:auth_user_password_change", args=[boss.pk])
    assert client.post(password, {"password1": "x" * 12, "password2": "x" * 12}).status_code == 403
