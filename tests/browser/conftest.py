"""A real Chromium and a live server. Skipped, and said so, where no browser is installed."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from tests import make

# The shell is Chromium without the windows of a browser around its pages: a third less work.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
HERE = Path(__file__).parent
# A busy machine is slow, not wrong.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("No Chromium is installed here; set CHROMIUM to the program to drive.")
    with sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, which Django takes for asynchronous code.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
        try:
            browser = playwright.chromium.launch(
                executable_path=program, args=["--no-sandbox"] if os.geteuid() == 0 else []
            )
        except Error as error:
            pytest.skip(f"{program} does not start: {error.message.splitlines()[0]}")
        yield browser
        browser.close()
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


Visit = Callable[..., Page]


def session_of(staff: User) -> str:
    """They have signed in, which is no test's business but its own."""
    client = Client()
    client.force_login(staff)
    return client.cookies["sessionid"].value


@pytest.fixture
def visit(chromium: Browser, live_server, settings) -> Iterator[Visit]:
    """Open a page as a new visitor, or as staff who are signed in."""
    settings.PUBLIC_URL = live_server.url
    contexts = []

    def open_page(
        path: str = "/",
        *,
        staff: User | None = None,
        javascript: bool = True,
        language: str = "en",
        width: int = 1280,
        dark: bool = False,
    ) -> Page:
        context = chromium.new_context(
            base_url=live_server.url,
            java_script_enabled=javascript,
            locale=language,
            viewport={"width": width, "height": 844 if width < 700 else 900},
            device_scale_factor=2 if width < 700 else 1,
            color_scheme="dark" if dark else "light",
        )
        contexts.append(context)
        if staff:
            session = session_of(staff)
            context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def desk(visit: Visit) -> Visit:
    """Open a page of the desk as somebody of a role, a marketer where none is named."""

    def open_desk(
        path: str = "/admin/", *, role: str = "Marketer", username: str = "nora", **how: object
    ) -> Page:
        return visit(path, staff=make.staff_of(role, username), **how)

    return open_desk
