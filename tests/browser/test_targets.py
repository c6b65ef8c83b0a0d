"""What is pressed on the desk: large enough for a finger, or with room around it, and called by its name."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User

from tests import make, pages

# A first page, lists with boxes and with sorted columns, forms with pickers and with many boxes.
PAGES = (
    "/admin/", "/admin/contacts/contact/", "/admin/contacts/tag/?o=1", "/admin/consent/wording/",
    "/admin/campaigns/campaign/add/", "/admin/contacts/segment/add/", "/admin/auth/group/add/",
    "/admin/auth/user/{}/change/", "/admin/consent/importbatch/add/",
)  # fmt: skip
# WCAG 2.2 SC 2.5.8: 24 CSS pixels each way, or a circle of that width that meets no other target.
OPTIONS = {"resultTypes": ["violations"], "runOnly": {"type": "rule", "values": ["target-size"]}}
ROLES = {"combobox", "searchbox", "textbox", "listbox"}


@pytest.fixture
def staff() -> User:
    return pages.exhibit()


@pytest.mark.parametrize("width", [1280, 390])
def test_it_gives_everything_that_is_pressed_room(visit, staff, width):
    page = visit("/admin/", staff=staff, width=width)
    # So high that the bar of buttons lies over nothing.
    page.set_viewport_size({"width": width, "height": 6000})
    found = []
    for address in PAGES:
        page.goto(address.format(staff.pk))
        page.wait_for_load_state("load")
        for rule in Axe().run(page, options=OPTIONS).response["violations"]:
            found += [
                (address, node["html"][:160], node["failureSummary"]) for node in rule["nodes"]
            ]
    assert found == []


def test_it_names_every_field_and_picker(visit, staff):
    person = make.contact()
    page = visit("/admin/", staff=staff)
    browser = page.context.new_cdp_session(page)
    for address in (
        "/admin/campaigns/campaign/add/",
        f"/admin/contacts/contact/{person.pk}/change/",
    ):
        page.goto(address)
        page.locator(".select2-selection[aria-label]").first.wait_for()
        nodes = browser.send("Accessibility.getFullAXTree")["nodes"]
        seen = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node["ignored"] and node["role"]["value"] in ROLES
        ]
        assert len(seen) > 4
        assert [role for role, name in seen if not name] == []
