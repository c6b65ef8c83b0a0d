"""Take the pictures of the README, light and dark, from a quickstart that stays up.

`python -m tests.screenshots PASSWORD PREFERENCES [--url http://localhost:8000]`: the password that quickstart
printed, and the address of a preference page from its mailbox.
"""

import argparse
import os
import shutil
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

OUT = Path(__file__).parent.parent / "docs" / "screenshots"
SIZE: ViewportSize = {"width": 1280, "height": 800}
DRAFT = "Product news, issue 3"
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
SENT = "/admin/campaigns/campaign/1"
LARGEST = 150_000
SETTLES_MS = 1_500


def signed_in(browser: Browser, asked: argparse.Namespace, theme: Theme) -> Page:
    context = browser.new_context(
        base_url=asked.url, locale="en", viewport=SIZE, color_scheme=theme
    )
    page = context.new_page()
    page.goto("/admin/")
    page.locator("[name=login]").fill("admin")
    page.locator("[name=password]").fill(asked.password)
    page.locator("main button[type=submit]").first.click()
    page.wait_for_url("**/admin/")
    return page


def draft(page: Page) -> str:
    """The address of a draft to write in, made once."""
    page.goto("/admin/campaigns/campaign/?q=issue+3")
    if not page.get_by_role("link", name=DRAFT).count():
        page.goto(f"{SENT}/duplicate/")
        page.get_by_label("Name").fill(DRAFT)
        page.get_by_role("button", name="Duplicate").click()
        page.goto("/admin/campaigns/campaign/?q=issue+3")
    page.get_by_role("link", name=DRAFT).first.click()
    page.wait_for_url("**/change/**")
    return page.url.partition("/change/")[0]


def take(page: Page, asked: argparse.Namespace, theme: Theme) -> None:
    page.goto(asked.preferences)
    keep(page, f"preferences-{theme}")
    page.goto(f"{SENT}/result/")
    keep(page, f"result-{theme}")
    compose(page, f"{draft(page)}/change/")
    keep(page, f"composer-{theme}")
    page.set_viewport_size(SIZE)
    page.goto(f"{draft(page)}/audience/")
    keep(page, f"audience-{theme}")
    build(page)
    keep(page, f"segment-{theme}")


def compose(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="Preview as you write").first.click()
    page.locator(".desk-live-subject:not(:empty)").first.wait_for()
    # Wide enough for the message to stand beside its words.
    page.set_viewport_size({"width": 1600, "height": 1000})
    page.evaluate("document.getElementById('id_contents-0-subject').scrollIntoView()")


def build(page: Page) -> None:
    """A segment of two conditions with its figures, not saved."""
    page.goto("/admin/contacts/segment/add/")
    page.get_by_label("Name").fill("French subscribers")
    page.get_by_role("button", name="Add a condition").click()
    page.get_by_label("Value").select_option("fr")
    page.get_by_role("button", name="Add a condition").click()
    page.get_by_label("What").nth(1).select_option("lifecycle")
    page.get_by_label("Value").nth(1).select_option("subscriber")
    page.locator(".desk-rule-figure").wait_for()


def keep(page: Page, name: str) -> None:
    """A picture with a palette: text stays sharp at a third of the size."""
    page.wait_for_timeout(SETTLES_MS)
    path = OUT / f"{name}.png"
    page.screenshot(path=path)
    with Image.open(path) as shot:
        small = shot.convert("RGB").quantize(192, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    if path.stat().st_size > LARGEST:
        raise SystemExit(f"{path} is larger than {LARGEST} bytes.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("password")
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("preferences", help="the address of a preference page, as mailed")
    asked = parser.parse_args()
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        pages = {theme: signed_in(browser, asked, theme) for theme in THEMES}
        # Before there is a draft, which would stand on the first page of the second theme only.
        for theme, page in pages.items():
            page.goto("/admin/")
            keep(page, f"dashboard-{theme}")
        for theme, page in pages.items():
            take(page, asked, theme)
        browser.close()


if __name__ == "__main__":
    main()
