"""The subscriber's journeys in a real browser, with JavaScript and without."""

import itertools
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone

from consent import gate, links, services
from consent.budgets import Budget
from consent.models import ConsentEvent
from consent.views import sign_up
from contacts import rights
from contacts.models import Channel, Contact, DataField
from tests import make
from tests.consent.public import mailed, manage_link, stop_link, texted

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


@SCRIPTS
def test_it_takes_a_stranger_from_the_form_to_a_yes_by_text(visit, news, texts, javascript):
    make.wording(news, Channel.SMS)
    page = visit("/", javascript=javascript, width=390)
    page.get_by_label("by sms").check()
    page.get_by_label("Mobile number").fill("06 12")
    page.get_by_role("button", name="Sign up").click()
    page.get_by_text("This is not a complete mobile number").wait_for()
    assert page.get_by_label("by sms").is_checked()
    page.get_by_label("Mobile number").fill("06 12 34 56 78")
    page.get_by_role("button", name="Sign up").click()
    page.get_by_role("heading", name="Look at your phone").wait_for()
    bo = Contact.objects.get()
    [link] = texted(texts, to="+33612345678")
    page.goto(link)
    if javascript:
        assert Axe().run(page, options=EVERY_RULE).violations_count == 0
    page.get_by_role("button", name="Yes, confirm").click()
    page.get_by_role("heading", name="Thank you, it is done").wait_for()
    assert gate.explain(contact=bo, topic=news, channel=Channel.SMS).reason == ""


@SCRIPTS
def test_it_adds_a_number_on_the_person_s_page(visit, ada, news, texts, javascript):
    make.wording(news, Channel.SMS)
    page = visit(f"/preferences/{manage_link(ada)}/", javascript=javascript)
    page.get_by_label("Mobile number").fill("06 12 34 56 78")
    page.get_by_role("button", name="Add this number").click()
    page.get_by_text("We have sent a text to this number").wait_for()
    if javascript:
        assert Axe().run(page, options=EVERY_RULE).violations_count == 0
    [link] = texted(texts, to="+33612345678")
    phone = visit(link, javascript=javascript, width=390)
    phone.get_by_role("button", name="Yes, this is my number").click()
    phone.get_by_role("heading", name="Your number is confirmed").wait_for()
    page.goto(page.url)
    page.get_by_role("checkbox", name="By text message").check()
    page.get_by_role("button", name="Save what I changed").last.click()
    page.get_by_text("Saved.").wait_for()
    assert gate.explain(contact=ada, topic=news, channel=Channel.SMS).reason == ""


def test_it_speaks_french_to_a_french_browser(visit, news):
    page = visit("/", language="fr-FR")
    assert page.locator("html").get_attribute("lang") == "fr"
    page.get_by_role("link", name="English").click()
    assert page.locator("html").get_attribute("lang") == "en"


class Shop(BaseHTTPRequestHandler):
    """Another site, on another origin, with our snippet pasted into it."""

    page = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def shop():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@SCRIPTS
def test_it_takes_the_form_of_another_site(visit, news, questions, live_server, shop, javascript):
    snippet = visit("/join/embed/").locator("textarea").input_value()
    Shop.page = f"<!doctype html><title>A shop</title>{snippet}".encode()
    page = visit(shop, javascript=javascript)
    page.get_by_role("checkbox", name="Yes, send me Product news").check()
    page.get_by_label("Email address").fill("bo@example.org")
    page.get_by_label("Poems").check()
    page.get_by_role("button", name="Sign up").click()
    page.get_by_role("heading", name="Look into your inbox").wait_for()
    assert page.url.startswith(live_server.url)
    assert page.context.cookies() == []
    asked = ConsentEvent.objects.get()
    assert asked.evidence.details["form"] == "another site"
    [link] = mailed("confirm")
    page.goto(live_server.url + link)
    page.get_by_role("button", name="Yes, confirm").click()
    page.get_by_role("heading", name="Thank you, it is done").wait_for()
    assert Contact.objects.get().attributes == {"genres": ["Poems"]}


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


