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
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
FIRST = "/admin/campaigns/campaign/1"
DESK = {
    "dashboard": "/admin/",
    "audience": f"{FIRST}/audience/",
    "result": f"{FIRST}/result/",
}
LARGEST = 150_000
SETTLES_MS = 1_500


def take(browser: Browser, asked: argparse.Namespace, theme: Theme) -> None:
    context = browser.new_context(
        base_url=asked.url, locale="en", viewport=SIZE, color_scheme=theme
    )
    page = context.new_page()
    page.goto(asked.preferences)
    keep(page, f"preferences-{theme}")
    page.goto("/admin/")
    page.locator("[name=login]").fill("admin")
    page.locator("[name=password]").fill(asked.password)
    page.locator("main button[type=submit]").first.click()
    page.wait_for_url("**/admin/")
    for name, address in DESK.items():
        page.goto(address)
        keep(page, f"{name}-{theme}")
    context.close()


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
        for theme in THEMES:
            take(browser, asked, theme)
        browser.close()


if __name__ == "__main__":
    main()
