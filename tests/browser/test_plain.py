"""The desk without JavaScript: pages are read, forms are sent."""

from django.contrib.auth.models import Group
from django.test import Client
from playwright.sync_api import expect

from config import roles
from tests import make


def test_it_is_used_without_scripts(visit):
    roles.hold()
    make.organization()
    topic = make.topic()
    make.granted(make.contact("ada@example.org"), topic)
    campaign = make.campaign(topic)
    staff = make.staff("nora", superuser=False)
    staff.groups.add(Group.objects.get(name="Marketer"))
    client = Client()
    client.force_login(staff)
    page = visit("/", javascript=False)
    session = client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": page.url}])
    page.goto("/admin/")
    # Playwright passes over what stands in <noscript> when it looks for words.
    expect(page.locator(".desk-plainly")).to_be_visible()
    expect(page.get_by_placeholder("Type to search")).to_be_hidden()
    page.get_by_text("As a table").first.click()
    expect(page.get_by_role("table").first).to_be_visible()
    page.goto(f"/admin/campaigns/campaign/{campaign.pk}/change/")
    page.get_by_label("Subject").first.fill("Written without scripts")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#result_list")).to_be_visible()
    assert campaign.contents.get().subject == "Written without scripts"
    page.goto(f"/admin/campaigns/campaign/{campaign.pk}/preview/")
    expect(page.get_by_text("Written without scripts")).to_be_visible()
    page.locator(".desk-plainly a").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
