"""The composer in a real browser: images, fields with a fallback, and the message as it is written."""

import random
import re
from io import BytesIO

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image as Pillow
from playwright.sync_api import expect

from campaigns.models import Image
from tests import make


@pytest.fixture
def campaign(settings, tmp_path):
    settings.STORAGES = settings.STORAGES | {
        "images": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(tmp_path)},
        }
    }
    make.organization()
    make.field("city")
    return make.campaign(make.topic())


def photo():
    small = Pillow.frombytes("RGB", (9, 6), random.Random(7).randbytes(9 * 6 * 3))
    buffer = BytesIO()
    small.resize((600, 400), Pillow.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


def page_of(campaign):
    return f"/admin/campaigns/campaign/{campaign.pk}/change/"


def write(desk, campaign, **how):
    """The page on which a marketer writes, and its body."""
    page = desk(page_of(campaign), **how)
    return page, page.locator("#id_contents-0-body")


def test_it_uploads_an_image_and_shows_it_in_the_preview(desk, campaign):
    page, body = write(desk, campaign)
    body.fill("")
    page.get_by_role("button", name="Insert an image").click()
    dialog = page.get_by_role("dialog", name="Insert an image")
    dialog.get_by_role("button", name="Upload").click()
    expect(dialog.get_by_role("alert")).to_contain_text("required")
    dialog.get_by_label("File").set_input_files(
        {"name": "books.jpg", "mimeType": "image/jpeg", "buffer": photo()}
    )
    dialog.get_by_label("What it shows, for people").fill("Three [new] books")
    dialog.get_by_role("button", name="Upload").click()
    expect(dialog.get_by_label("What it shows", exact=True)).to_have_value("Three [new] books")
    dialog.get_by_label("Width").select_option("300")
    dialog.get_by_role("button", name="Insert").click()
    url = Image.objects.get().url(300)
    expect(body).to_have_value(rf"![Three \[new\] books]({url})")
    page.get_by_role("button", name="Preview as you write").click()
    shown = page.frame_locator(".desk-live iframe").get_by_role("img", name="Three [new] books")
    expect(shown).to_be_visible()
    page.wait_for_function(
        "() => performance.getEntriesByType('resource').some((each) => each.name.includes('/i/'))"
    )
    assert shown.evaluate("async (image) => (await image.decode(), image.naturalWidth)") == 600
    assert shown.evaluate("image => image.width") == 300


def test_it_writes_an_image_as_mjml_where_the_body_is(desk, campaign):
    page, body = write(desk, campaign)
    body.fill("")
    page.locator("#id_contents-0-markup").select_option("mjml")
    page.get_by_role("button", name="Insert an image").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("File").set_input_files(
        {"name": "books.jpg", "mimeType": "image/jpeg", "buffer": photo()}
    )
    dialog.get_by_label("What it shows, for people").fill('A "book"')
    dialog.get_by_role("button", name="Upload").click()
    dialog.get_by_role("button", name="Insert").click()
    expect(body).to_have_value(
        f'<mj-image src="{Image.objects.get().url(600)}" alt="A &quot;book&quot;" width="600px" />'
    )


def test_it_picks_an_earlier_image_by_keyboard_and_closes_by_escape(desk, campaign):
    page, body = write(desk, campaign)
    page.get_by_role("button", name="Insert an image").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("No image yet.")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Insert an image")).to_be_focused()
    assert "Three" in body.input_value()


def test_it_puts_a_field_with_its_fallback_where_one_was_writing(desk, campaign):
    page, body = write(desk, campaign)
    body.fill("From ")
    page.get_by_label("Insert a field").select_option("city")
    page.get_by_label("or else").fill("your town's {shops}")
    page.get_by_role("button", name="Insert", exact=True).click()
    expect(body).to_have_value('From {{ contact.city | default: "your town\'s shops" }}')
    subject = page.locator("#id_contents-0-subject")
    subject.fill("For ")
    page.get_by_label("Insert a field").select_option("first_name")
    page.get_by_label("or else").fill("you")
    page.keyboard.press("Enter")
    expect(subject).to_have_value("For {{ contact.first_name | default: 'you' }}")


def test_it_writes_a_field_without_fallback_as_the_checks_ask_about_it(desk, campaign):
    page, body = write(desk, campaign)
    body.fill("From ")
    page.get_by_label("Insert a field").select_option("city")
    page.get_by_role("button", name="Insert", exact=True).click()
    expect(body).to_have_value("From {{ contact.city }}")


def chosen(body):
    return body.evaluate("body => body.value.slice(body.selectionStart, body.selectionEnd)")


def choose(body, written, start, end):
    body.fill(written)
    body.evaluate(f"body => body.setSelectionRange({start}, {end})")


def test_it_writes_markdown_for_whoever_does_not_know_it(desk, campaign):
    page, body = write(desk, campaign)
    tools = page.get_by_role("group", name="Tools for writing").first
    choose(body, "One\nTwo", 0, 7)
    tools.get_by_role("button", name="List").click()
    expect(body).to_have_value("- One\n- Two")
    choose(body, "News", 2, 2)
    tools.get_by_role("button", name="Heading").click()
    expect(body).to_have_value("## News")
    choose(body, "Look here", 5, 9)
    body.press("Control+b")
    expect(body).to_have_value("Look **here**")
    body.press("Control+z")
    expect(body).to_have_value("Look here")
    body.press("Control+k")
    expect(body).to_have_value("Look [here](https://)")
    assert chosen(body) == "https://"
    choose(body, "Look", 4, 4)
    tools.get_by_role("button", name="Button").click()
    expect(body).to_have_value("Look\n\n**[words](https://)**")
    assert chosen(body) == "words"
    expect(tools.get_by_role("button", name="Two columns")).to_be_hidden()


def test_it_writes_mjml_where_that_is_chosen(desk, campaign):
    page, body = write(desk, campaign)
    expect(page.locator("#id_contents-0-layout")).to_be_visible()
    page.locator("#id_contents-0-markup").select_option("mjml")
    expect(page.locator("#id_contents-0-layout")).to_be_hidden()
    tools = page.get_by_role("group", name="Tools for writing").first
    body.fill("")
    tools.get_by_role("button", name="Two columns").click()
    page.keyboard.type("Left")
    tools.get_by_role("button", name="Preview as you write").click()
    live = page.frame_locator(".desk-live iframe").locator("body")
    expect(live).to_contain_text("Left")
    expect(live).to_contain_text("words")


def test_it_shows_a_message_as_dark_programs_do_whatever_this_browser_prefers(desk, campaign):
    page, _ = write(desk, campaign)
    page.get_by_role("button", name="Preview as you write").click()
    card = page.frame_locator(".desk-live iframe").locator(".card")
    expect(card).to_have_css("background-color", "rgb(255, 255, 255)")
    page.get_by_role("button", name="Dark", exact=True).click()
    expect(card).to_have_css("background-color", "rgb(30, 34, 43)")
    page.get_by_role("button", name="Phone").click()
    expect(card).to_have_css("background-color", "rgb(255, 255, 255)")


def test_it_shows_what_is_written_as_a_person_on_a_phone_and_as_text(desk, campaign):
    ada = make.contact("ada@example.org", first_name="Ada", attributes={"city": "Lyon"})
    make.granted(ada, campaign.topic)
    page, body = write(desk, campaign)
    page.get_by_role("button", name="Preview as you write").click()
    body.fill(
        "Hello {{ contact.first_name | default: 'reader' }} in {{ contact.city | default: 'town' }}"
    )
    page.get_by_label("As this person").focus()
    expect(page.locator("#desk-readers option")).to_have_attribute("value", str(ada.subject))
    page.get_by_label("As this person").fill(str(ada.subject))
    live = page.frame_locator(".desk-live iframe").locator("body")
    expect(live).to_contain_text("Hello reader in town")
    page.get_by_role("button", name="Phone").click()
    expect(page.locator(".desk-live iframe")).to_have_class(re.compile("desk-phone"))
    assert page.locator(".desk-live iframe").bounding_box()["width"] <= 392
    page.get_by_role("button", name="Text part").click()
    expect(page.locator(".desk-live pre")).to_contain_text("Hello reader in town")
    expect(page.locator(".desk-live iframe")).to_be_hidden()


def test_it_offers_readers_on_the_preview_too(desk, campaign):
    ada = make.contact("ada@example.org")
    make.granted(ada, campaign.topic)
    page = desk(f"/admin/campaigns/campaign/{campaign.pk}/preview/")
    page.get_by_label("As this person").focus()
    expect(page.locator("#desk-readers option")).to_have_attribute("value", str(ada.subject))


def test_it_asks_for_words_only_and_shows_their_length_where_it_is_a_text(desk, campaign):
    page, body = write(desk, campaign)
    expect(page.locator("#id_contents-0-subject")).to_be_visible()
    page.locator("#id_channel").select_option("sms")
    for name in ("subject", "preheader", "markup", "layout"):
        expect(page.locator(f"#id_contents-0-{name}")).to_be_hidden()
    expect(page.get_by_role("button", name="Insert an image")).to_be_hidden()
    expect(page.locator(".desk-live-subject")).to_contain_text("+33700000001 · 1 SMS")
    body.fill("Привет. " * 20)
    expect(page.locator(".desk-live-subject")).to_contain_text("(UCS-2)")
    expect(page.frame_locator(".desk-live iframe").locator("p")).to_contain_text("Stop:")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.locator("#id_channel")).to_have_value("sms")
    expect(page.locator("#id_contents-0-subject")).to_be_hidden()
    expect(page.get_by_role("link", name="Send a test")).to_have_count(0)