@SCRIPTS
def test_it_says_yes_to_everything_and_then_nothing(visit, ada, news, javascript):
    offers = make.topic("offers", position=1)
    make.wording(offers)
    page = visit(f"/preferences/{manage_link(ada)}/", javascript=javascript)
    page.get_by_role("button", name="Yes to everything").click()
    page.get_by_text("Saved.").wait_for()
    assert (reason(ada, news), reason(ada, offers)) == ("", "")
    page.get_by_role("button", name="No more messages").click()
    page.get_by_text("Saved.").wait_for()
    assert (reason(ada, news), reason(ada, offers)) == ("withdrawn", "withdrawn")
    page.get_by_role("button", name="Nothing at all").click()
    page.get_by_text("Saved.").wait_for()
    assert (reason(ada, news), reason(ada, offers)) == ("objected", "objected")


@SCRIPTS
def test_it_goes_on_in_the_language_that_was_chosen(visit, ada, news, javascript):
    page = visit(f"/preferences/{manage_link(ada)}/", javascript=javascript)
    page.get_by_label("Français").check()
    page.get_by_role("button", name="Write to me in this language").click()
    page.get_by_role("heading", name="Vos choix").wait_for()
    ada.refresh_from_db()
    assert ada.language == "fr"


@SCRIPTS
def test_it_moves_to_another_address_and_asks_there_again(visit, ada, news, javascript):
    page = visit(f"/preferences/{manage_link(ada)}/", javascript=javascript)
    page.get_by_label("New email address").fill("ada@new.example")
    page.get_by_role("button", name="Change my address").click()
    page.get_by_text("We have written to your new address").wait_for()
    [link] = mailed("address")
    page.goto(link)
    page.get_by_role("button", name="Yes, this is my address").click()
    page.get_by_role("link", name="See and change your choices").click()
    page.get_by_text("You said yes for another address").wait_for()
    assert reason(ada, news) == "other_address"
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Save what I changed").click()
    page.get_by_text("Saved.").wait_for()
    assert reason(ada, news) == ""


@SCRIPTS
def test_it_corrects_what_is_kept_of_a_person(visit, ada, questions, javascript):
    page = visit(f"/preferences/{manage_link(ada)}/data/", javascript=javascript)
    page.get_by_text("Correct something").click()
    page.get_by_label("Last name").fill("King")
    page.get_by_label("Books").fill("many")
    page.get_by_label("Time zone").select_option("Europe/Paris")
    page.get_by_role("button", name="Save the corrections").click()
    page.get_by_text("This does not fit").wait_for()
    assert page.get_by_label("Last name").input_value() == "King"
    page.get_by_label("Books").fill("12")
    page.get_by_role("button", name="Save the corrections").click()
    page.get_by_text("Saved.").wait_for()
    ada.refresh_from_db()
    assert (ada.identity.last_name, ada.timezone) == ("King", "Europe/Paris")
    assert ada.attributes == {"books": 12}


@SCRIPTS
def test_it_restricts_lifts_and_objects(visit, ada, news, javascript):
    page = visit(f"/preferences/{manage_link(ada)}/data/", javascript=javascript)
    page.get_by_text("Keep it, but do not use it").click()
    page.get_by_role("button", name="Do not use my data").click()
    page.get_by_role("status").wait_for()
    assert reason(ada, news) == "restricted"
    page.get_by_text("Keep it, but do not use it").click()
    page.get_by_role("button", name="You may use it again").click()
    page.get_by_text("We may use your data again").wait_for()
    assert reason(ada, news) == ""
    page.get_by_text("No advertising, now and later").click()
    page.get_by_role("button", name="I object").click()
    page.get_by_text("We use your data for no advertising").wait_for()
    assert reason(ada, news) == "objected"


