"""A marketer's day in a real browser: segment, words, preview, audience, schedule, progress, result."""

import re
import signal
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone, translation
from django.utils.translation import gettext
from playwright.sync_api import expect

from campaigns import services
from campaigns.models import Campaign
from consent.models import ServiceMail
from contacts import services as contacts
from contacts.models import Segment
from tests import make, processes
from tests.campaigns import engine
from tests.sink import Sink

NOBODY_YET = "Nobody has approved it yet: somebody else has to, before it is scheduled."
APPROVED = "Approved by %(who)s on %(when)s."
PROGRESS = "%(sent)s of %(allowed)s sent"
SHOE = "Line %(line)d of the %(part)s: there is no registered field or name “%(name)s”."
WORDS = "Hello {{ contact.first_name | default: 'reader' }},\n\nLook."


@pytest.fixture
def sink(settings):
    with Sink(keep=True) as started:
        engine.use(started, settings)
        yield started


@pytest.fixture
def people():
    """Ada granted, Bo was never asked, Cy withdrew; all French. Dee granted and is not."""
    make.organization()
    news = make.topic(offers_sms=False)
    cast = {
        name: make.contact(
            f"{name}@example.org",
            first_name=name.title(),
            language="en" if name == "dee" else "fr",
        )
        for name in ("ada", "bo", "cy", "dee")
    }
    for name in ("ada", "cy", "dee"):
        make.granted(cast[name], news)
    make.withdrawn(cast["cy"], news)
    make.sender()
    return cast


def said_in(language):
    """Gives what the desk says for a source string; the language is active during the look-up only."""

    def said(words, **holes):
        with translation.override(language):
            translated = gettext(words)
        return translated % holes if holes else translated

    return said


def begin_of(words):
    """What stands before the first hole of words, to look for a sentence whose rest is not known."""
    return words.partition("%(")[0]


def turn_to(page, name):
    """Open one of the pages of a campaign."""
    page.wait_for_load_state("load")
    page.locator("#tabs-items").get_by_role("link", name=name).click()


def choose(page, name):
    """Press one of the acts of a campaign, which a phone keeps behind a button."""
    page.wait_for_load_state("load")
    more = page.locator("a[href='#']", has_text="more_horiz")
    if more.is_visible():
        more.click()
    page.get_by_role("link", name=name).click()


