"""The desk without JavaScript: pages are read, forms are sent."""

from playwright.sync_api import expect

from tests import make


def test_it_is_used_without_scripts(desk):
    make.organization()
    topic = make.topic()
    make.granted(make.contact("ada@example.org"), topic)
    campaign = make.campaign(topic)
    page = desk(javascript=False)
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
