"""Every page of the desk under axe-core's rules for WCAG A and AA, light and dark."""

import re
from collections.abc import Iterator
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import Page as BrowserPage

from tests import pages

TAGS = ["wcag2a", "wcag2aa"]
Theme = Literal["light", "dark"]
RULES: dict[Theme, dict[str, object]] = {
    "light": {"type": "tag", "values": TAGS},
    # A theme changes colors and nothing else.
    "dark": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
}
# The desk asks for the theme once, when a page opens; colors on their way are at the end of it at once.
SHOW = """isDark => {
  document.documentElement.classList.toggle("dark", isDark);
  for (const each of document.getAnimations()) {
    if (each.effect.getComputedTiming().endTime !== Infinity) each.finish();
  }
}"""
# A list filtered, searched or paged, and a page asked for more: the same page, with other rows.
SPECIAL = re.compile(r" (?!\()")


def kinds(browser: BrowserPage) -> Iterator[str]:
    """Each page of the admin once; of a campaign's, the first state with it; Django's own once."""
    shown = set()
    for page in pages.pages():
        kind = page.name.partition(" ")[0]
        act = kind.rpartition("_")[2]
        kind = act if act in {"delete", "history"} else kind
        if kind in shown or page.posted is not None or SPECIAL.search(page.name):
            continue
        answer = browser.request.get(page.address, max_redirects=0)
        if answer.status == 200 and "<html" in answer.text():
            shown.add(kind)
            browser.goto(page.address)
            yield page.name


def broken(browser: BrowserPage, theme: Theme) -> list[str]:
    """The rules that a page breaks, each with what breaks it and how."""
    options = {"resultTypes": ["violations"], "runOnly": RULES[theme]}
    return [
        f"{rule['id']}: {node['html'][:160]} {node['failureSummary']}"
        for rule in Axe().run(browser, options=options).response["violations"]
        for node in rule["nodes"]
    ]


def test_it_has_no_accessibility_violation_on_any_page(visit, settings):
    settings.CAMPAIGN_NEEDS_APPROVAL = settings.EXPORT_NEEDS_SECOND_PERSON = True
    client = Client()
    client.force_login(pages.exhibit())
    browser = visit("/")
    session = client.cookies["sessionid"].value
    browser.context.add_cookies([{"name": "sessionid", "value": session, "url": browser.url}])
    found = {}
    count = 0
    for kind in kinds(browser):
        count += 1
        for theme in RULES:
            browser.emulate_media(color_scheme=theme)
            browser.evaluate(SHOW, theme == "dark")
            if each := broken(browser, theme):
                found[kind, theme] = each
    assert count > 60
    assert found == {}
