"""The subscriber's journeys in a real browser, with JavaScript and without."""

import itertools
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone

from consent import gate, services
from consent.budgets import Budget
from consent.models import ConsentEvent
from consent.views import sign_up
from contacts.models import Channel, Contact, DataField
from tests import make
from tests.consent.public import mailed, manage_link, stop_link

# axe-core's rules for WCAG 2.2 AA and good practice; the target size is off unless asked for.
EVERY_RULE = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
SCRIPTS = pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no-scripts"])


@pytest.fixture
def news():
    make.organization()
    topic = make.topic()
    make.wording(topic)
    make.wording(topic, language="fr")
    return topic


@pytest.fixture
def ada(news):
    ada = make.contact("ada@example.org")
    make.granted(ada, news)
    return ada


@pytest.fixture
def questions():
    use = make.topic("remember-city", use="data", offers_email=False, offers_sms=False)
    make.wording(use, Channel.DATA)
    kinds = DataField.Type
    asked = {"is_asked_at_sign_up": True}
    make.field("city", basis="consent", topic_key=use.key, **asked)
    make.field("born_on", kinds.DATE, **asked)
    make.field("books", kinds.NUMBER, **asked)
    make.field("teaches", kinds.YES_NO, **asked)
    make.field("plan", kinds.CHOICE, choices=["Pro", "Free"], **asked)
    make.field("genres", kinds.LIST, choices=["Poems", "Plays"], **asked)


@pytest.fixture(autouse=True)
def _patient_form(monkeypatch):
    """Chromium types faster than people do."""
    monkeypatch.setattr("consent.forms.LEAST_SECONDS", 0)


def reason(contact, topic):
    return gate.explain(contact=contact, topic=topic, channel=Channel.EMAIL).reason


@SCRIPTS
def test_it_takes_a_stranger_from_the_form_to_a_yes(visit, news, javascript):
    page = visit("/", javascript=javascript)
    page.get_by_role("checkbox").check()
    page.get_by_label("Email address").fill("bo@example.org")
    page.get_by_role("button", name="Sign up").click()
    page.get_by_role("heading", name="Look into your inbox").wait_for()
    bo = Contact.objects.get()
    [link] = mailed("confirm")
    page.goto(link)
    page.get_by_role("button", name="Yes, confirm").click()
    page.get_by_role("heading", name="Thank you, it is done").wait_for()
    assert reason(bo, news) == ""


def test_it_speaks_french_to_a_french_browser(visit, news):
    page = visit("/", language="fr-FR")
    assert page.locator("html").get_attribute("lang") == "fr"
    page.get_by_role("link", name="English").click()
    assert page.locator("html").get_attribute("lang") == "en"


def test_it_takes_the_form_of_another_site(visit, news, live_server):
    snippet = visit("/join/embed/").locator("textarea").input_value()
    page = visit("/nowhere/")
    page.goto("about:blank")
    page.set_content(f"<!doctype html><title>A shop</title>{snippet}")
    page.get_by_role("checkbox").check()
    page.get_by_label("Email address").fill("bo@example.org")
    page.get_by_role("button", name="Sign up").click()
    page.get_by_role("heading", name="Look into your inbox").wait_for()
    assert page.url.startswith(live_server.url)
    assert Contact.objects.count() == 1


@SCRIPTS
def test_it_stops_and_undoes(visit, ada, news, javascript):
    page = visit(f"/u/{stop_link(ada, news.key)}/", javascript=javascript)
    assert reason(ada, news) == ""
    page.get_by_role("button", name="Stop “Product news” by email").click()
    page.get_by_role("heading", name="is stopped").wait_for()
    assert reason(ada, news) == "withdrawn"
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("heading", name="Undone").wait_for()
    assert reason(ada, news) == ""


def test_it_takes_a_reason_by_keyboard_alone(visit, ada, news):
    page = visit(f"/u/{stop_link(ada, news.key)}/")
    page.get_by_text("Tell us why").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Too many messages").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="is stopped").wait_for()
    assert ConsentEvent.objects.latest("pk").evidence.details["reason"] == "too_many"


@SCRIPTS
def test_it_saves_what_was_changed_and_nothing_else(visit, ada, news, javascript):
    offers = make.topic("offers", position=1)
    make.wording(offers)
    page = visit(f"/preferences/{manage_link(ada)}/", javascript=javascript)
    boxes = page.get_by_role("checkbox")
    boxes.nth(0).uncheck()
    page.get_by_role("group", name="Offers").get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Save what I changed").click()
    page.get_by_text("Saved.").wait_for()
    assert (reason(ada, news), reason(ada, offers)) == ("withdrawn", "")


