"""Every page of the desk: axe-core's rules for WCAG A and AA, light and dark, and the page's own policy."""

import re
from collections.abc import Iterator
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, Response
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
RUN = """async ([without, options]) => {
  const {violations} = await axe.run({exclude: without}, options);
  const said = (rule, node) => `${rule.id}: ${node.html.slice(0, 160)} ${node.failureSummary}`;
  return violations.flatMap(rule => rule.nodes.map(node => said(rule, node)));
}"""
MENU = "#nav-sidebar"
REFUSED = "the server responded with a status of"
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
        try:
            answer = browser.goto(page.address, wait_until="load")
        except Error as error:
            if "Download is starting" not in error.message:
                raise
            continue
        assert not is_open(answer.headers.get("content-security-policy", "")), page.address
        if answer.status == 200 and not answer.request.redirected_from and is_page(answer):
            shown.add(kind)
            yield page.name


def is_page(answer: Response) -> bool:
    """Not a part of one, nor an answer for a program."""
    return "<html" in answer.text()


def broken(browser: BrowserPage, theme: Theme, without: list[str]) -> list[str]:
    """The rules that a page breaks, each with what breaks it and how."""
    options = {"resultTypes": ["violations"], "runOnly": RULES[theme]}
    found: list[str] = browser.evaluate(RUN, [without, options])
    return found


def is_open(policy: str) -> bool:
    """Whether a content security policy lets foreign or inline scripts run."""
    scripts = policy.partition("script-src")[2].partition(";")[0]
    return "'self'" not in scripts or "'unsafe-inline'" in scripts


def test_it_is_read_by_everybody_and_keeps_to_its_policy_on_any_page(visit, settings):
    settings.CAMPAIGN_NEEDS_APPROVAL = settings.EXPORT_NEEDS_SECOND_PERSON = True
    browser = visit("/admin/", staff=pages.exhibit())
    complaints: list[str] = []
    browser.on("console", lambda said: complaints.append(f"{browser.url}: {said.type} {said.text}"))
    browser.on("pageerror", lambda error: complaints.append(f"{browser.url}: error {error}"))
    found = {}
    count = 0
    for kind in kinds(browser):
        # The menu is the same on each page.
        without = [MENU] if count else []
        count += 1
        browser.evaluate(Axe().axe_script)
        for theme in RULES:
            browser.emulate_media(color_scheme=theme)
            browser.evaluate(SHOW, theme == "dark")
            if each := broken(browser, theme, without):
                found[kind, theme] = each
    assert count > 60
    assert found == {}
    assert [each for each in complaints if " error " in each and REFUSED not in each] == []
