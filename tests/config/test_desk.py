"""What every page of the desk has in common: it says where one is, and speaks in words."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from config import watch
from config.models import AuditEntry
from consent.models import Wording
from tests import make

pytestmark = pytest.mark.django_db


def heading(page):
    found = re.search(r"<h1.*?</h1>", page.content.decode(), re.DOTALL)
    assert found is not None
    without_icons = re.sub(r"<span[^>]*aria-hidden.*?</span>", "", found[0], flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", without_icons)).strip()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("contacts_hold_add", "Holds Add hold"),
        ("contacts_contact_find", "Contacts Find a person"),
        ("consent_ledgercheckpoint_status", "Ledger checkpoints The ledger at a glance"),
        ("contacts_hold_changelist", "Holds"),
    ],
)
def test_it_says_which_page_it_is_when_it_is_about_no_single_thing(admin_client, name, said):
    assert heading(admin_client.get(reverse(f"admin:{name}"))) == said


def test_it_names_the_thing_alone_when_it_is_about_one(admin_client):
    topic = make.topic("news")
    page = admin_client.get(reverse("admin:consent_topic_change", args=[topic.pk]))
    assert heading(page) == "Topics News"


def test_it_leads_to_the_form_that_adds_one_when_it_is_not_that_form(admin_client):
    link = 'aria-label="Add hold"'
    assert link in admin_client.get(reverse("admin:contacts_hold_changelist")).content.decode()
    assert link not in admin_client.get(reverse("admin:contacts_hold_add")).content.decode()


def test_it_says_how_many_there_are_when_one_page_shows_all(admin_client):
    make.contact()
    page = admin_client.get(reverse("admin:contacts_contact_changelist")).content.decode()
    assert "1 entry" in page
    assert "Older" not in page
    for _ in range(51):
        make.contact()
    page = admin_client.get(reverse("admin:contacts_contact_changelist")).content.decode()
    assert 'rel="next"' in page
    assert "entries" not in page


def test_it_names_languages_when_it_shows_codes_of_them(admin_client):
    make.contact(language="fr")
    wording = make.wording(make.topic())
    campaign = make.campaign(make.topic(), state="sent", send_at="2026-01-02T00:00Z")
    shown = {
        "contacts_contact_changelist": "French",
        "consent_wording_changelist": "English",
        "campaigns_campaign_change": "English · New this month",
        "consent_wording_change": f"email · English · v{wording.version}",
    }
    keys = {"campaigns_campaign_change": campaign.pk, "consent_wording_change": wording.pk}
    for name, said in shown.items():
        url = reverse(f"admin:{name}", args=[keys[name]] if name in keys else [])
        page = admin_client.get(url).content.decode()
        assert said in page, name
        assert not re.search(r">\s*(en|fr)\s*<", page), name


def test_it_shows_no_table_of_words_when_a_topic_has_none(admin_client):
    topic = make.topic()
    url = reverse("admin:consent_topic_change", args=[topic.pk])
    assert "Wordings</h2>" not in admin_client.get(url).content.decode()
    make.wording(topic)
    assert Wording.objects.count() == 1
    assert "Text beside the box" in admin_client.get(url).content.decode()


def test_it_calls_things_in_the_audit_trail_as_the_desk_does(admin_client):
    watch.hold()
    make.staff("nora")
    page = admin_client.get(reverse("admin:config_auditentry_changelist")).content.decode()
    assert "Member of staff" in page
    assert "auth.user 1" not in page


# Of these there is always one for whoever looks.
NEVER_EMPTY = {AuditEntry, Group, User}


def test_it_says_what_belongs_there_when_a_list_is_empty():
    silent = {m for m, desk in admin.site._registry.items() if not getattr(desk, "empty_text", "")}
    assert silent == NEVER_EMPTY


def test_it_leads_back_to_the_desk_when_nothing_is_there(admin_client):
    page = admin_client.get("/admin/nothing/")
    assert page.status_code == 404
    assert reverse("admin:index") in page.content.decode()
    assert "Back to the desk" in page.content.decode()
    assert "Back to the desk" not in admin_client.get("/nothing/").content.decode()


def test_it_complains_of_no_field_when_there_is_nothing_to_choose(admin_client):
    page = admin_client.get(reverse("admin:consent_permission_unmailable")).content.decode()
    assert "This field is required." not in page


def test_it_says_what_to_do_when_a_form_was_open_for_too_long():
    client = Client(enforce_csrf_checks=True)
    client.force_login(make.staff())
    page = client.post(reverse("admin:contacts_tag_add"), {"name": "fair"})
    assert page.status_code == 403
    assert "This page is too old" in page.content.decode()