@SCRIPTS
def test_it_pauses_and_goes_on(visit, ada, news, javascript):
    page = visit(f"/preferences/{manage_link(ada)}/", javascript=javascript)
    page.get_by_label("4 weeks").check()
    page.get_by_role("button", name="Pause messages").click()
    page.get_by_text("You asked for a pause").wait_for()
    assert reason(ada, news) == "paused"
    page.get_by_role("button", name="End the pause now").click()
    page.get_by_text("Welcome back").wait_for()
    assert reason(ada, news) == ""


@SCRIPTS
def test_it_asks_again_and_keeps_what_was_told_once_confirmed(visit, news, questions, javascript):
    page = visit("/", javascript=javascript)
    page.get_by_role("checkbox", name="Yes, send me Product news").check()
    page.get_by_label("Email address").fill("bo@example.org")
    page.get_by_label("Born on").fill("1990-05-31")
    page.get_by_label("Poems").check()
    page.get_by_label("Books").fill("many")
    page.get_by_role("button", name="Sign up").click()
    page.get_by_text("This does not fit").wait_for()
    assert page.get_by_label("Poems").is_checked()
    page.get_by_label("Books").fill("12")
    page.get_by_role("button", name="Sign up").click()
    page.get_by_role("heading", name="Look into your inbox").wait_for()
    [link] = mailed("confirm")
    page.goto(link)
    page.get_by_role("button", name="Yes, confirm").click()
    page.get_by_role("heading", name="Thank you, it is done").wait_for()
    told = {"born_on": "1990-05-31", "books": 12, "genres": ["Poems"]}
    assert Contact.objects.get().attributes == told


def test_it_mails_the_reader_of_a_newsletter_a_link_to_their_choices(visit, ada, news):
    page = visit(f"/m/{stop_link(ada, news.key)}/")
    page.get_by_role("button", name="Send me the link").click()
    page.get_by_role("heading", name="Look into your inbox").wait_for()
    [link] = mailed("preferences")
    page.goto(link)
    page.get_by_role("heading", name="Your choices").wait_for()


def every_page(ada, news):
    services.request_consent(
        email="bo@example.org",
        wordings=[make.wording(news)],
        language="en",
        answers={"books": 12, "genres": ["Poems"]},
    )
    cy = make.contact("cy@example.org")
    make.granted(cy, news)
    services.pause(contact=cy, weeks=4, now=timezone.now())
    [confirm] = mailed("confirm")
    stop = stop_link(ada, news.key)
    return [
        "/",
        "/join/embed/",
        confirm,
        f"/u/{stop}/",
        f"/m/{stop}/",
        "/preferences/",
        f"/preferences/{manage_link(ada)}/",
        f"/preferences/{manage_link(cy)}/",
        "/nowhere/",
    ]


def test_it_complains_of_nothing_sets_no_cookie_and_asks_nobody_else(
    visit, ada, news, questions, live_server
):
    page = visit("/")
    problems, asked = [], []
    page.on("console", lambda message: problems.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    for path in every_page(ada, news):
        page.goto(path)
        # Chromium notes the status of a page that does not exist; nothing else may be there.
        expected = "404" if path == "/nowhere/" else None
        assert [p for p in problems if expected is None or expected not in p] == []
        problems.clear()
    assert all(url.startswith(live_server.url) for url in asked)
    assert page.context.cookies() == []


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_violates_no_rule_of_accessibility_at_any_width_by_day_or_night(
    visit, ada, news, questions, width, dark
):
    page = visit("/", width=width, dark=dark)
    for path in every_page(ada, news):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        found = Axe().run(page, options=EVERY_RULE)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"


def test_it_has_a_heading_for_every_section_in_order(visit, ada, news):
    page = visit(f"/preferences/{manage_link(ada)}/")
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert re.search("Your choices", page.title())


def test_it_does_the_work_by_itself_when_the_door_is_used_too_much(visit, news, monkeypatch):
    monkeypatch.setattr(sign_up, "FROM_OUR_PAGE", Budget("none", limit=0, window_s=3600))
    page = visit("/")
    page.get_by_role("checkbox").check()
    page.get_by_label("Email address").fill("bo@example.org")
    page.get_by_role("button", name="Sign up").click()
    page.get_by_text("Many sign-ups come from your network").wait_for()
    page.get_by_role("button", name="Sign up").click()
    page.get_by_role("heading", name="Look into your inbox").wait_for(timeout=30_000)
    assert Contact.objects.count() == 1