def test_it_shows_a_campaign_that_is_not_saved_yet(desk, campaign):
    page = desk("/admin/campaigns/campaign/add/")
    page.get_by_role("button", name="Preview as you write").click()
    page.locator("#id_contents-0-body").fill("Not saved yet")
    expect(page.locator(".desk-live")).to_contain_text("Choose a topic and a sender first.")
    page.locator("#id_topic").select_option(label="Product news")
    page.locator("#id_sender").select_option(label="Lumen")
    live = page.frame_locator(".desk-live iframe").locator("body")
    expect(live).to_contain_text("Not saved yet")


def test_it_loses_nothing_when_the_session_ended_meanwhile(desk, campaign):
    page, body = write(desk, campaign)
    body.fill("Hours of work")
    page.wait_for_function("() => JSON.stringify(localStorage).includes('Hours of work')")
    kept = page.context.cookies()
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Save and continue editing").click()
    page.wait_for_url("**/login/**")
    page.context.add_cookies(kept)
    page.goto(page_of(campaign))
    expect(body).not_to_have_value("Hours of work")
    page.get_by_role("button", name="Bring them back").click()
    expect(body).to_have_value("Hours of work")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(body).to_have_value("Hours of work")
    page.wait_for_function("() => !Object.keys(localStorage).some(key => key.includes('assent'))")
    assert campaign.contents.get().body == "Hours of work"


