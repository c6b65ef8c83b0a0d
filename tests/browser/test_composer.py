"""The composer in a real browser: images, fields with a fallback, and the message as it is written."""

import random
import re
from io import BytesIO

import pytest
from PIL import Image as Pillow
from playwright.sync_api import expect

from campaigns.models import Image
from tests import make
from tests.browser.test_marketer import desk

__all__ = ["desk"]


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
    small.resize((1500, 1000), Pillow.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


def write(page, campaign):
    page.goto(f"/admin/campaigns/campaign/{campaign.pk}/change/")
    return page.locator("#id_contents-0-body")


def test_it_uploads_an_image_and_shows_it_in_the_preview(desk, campaign):
    page = desk()
    body = write(page, campaign)
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
    page = desk()
    body = write(page, campaign)
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
    page = desk()
    body = write(page, campaign)
    page.get_by_role("button", name="Insert an image").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("No image yet.")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("button", name="Insert an image")).to_be_focused()
    assert "Three" in body.input_value()


def test_it_puts_a_field_with_its_fallback_where_one_was_writing(desk, campaign):
    page = desk()
    body = write(page, campaign)
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


def test_it_shows_what_is_written_as_a_person_on_a_phone_and_as_text(desk, campaign):
    ada = make.contact("ada@example.org", first_name="Ada", attributes={"city": "Lyon"})
    page = desk()
    body = write(page, campaign)
    page.get_by_role("button", name="Preview as you write").click()
    body.fill("Hello {{ contact.first_name | default: 'reader' }} in {{ contact.city }}")
    page.get_by_label("As this person").fill(str(ada.subject))
    live = page.frame_locator(".desk-live iframe").locator("body")
    expect(live).to_contain_text("Hello reader in Lyon")
    page.get_by_role("button", name="Phone").click()
    expect(page.locator(".desk-live iframe")).to_have_class(re.compile("desk-phone"))
    assert page.locator(".desk-live iframe").bounding_box()["width"] <= 392
    page.get_by_role("button", name="Text part").click()
    expect(page.locator(".desk-live pre")).to_contain_text("Hello reader in Lyon")
    expect(page.locator(".desk-live iframe")).to_be_hidden()