@pytest.mark.parametrize(
    ("language", "topic", "width"), [("en", "Product news", 1280), ("fr", "Nouveautés", 390)]
)
def test_it_takes_a_marketer_from_a_segment_to_the_result(
    desk, people, sink, settings, tmp_path, language, topic, width
):
    settings.CAMPAIGN_NEEDS_APPROVAL = True
    said = said_in(language)
    look = {"language": language, "width": width}
    page = desk("/admin/contacts/segment/add/", **look)
    expect(page.locator("html")).to_have_attribute("lang", language)
    page.get_by_label(said("name")).fill("French readers")
    page.get_by_role("button", name=said("Add a condition")).click()
    page.get_by_label(said("Value")).select_option("fr")
    expect(page.locator(".desk-rule-figure")).to_have_text("3")
    expect(page.get_by_label(said("Of these, on"))).to_have_value("product-news.email")
    expect(page.locator(".desk-rule-splits")).to_contain_text(f"{said('may be mailed')} 1")
    expect(page.locator(".desk-rule-splits")).to_contain_text(
        f"{said('not: %(reason)s', reason=said('withdrew'))} 1"
    )
    expect(page.locator(".desk-rule-sample a")).to_have_count(3)
    page.get_by_role("button", name=said("Save"), exact=True).click()
    page.locator("#result_list").get_by_role("link", name="French readers").wait_for()

    page.goto("/admin/campaigns/campaign/add/")
    page.get_by_label(said("name")).fill("Spring letter")
    page.get_by_label(said("topic")).select_option(label=topic)
    page.get_by_label(said("sender")).select_option(label="Lumen")
    segments = page.locator(".field-segments")
    segments.locator(".select2-search__field, .select2-selection").first.click()
    page.locator(".select2-search__field").first.fill("French")
    page.locator(".select2-results__option", has_text="French readers").click()
    page.locator("#id_contents-0-subject").fill("Twelve new books")
    page.locator("#id_contents-0-preheader").fill("For a wet April")
    page.locator("#id_contents-0-body").fill(WORDS)
    with page.expect_navigation():
        page.get_by_role("button", name=said("Save and continue editing")).click()
    page.get_by_role("button", name=said("Preview as you write")).click()
    live = page.frame_locator(".desk-live iframe")
    expect(live.locator("body")).to_contain_text("Look.")
    page.locator("#id_contents-0-body").fill("Changed {{ contact.shoe }}")
    expect(page.locator(".desk-live")).to_contain_text(
        said(SHOE, line=1, part=said("body"), name="contact.shoe")
    )
    page.locator("#id_contents-0-body").fill("Changed.\n\n")
    page.get_by_label(said("Insert a field")).select_option("first_name")
    page.get_by_label(said("or else")).fill("reader")
    page.get_by_role("button", name=said("Insert"), exact=True).click()
    expect(page.locator("#id_contents-0-body")).to_have_value(
        re.compile(r"{{ contact.first_name \| default: 'reader' }}")
    )
    expect(live.locator("body")).to_contain_text("Changed.")
    page.locator("#id_contents-0-body").fill(WORDS)
    with page.expect_navigation():
        page.get_by_role("button", name=said("Save and continue editing")).click()
    expect(page.locator(".desk-verdict")).to_contain_text(
        said("Nothing stands against sending it.")
    )

    turn_to(page, said("Preview"))
    frame = page.frame_locator(f"iframe[title='{said('The message')}']")
    expect(frame.locator("body")).to_contain_text("Hello reader,")
    page.get_by_role("link", name=said("Text part")).click()
    expect(page.locator(".desk-text")).to_contain_text("Hello reader,")

    turn_to(page, said("Audience"))
    expect(page.locator(".desk-figures")).to_contain_text(said("Will receive it"))
    expect(page.locator(".desk-figure").first).to_contain_text("1")
    row = page.get_by_role("row", name=re.compile(said("withdrew"), re.IGNORECASE))
    row.get_by_role("link", name=said("Who?")).click()
    expect(page.locator("#people")).to_contain_text(people["cy"].pseudonym)
    expect(page.locator("#people")).to_contain_text("c***@e***.org")

    choose(page, said("Ask for approval"))
    page.get_by_role("button", name=said("Ask for approval")).click()
    expect(page.locator("#approval + p")).to_contain_text(said(NOBODY_YET))
    choose(page, said("Approve"))
    page.get_by_role("button", name=said("Approve")).click()
    expect(page.get_by_text(said(services.SecondPersonNeeded.__doc__))).to_be_visible()

    approved = begin_of(said(APPROVED).replace("%(who)s", "olga"))
    second = desk("/admin/", username="olga", **look)
    second.get_by_role("region", name=said("Waiting for your approval")).get_by_role("link").click()
    expect(
        second.frame_locator(f"iframe[title='{said('The message')}']").locator("body")
    ).to_contain_text("Hello reader,")
    choose(second, said("Approve"))
    second.get_by_role("button", name=said("Approve")).click()
    expect(second.locator("#approval + p")).to_contain_text(approved)

    choose(page, said("Send a test"))
    page.get_by_role("button", name=said("Send the test")).click()
    expect(page.get_by_text(said("The test was sent."))).to_be_visible()
    [tested] = sink.taken()
    assert tested.recipient == "nora@lumen.example"
    assert b"Subject: [Test] Twelve new books" in sink.messages()[0]

    choose(page, said("Schedule"))
    expect(page.locator("#approval + p")).to_contain_text(approved)
    soon = timezone.now() - timedelta(minutes=1)
    page.get_by_label(said("Day")).fill(soon.strftime("%Y-%m-%d"))
    page.locator("[name=hour]").fill(soon.strftime("%H:%M"))
    page.get_by_role("button", name=said("Schedule")).click()
    expect(page.get_by_role("status").first).to_contain_text(
        re.compile(said("scheduled"), re.IGNORECASE)
    )

    # Beat starts it and a worker sends it; the relay is silent until the page has shown that nothing is sent.
    ServiceMail.objects.all().delete()
    sink.process.send_signal(signal.SIGSTOP)
    contacts.record_key_checks()
    settled = processes.environment(CAMPAIGN_NEEDS_APPROVAL="True", PUBLIC_URL=settings.PUBLIC_URL)
    with (
        processes.running(processes.worker_command("one"), settled),
        processes.running(processes.beat_command(tmp_path), settled),
    ):
        expect(page.locator("#counts")).to_contain_text(said(PROGRESS, sent=0, allowed=1))
        sink.process.send_signal(signal.SIGCONT)
        expect(page.locator("#counts")).to_contain_text(said(PROGRESS, sent=1, allowed=1))
    assert [taken.recipient for taken in sink.taken()] == ["nora@lumen.example", "ada@example.org"]
    assert Campaign.objects.get().state == Campaign.State.SENT

    turn_to(page, said("Audience"))
    outcomes = page.get_by_role("region", name=said("What became of them"))
    expect(
        outcomes.get_by_role("row", name=re.compile(f"^{said('sent')} 1", re.IGNORECASE))
    ).to_be_visible()
    expect(
        outcomes.get_by_role("row", name=re.compile(f"^{said('withheld')} 2", re.IGNORECASE))
    ).to_be_visible()
    reasons = page.get_by_role("region", name=said("Why the others did not get it"))
    expect(
        reasons.get_by_role("row", name=re.compile(f"^{said('withdrew')} 1", re.IGNORECASE))
    ).to_be_visible()

    turn_to(page, said("One person"))
    page.get_by_label(said("Who?")).fill(str(people["cy"].subject))
    page.get_by_role("button", name=said("Why?")).click()
    expect(page.locator(".desk-no")).to_contain_text(
        said("Did not get it: %(reason)s.", reason=said("withdrew"))
    )