def test_it_brings_back_each_language_of_a_campaign_that_was_never_saved(desk, campaign):
    page = desk("/admin/campaigns/campaign/add/")
    page.locator("#id_topic").select_option(label="Product news")
    page.locator("#id_contents-0-subject").fill("Twelve new books")
    page.locator("#contents-group a.add-row").click()
    page.locator("#id_contents-1-language").select_option("fr")
    page.locator("#id_contents-1-markup").select_option("mjml")
    page.locator("#id_contents-1-body").fill("<mj-section>Douze livres</mj-section>")
    page.wait_for_function("() => JSON.stringify(localStorage).includes('Douze livres')")
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto("/admin/campaigns/campaign/add/")
    page.get_by_role("button", name="Bring them back").click()
    expect(page.locator("#id_contents-0-subject")).to_have_value("Twelve new books")
    expect(page.locator("#id_topic").locator("option:checked")).to_have_text("Product news")
    expect(page.locator("#id_contents-1-language")).to_have_value("fr")
    expect(page.locator("#id_contents-1-markup")).to_have_value("mjml")
    expect(page.locator("#id_contents-1-body")).to_have_value(
        "<mj-section>Douze livres</mj-section>"
    )


def test_it_warns_of_what_somebody_saved_also_under_words_that_were_brought_back(desk, campaign):
    page, body = write(desk, campaign)
    body.fill("Hours of work")
    page.wait_for_function("() => JSON.stringify(localStorage).includes('Hours of work')")
    campaign.contents.update(body="Theirs")
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(page_of(campaign))
    page.get_by_role("button", name="Bring them back").click()
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("Somebody saved this after")).to_be_visible()
    expect(page.get_by_role("region", name="What is saved now")).to_contain_text("Theirs")
    expect(body).to_have_value("Hours of work")
    assert campaign.contents.get().body == "Theirs"
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_role("region", name="What is saved now")).to_have_count(0)
    assert campaign.contents.get().body == "Hours of work"