@SCRIPTS
def test_it_lets_a_person_take_everything_along_and_erase_themselves(
    visit, ada, news, javascript, settings, tmp_path
):
    settings.ASSENT_VAR = tmp_path
    page = visit(f"/preferences/{manage_link(ada)}/data/", javascript=javascript)
    page.get_by_text("Erase me").click()
    page.get_by_role("link", name="Go on to erase my data").click()
    page.get_by_role("heading", name="What stays, and why").wait_for()
    with page.expect_download() as file:
        page.get_by_role("link", name="Download everything").click()
    assert "ada@example.org" in Path(file.value.path()).read_text()
    with page.expect_download() as receipt:
        page.get_by_role("button", name="Receipt: Product news · By email").click()
    assert json.loads(Path(receipt.value.path()).read_text())
    page.get_by_role("button", name="Erase my data now").click()
    page.get_by_role("heading", name="Your data is erased").wait_for()
    ada.refresh_from_db()
    assert ada.erased_at


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
    dee = make.contact("dee@example.org")
    make.granted(dee, news)
    undo = links.manage_token(
        "undo", lifetime_s=600, event=make.withdrawn(dee, news).pk, contact=dee.pk
    )
    moving = links.manage_token(
        "new_address", lifetime_s=600, contact=dee.pk, email="dee@new.example"
    )
    return [
        "/",
        "/join/embed/",
        confirm,
        f"/u/{stop}/",
        f"/m/{stop}/",
        "/preferences/",
        f"/preferences/{manage_link(ada)}/",
        f"/preferences/{manage_link(cy)}/",
        f"/preferences/{manage_link(ada)}/data/#do",
        f"/preferences/{manage_link(ada)}/data/erase/",
        f"/address/{moving}/",
        f"/undo/{undo}/",
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


WIDTHS = pytest.mark.parametrize("width", [320, 1280])
LIGHTS = pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])


def is_sound(page, width, where):
    """No rule of accessibility is violated, and nothing has to be scrolled sideways."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width, where
    found = Axe().run(page, options=EVERY_RULE)
    assert found.violations_count == 0, f"{where}: {found.generate_report()}"


@WIDTHS
@LIGHTS
def test_it_violates_no_rule_of_accessibility_at_any_width_by_day_or_night(
    visit, ada, news, questions, width, dark
):
    page = visit("/", width=width, dark=dark)
    for path in every_page(ada, news):
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        is_sound(page, width, path)


@WIDTHS
@LIGHTS
def test_it_violates_no_rule_of_accessibility_in_what_it_answers(
    visit, ada, news, questions, width, dark, settings, tmp_path
):
    settings.ASSENT_VAR = tmp_path
    _shop, _embed, confirm, stop, *_ = every_page(ada, news)
    eve = make.contact("eve@example.org")
    rights.place_hold(contact=eve, reason="A claim in court", placer_id=None)
    page = visit("/", width=width, dark=dark)
    data = f"/preferences/{manage_link(ada)}/data/"
    for path, button in [
        ("/", "Sign up"),
        ("/preferences/", "Send me the link"),
        (confirm, "Yes, confirm"),
        (stop, "Stop “Product news” by email"),
        (f"/preferences/{manage_link(ada)}/", "Nothing at all"),
        (
            f"/preferences/{manage_link(eve)}/data/erase/",
            "Stop everything, and ask for the erasure",
        ),
        (f"/preferences/{manage_link(eve)}/data/", None),
        (f"{data}erase/", "Erase my data now"),
        (data, None),
    ]:
        page.goto(path)
        if button:
            page.get_by_role("button", name=button, exact=True).first.click()
            page.wait_for_load_state()
        is_sound(page, width, f"{path} {button}")


def test_it_has_a_heading_for_every_section_in_order(visit, ada, news):
    page = visit(f"/preferences/{manage_link(ada)}/")
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert re.search("Your choices", page.title())


@SCRIPTS
def test_it_takes_a_person_when_the_door_is_used_too_much(visit, news, monkeypatch, javascript):
    monkeypatch.setattr(sign_up, "FROM_OUR_PAGE", Budget("none", limit=0, window_s=3600))
    taken = Budget(f"without-scripts-{javascript}", limit=0 if javascript else 1, window_s=3600)
    monkeypatch.setattr(sign_up, "WITHOUT_SCRIPTS", taken)
    page = visit("/", javascript=javascript)
    page.get_by_role("checkbox").check()
    page.get_by_label("Email address").fill("bo@example.org")
    page.get_by_role("button", name="Sign up").click()
    page.get_by_text("Many sign-ups come from your network").wait_for()
    page.get_by_role("button", name="Sign up").click()
    page.get_by_role("heading", name="Look into your inbox").wait_for()
    assert Contact.objects.count() == 1