def test_it_builds_nested_groups_by_keyboard_and_says_them_in_words(desk, people):
    page = desk("/admin/contacts/segment/add/")
    page.get_by_label("Name").fill("Nested")
    page.get_by_role("button", name="Add a group").focus()
    page.keyboard.press("Enter")
    inner = page.locator(".desk-rule-group .desk-rule-group")
    inner.get_by_label("How").first.select_option("none")
    inner.get_by_label("What").select_option("lifecycle")
    inner.get_by_label("Value").select_option("lead")
    inner.get_by_role("button", name="Add a condition").click()
    inner.get_by_label("What").nth(1).select_option("created")
    inner.get_by_label("Value").nth(1).fill("7")
    words = page.locator(".desk-rule-words")
    expect(words).to_have_text("Not (lifecycle stage is lead or sign-up in the last 7 days)")
    page.get_by_role("button", name="Remove").last.click()
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("#result_list").get_by_role("link", name="Nested").wait_for()
    [asked] = Segment.objects.get().rule["all"]
    assert asked == {
        "not": {"any": [{"condition": "lifecycle", "operator": "is", "value": "lead"}]}
    }


def test_it_opens_a_saved_rule_as_it_was_written(desk, people):
    rule = {
        "any": [
            {"condition": "language", "operator": "is_any_of", "value": ["fr", "en"]},
            {"not": {"condition": "last_active", "operator": "is_known"}},
        ]
    }
    segment = Segment.objects.create(name="Kept", rule=rule)
    page = desk(f"/admin/contacts/segment/{segment.pk}/change/")
    before = page.locator(".desk-rule-words").inner_text()
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("#result_list").get_by_role("link", name="Kept").wait_for()
    segment.refresh_from_db()
    assert segment.rule["any"][0] == rule["any"][0]
    page.goto(f"/admin/contacts/segment/{segment.pk}/change/")
    assert page.locator(".desk-rule-words").inner_text() == before


# axe-core's rules for WCAG 2.2 AA, over what is ours of each page.
OURS = {"include": [[".desk"], [".desk-composer-bar"], [".desk-live"]]}
PAGES = (
    "", "change", "preview", "audience", "progress", "result", "person", "schedule", "test", "duplicate",
    "ask", "approve", "/admin/campaigns/image/add/",
)  # fmt: skip


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_has_no_accessibility_violation(desk, people, dark, settings):
    settings.CAMPAIGN_NEEDS_APPROVAL = True
    campaign = make.campaign(make.topic())
    Segment.objects.create(name="French", rule={})
    page = desk(dark=dark)
    page.evaluate("document.documentElement.classList.contains('dark')")
    found = []
    for name in PAGES:
        own = f"/admin/campaigns/campaign/{campaign.pk}/{name}/" if name else "/admin/"
        page.goto(name if name.startswith("/") else own)
        page.locator(".desk").first.wait_for()
        if name == "change":
            page.get_by_role("button", name="Preview as you write").click()
            page.locator(".desk-live-subject:not(:empty)").wait_for()
        results = Axe().run(page, context=OURS, options={"resultTypes": ["violations"]})
        found += [
            (name, rule["id"], [node["html"][:120] for node in rule["nodes"]])
            for rule in results.response["violations"]
        ]
    assert not found
