"""The builder of segments by keyboard alone, in a real browser."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from contacts.models import Segment, Tag
from tests import make

NESTED: dict[str, Any] = {
    "all": [
        {"condition": "lifecycle", "operator": "is", "value": "lead"},
        {"condition": "created", "operator": "in_the_last", "value": 30},
        {
            "any": [
                {"condition": "field.plan", "operator": "is_any_of", "value": ["pro", "team"]},
                {"condition": "tag", "operator": "is", "value": "vip"},
            ]
        },
        {"not": {"any": [{"condition": "language", "operator": "is", "value": "de"}]}},
    ]
}


@pytest.fixture
def nested():
    make.field("plan", "choice", choices=["free", "pro", "team"])
    Tag.objects.create(name="vip")
    news = make.topic()
    for name in ("ada", "bo", "cy"):
        contact = make.contact(f"{name}@example.org", lifecycle="lead", attributes={"plan": "pro"})
        make.granted(contact, news)
    return Segment.objects.create(name="Nested", rule=NESTED)


def focused(page: Page) -> tuple[str, str]:
    """What has the keyboard: its tag and its name."""
    tag, name = page.evaluate(
        "() => { const held = document.activeElement;"
        " return [held.tagName.toLowerCase(), held.getAttribute('aria-label') || held.textContent.trim()] }"
    )
    return tag, name


def step_to(page: Page, name: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if focused(page)[1] == name:
            return
    raise AssertionError(f"Tab never comes to {name}.")


def test_it_never_loses_the_keyboard_while_a_rule_is_built(desk):
    page = desk("/admin/contacts/segment/add/")
    press, words = page.keyboard.press, page.locator(".desk-rule-words")
    page.get_by_label("Name").focus()
    page.keyboard.type("By keys")
    step_to(page, "+ Add a condition")
    press("Enter")
    assert focused(page) == ("select", "What")
    # Chromium chooses with each letter: a select that was drawn anew would forget the letters before.
    page.keyboard.type("lif")
    expect(page.get_by_label("What")).to_have_value("lifecycle")
    assert focused(page) == ("select", "What")
    press("Tab")
    for operator in ("is_any_of", "is_not"):
        press("ArrowDown")
        expect(page.get_by_label("How").nth(1)).to_have_value(operator)
        assert focused(page) == ("select", "How")
    press("Tab")
    assert focused(page) == ("select", "Value")
    press("End")
    press("Home")
    expect(words).to_have_text("Lifecycle stage is not lead")
    assert focused(page) == ("select", "Value")
    step_to(page, "Remove: lifecycle stage is not lead")

    step_to(page, "+ Add a group")
    press("Enter")
    assert focused(page) == ("select", "How")
    step_to(page, "What")
    page.keyboard.type("sign")
    press("Tab")
    press("Tab")
    press("ArrowUp")
    expect(words).to_contain_text("sign-up in the last 31 days")
    step_to(page, "Remove: sign-up in the last 31 days")
    press("Enter")
    assert focused(page) == ("select", "How")
    step_to(page, "Remove: Any of these ()")
    press("Enter")
    assert focused(page) == ("select", "What")
    step_to(page, "Remove: lifecycle stage is not lead")
    press("Enter")
    assert focused(page) == ("button", "+ Add a condition")
    expect(page.locator(".desk-rule-row")).to_have_count(0)


def test_it_keeps_the_keyboard_in_the_figures_when_they_are_counted_anew(desk, nested):
    Segment.objects.filter(pk=nested.pk).update(rule={})
    page = desk(f"/admin/contacts/segment/{nested.pk}/change/")
    asked = page.get_by_label("Of these, on")
    asked.focus()
    with page.expect_response("**/count/"):
        page.locator("textarea[name=rule]").evaluate(
            "(field, rule) => { field.value = rule; field.dispatchEvent(new Event('input')) }",
            json.dumps(NESTED["all"][0]),
        )
    expect(page.locator(".desk-rule-words")).to_have_text("Lifecycle stage is lead")
    expect(asked).to_be_focused()


def rule_in(page: Page) -> object:
    return json.loads(page.locator("textarea[name=rule]").input_value())


def test_it_moves_a_condition_into_a_group_and_out_of_it(desk, nested):
    page = desk(f"/admin/contacts/segment/{nested.pk}/change/")
    first, second, plans, nobody = NESTED["all"]
    down = "Move down: sign-up in the last 30 days"
    expect(page.get_by_label("Move up: lifecycle stage is lead")).to_have_count(0)
    page.get_by_label(down).press("Enter")
    assert focused(page) == ("button", down)
    assert rule_in(page) == {"all": [first, {"any": [second, *plans["any"]]}, nobody]}
    for _ in range(3):
        page.keyboard.press("Enter")
    assert rule_in(page) == {"all": [first, plans, second, nobody]}
    page.get_by_label("Move up: sign-up in the last 30 days").press("Enter")
    assert rule_in(page) == {"all": [first, {"any": [*plans["any"], second]}, nobody]}
    page.get_by_label("Move down: Any of these").press("Enter")
    inside = [{"any": [*plans["any"], second]}, *nobody["not"]["any"]]
    assert rule_in(page) == {"all": [first, {"not": {"any": inside}}]}
    expect(page.locator(".desk-rule-words")).to_contain_text("not ((Plan is")


def test_it_never_shows_the_figures_of_another_rule(desk, nested):
    page = desk(f"/admin/contacts/segment/{nested.pk}/change/")
    figures, value = page.locator(".desk-rule-count"), page.get_by_label("Value")
    expect(page.locator(".desk-rule-figure")).to_have_text("3")
    page.route("**/count/", lambda route: route.abort())
    value.first.select_option("customer")
    expect(figures).to_have_attribute("aria-busy", "true")
    expect(figures).to_contain_text("You are signed out or cannot be reached")
    expect(page.locator(".desk-rule-figure")).to_have_count(0)
    page.unroute("**/count/")
    value.first.select_option("lead")
    expect(page.locator(".desk-rule-figure")).to_have_text("3")
    page.context.clear_cookies(name="sessionid")
    value.first.select_option("customer")
    expect(figures).to_contain_text("You are signed out or cannot be reached")


def test_it_shows_a_choice_that_is_gone_as_it_stands(desk, nested):
    rule = {"condition": "field.plan", "operator": "is", "value": "gold"}
    Segment.objects.filter(pk=nested.pk).update(rule=rule)
    page = desk(f"/admin/contacts/segment/{nested.pk}/change/")
    expect(page.get_by_label("Value")).to_have_value("gold")
    expect(page.locator(".desk-error")).to_have_text("“gold” is no value for “Plan is”.")
    page.get_by_label("Value").select_option("free")
    expect(page.locator(".desk-rule-words")).to_have_text("Plan is free")


@pytest.mark.parametrize(
    ("language", "remove", "names"),
    [
        (
            "en",
            "Remove: ",
            [
                "lifecycle stage is lead",
                "sign-up in the last 30 days",
                "Any of these (Plan is any of pro, team; tag is vip)",
                "Plan is any of pro, team",
                "tag is vip",
                "None of these (language is German)",
                "language is German",
            ],
        ),
        (
            "fr",
            "Enlever\N{NO-BREAK SPACE}: ",
            [
                "étape de la relation est prospect",
                "inscription dans les 30 derniers jours",
                "Une de ces conditions (Plan est parmi pro, team; étiquette est vip)",
                "Plan est parmi pro, team",
                "étiquette est vip",
                "Aucune de ces conditions (langue est Allemand)",
                "langue est Allemand",
            ],
        ),
    ],
)
def test_it_names_what_each_button_removes(desk, nested, language, remove, names):
    page = desk(f"/admin/contacts/segment/{nested.pk}/change/", language=language)
    page.locator(".desk-rule-figure").wait_for()
    removals = page.locator(".desk-rule-remove")
    expect(removals).to_have_count(7)
    said = [each.get_attribute("aria-label") for each in removals.all()]
    assert said == [remove + name for name in names]


@pytest.mark.parametrize(
    ("language", "dark", "width"), [("en", False, 1280), ("en", True, 390), ("fr", True, 1280)]
)
def test_it_shuts_nobody_out(desk, nested, language, dark, width):
    page = desk(
        f"/admin/contacts/segment/{nested.pk}/change/", language=language, dark=dark, width=width
    )
    expect(page.locator(".desk-rule-figure")).to_have_text("3")
    page.wait_for_load_state("networkidle")
    if folder := os.environ.get("SCREENSHOTS"):
        name = f"builder-{language}-{'dark' if dark else 'light'}-{width}.png"
        page.screenshot(path=Path(folder) / name, full_page=True)
    found = Axe().run(page, context=".desk-rule")
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