def test_it_forgets_words_that_were_saved_or_thrown_away(desk, campaign):
    page, body = write(desk, campaign)
    body.fill("Saved at once")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("#result_list").wait_for()
    campaign.contents.update(body="Changed by somebody else")
    page.goto(page_of(campaign))
    expect(page.get_by_role("button", name="Bring them back")).to_have_count(0)
    body.fill("A thought")
    page.wait_for_function("() => JSON.stringify(localStorage).includes('A thought')")
    page.evaluate("window.onbeforeunload = null")
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    page.get_by_role("button", name="Throw them away").click()
    assert page.evaluate("Object.keys(localStorage).filter(key => key.includes('assent'))") == []


@pytest.mark.parametrize("language", ["en", "fr"])
def test_it_is_no_wider_than_a_phone(desk, campaign, language):
    page = desk(width=390, language=language)
    for channel in ("email", "sms"):
        campaign.channel = channel
        campaign.save(update_fields=["channel"])
        page.goto(page_of(campaign))
        if channel == "email":
            page.locator(".desk-composer-bar button[aria-expanded]").click()
        expect(page.locator(".desk-live-subject")).not_to_be_empty()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        outside = page.evaluate(
            "() => [...document.querySelectorAll('.desk, .desk-composer-bar, .desk-live')]"
            ".filter(each => each.getBoundingClientRect().right > innerWidth).length"
        )
        assert outside == 0


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_has_no_accessibility_violation_around_images_and_texts(desk, campaign, dark):
    page, _ = write(desk, campaign, dark=dark)
    page.get_by_role("button", name="Insert an image").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("File").set_input_files(
        {"name": "books.jpg", "mimeType": "image/jpeg", "buffer": photo()}
    )
    dialog.get_by_label("What it shows, for people").fill("Three books")
    dialog.get_by_role("button", name="Upload").click()
    expect(dialog.get_by_label("What it shows", exact=True)).to_have_value("Three books")
    found = violations(page, "#desk-images")
    page.keyboard.press("Escape")
    image = Image.objects.get()
    for address in ("/admin/campaigns/image/", f"/admin/campaigns/image/{image.pk}/change/"):
        page.goto(address)
        page.get_by_text("Three books").first.wait_for()
        found += violations(page, "#content")
    campaign.channel = "sms"
    campaign.save(update_fields=["channel"])
    page.goto(page_of(campaign))
    expect(page.locator(".desk-live-subject")).not_to_be_empty()
    found += violations(page, ".desk-live")
    assert not found


def violations(page, context):
    results = Axe().run(page, context=context, options={"resultTypes": ["violations"]})
    return [
        (context, rule["id"], [node["html"][:160] for node in rule["nodes"]])
        for rule in results.response["violations"]
    ]
