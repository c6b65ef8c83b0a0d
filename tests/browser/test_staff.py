"""Staff in a real browser: sign-in with an app's code, and every page of the desk under its policy."""

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from axe_playwright_python.sync_playwright import Axe
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import NoReverseMatch, reverse
from django.utils.translation import trans_real
from playwright.sync_api import ConsoleMessage, Page, expect

from config import roles
from contacts.models import Segment
from tests import make
from tests.config.test_staff_login import PASSWORD, code_of

# Names of things, whatever the language around them.
NAMES = {"Authenticators", "English", "Everybody", "Import", "import"} | set(roles.ROLES)


@pytest.fixture
def olga() -> User:
    """Has an app that gives codes."""
    olga = make.staff("olga")
    TOTP.activate(olga, generate_totp_secret())
    RecoveryCodes.activate(olga)
    return olga


def problems_of(page: Page) -> list[str]:
    """What its console complains about from now on."""
    problems: list[str] = []

    def note(said: ConsoleMessage) -> None:
        if said.type == "error":
            problems.append(f"{page.url}: {said.text} {said.location['url']}")

    page.on("console", note)
    page.on("pageerror", lambda error: problems.append(f"{page.url}: {error}"))
    return problems


def test_it_lets_staff_in_with_the_code_of_their_app(visit, settings):
    settings.STAFF_MFA_REQUIRED = True
    secret = generate_totp_secret()
    TOTP.activate(make.staff("olga"), secret)
    page = visit("/admin/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_label("Login").fill("olga")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Sign In").click()
    expect(page.get_by_text("Incorrect code.")).to_be_visible()
    page.get_by_label("Code").fill(code_of(secret))
    page.get_by_role("button", name="Sign In").click()
    page.wait_for_url("**/admin/")


def test_it_sets_up_an_app_before_the_desk_opens(visit, settings):
    settings.STAFF_MFA_REQUIRED = True
    make.staff("nora")
    page = visit("/admin/")
    page.get_by_label("Login").fill("nora")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Set up a second factor first")).to_be_visible()
    page.get_by_role("link", name="Activate").click()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    secret = page.get_by_label("Authenticator secret").input_value()
    page.locator("[name=code]").fill(code_of(secret))
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_label("Unused codes")).to_be_visible()
    page.goto("/admin/")
    page.wait_for_url("**/admin/")


def test_it_takes_a_security_key(visit, settings):
    settings.STAFF_MFA_REQUIRED = True
    settings.MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = True
    make.staff("nora")
    page = visit("/admin/")
    key = page.context.new_cdp_session(page)
    key.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "usb",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    key.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page.get_by_label("Login").fill("nora")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Add").click()
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.get_by_label("Name").fill("Desk drawer")
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("Security key added.")).to_be_visible()
    page.context.clear_cookies()
    page.goto("/admin/")
    page.get_by_label("Login").fill("nora")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Use a security key").click()
    page.wait_for_url("**/admin/")


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_shows_the_account_pages_to_everybody(visit, olga, language, width):
    page = visit("/admin/", staff=olga, language=language, width=width)
    problems = problems_of(page)
    stranger = visit("/account/login/", language=language, width=width)
    for shown, paths in (
        (page, ("account_email", "account_change_password", "mfa_index", "account_logout")),
        (stranger, ("account_login", "account_reset_password", "account_signup")),
    ):
        for name in paths:
            shown.goto(reverse(name))
            assert shown.locator("html").get_attribute("lang") == language
            found = Axe().run(shown)
            assert found.violations_count == 0, f"{name}: {found.generate_report()}"
    assert problems == []


def every_page() -> list[str]:
    """Every list, form and page of the desk, with something on each."""
    make.organization()
    topic = make.topic()
    contact = make.contact("ada@example.org")
    make.granted(contact, topic)
    campaign = make.campaign(topic)
    Segment.objects.create(name="Everybody")
    paths = ["/admin/", "/api/docs/"]
    for model in admin.site._registry:
        meta = model._meta
        paths.extend(
            reverse(f"admin:{meta.app_label}_{meta.model_name}_{view}")
            for view in ("changelist", "add")
        )
        if first := model._default_manager.order_by("pk").first():
            paths.append(
                reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[first.pk])
            )
    for name in ("preview", "audience", "progress", "result", "person", "schedule"):
        try:
            paths.append(reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk]))
        except NoReverseMatch:
            continue
    return paths


# Every word on a page that a reader meets, seen or heard.
WORDS = """() => {
  const found = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const parent = texts.currentNode.parentElement;
    const isSilent = "script, style, textarea, noscript, .material-symbols-outlined";
    const said = texts.currentNode.textContent.replace(/\\s+/g, " ").trim();
    if (parent && !parent.closest(isSilent)) found.add(said);
  }
  for (const name of ["placeholder", "title", "aria-label", "data-label"]) {
    for (const each of document.querySelectorAll(`[${name}]`)) found.add(each.getAttribute(name).trim());
  }
  return [...found];
}"""


def english() -> set[str]:
    """Words that the catalogs have another word for in French."""
    catalog = trans_real.translation("fr")._catalog  # type: ignore[attr-defined]
    said = {
        (key[0] if isinstance(key, tuple) else key).rpartition("\x04")[2].lower(): text.lower()
        for known in catalog._catalogs
        for key, text in known.items()
    }
    both = set(said.values())
    return {key for key, text in said.items() if len(key) > 2 and key != text and key not in both}


def test_it_leaves_no_english_word_on_a_french_page(visit, olga):
    paths = every_page()
    page = visit("/admin/", staff=olga, language="fr")
    untold = english()
    found = {}
    for path in paths:
        answer = page.goto(path)
        if answer is None or answer.status == 403 or path == "/api/docs/":
            continue
        page.wait_for_load_state("networkidle")
        left = {word for word in page.evaluate(WORDS) if word.lower() in untold}
        if left - NAMES:
            found[path] = left - NAMES
    assert found == {}


def test_it_opens_menus_of_the_desk_under_its_policy(visit, olga):
    """Alpine compiles expressions; where the policy forbade it, nothing would move."""
    page = visit(reverse("admin:contacts_contact_changelist"), staff=olga)
    shown = page.evaluate("() => typeof window.Alpine.version")
    assert shown == "string"
