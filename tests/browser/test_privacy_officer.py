"""A privacy officer's day in a real browser: find, see consent as of a moment, prove, export, erase."""

import json
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from consent import sealing
from consent import tasks as consent_tasks
from contacts import rights
from contacts import tasks as contact_tasks
from contacts.models import Contact, IdentityView, SubjectRequest
from tests import make


@pytest.fixture
def ada() -> Contact:
    make.organization()
    ada = make.contact("ada@example.org", first_name="Ada", last_name="Lovelace")
    make.granted(ada, make.topic())
    sealing.seal()
    return ada


@pytest.fixture
def office(desk):
    """Open the desk as a privacy officer."""
    return partial(desk, role="Privacy officer")


def find(page: Page, who: str) -> None:
    page.get_by_role("link", name="Find a person").click()
    page.get_by_label("Who?").fill(who)
    page.get_by_role("button", name="Find").click()


def test_it_does_a_privacy_officers_day(office, ada, tmp_path):
    page = office()

    # Find: by a whole address, which stays out of the address of the page.
    find(page, "nobody@example.org")
    expect(page.get_by_text("Nobody is known under this address or pseudonym.")).to_be_visible()
    page.get_by_label("Who?").fill("ADA@example.org")
    page.get_by_role("button", name="Find").click()
    page.wait_for_url(f"**/contact/{ada.pk}/change/")
    expect(page.get_by_text("a***@e***.org").first).to_be_visible()
    expect(page.get_by_text("Lovelace")).to_have_count(0)

    # Look: with a reason, for this person.
    page.get_by_role("link", name="Show name, addresses and fields").first.click()
    page.get_by_label("Why?").fill("She asked by phone what we know")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("[name=last_name]")).to_have_value("Lovelace")
    assert [view.contact for view in IdentityView.objects.all()] == [
        ada,
        ada,
    ]  # found, and looked at

    # Consent as of a moment, and its proof.
    moment = timezone.now() + timedelta(minutes=1)
    page.locator("[name=as_of]").fill(moment.strftime("%Y-%m-%dT%H:%M"))
    page.locator("#consent-at").get_by_role("button", name="Show").click()
    page.get_by_role("link", name="Prove this").click()
    page.get_by_label("Why?").fill("The authority asked")
    page.get_by_role("button", name="Prove").click()
    expect(page.get_by_text("Permission was in force")).to_be_visible()
    expect(page.get_by_text("Signed checkpoint")).to_be_visible()
    page.goto(reverse("admin:consent_consentevent_prove", args=[ada.pk]))
    page.get_by_label("Proof, as JSON").check()
    page.get_by_label("Why?").fill("The authority asked")
    with page.expect_download() as proof:
        page.get_by_role("button", name="Prove").click()
    assert json.loads(Path(proof.value.path()).read_text())["acts"]

    # Export: a file of people, with its reason.
    page.get_by_role("link", name="Exports").click()
    page.goto(reverse("admin:contacts_export_add"))
    page.get_by_label("Why?").fill("Invitations on paper")
    page.get_by_role("button", name="Ask").click()
    page.get_by_role("link", name="Fetch the file").click()
    with page.expect_download() as people:
        page.get_by_role("button", name="Fetch the file").click()
    assert "ada@example.org" in Path(people.value.path()).read_text()

    # Erase: a request that is overdue, answered with one press.
    asked = rights.receive(
        contact=ada, kind="erasure", received_at=timezone.now() - timedelta(days=40)
    )
    page.get_by_role("link", name="Requests").first.click()
    expect(page.get_by_text("overdue").first).to_be_visible()
    page.get_by_role("link", name="erasure").click()
    page.get_by_role("link", name="Answer").click()
    expect(page.get_by_text("is erased for good")).to_be_visible()
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_text("The request is answered.")).to_be_visible()
    ada.refresh_from_db()
    asked.refresh_from_db()
    assert ada.erased_at
    assert asked.state == SubjectRequest.State.DONE

    # The ledger is whole after it, which a worker finds out while the page waits.
    sealing.seal()
    page.get_by_role("link", name="Ledger at a glance").click()
    page.get_by_role("button", name="Verify now").click()
    expect(page.get_by_text("being read", exact=True)).to_be_visible()
    consent_tasks.verify_ledger()
    expect(page.get_by_text("nothing was changed")).to_be_visible()
    with page.expect_download() as checkpoint:
        page.get_by_role("link", name="Download the checkpoint").click()
    kept = tmp_path / "checkpoint.txt"
    checkpoint.value.save_as(kept)
    page.locator("[name=checkpoint]").set_input_files(kept)
    page.get_by_role("button", name="Compare with this checkpoint").click()
    consent_tasks.verify_ledger()
    expect(page.get_by_text("against an exported checkpoint")).to_be_visible()
    expect(page.get_by_text("nothing was changed")).to_have_count(2)


def test_it_counts_what_would_be_erased_while_the_page_waits(office, ada):
    make.field("city", retention_days=30)
    Contact.objects.filter(pk=ada.pk).update(
        attributes={"city": "Lyon"}, created_at=timezone.now() - timedelta(days=90)
    )
    page = office()
    page.get_by_role("link", name="Retention").click()
    page.get_by_role("button", name="Count what would be erased now").click()
    expect(page.get_by_text("It is being counted…")).to_be_visible()
    contact_tasks.count_expired()
    expect(page.get_by_text("kept long enough")).to_be_visible()


@pytest.mark.parametrize(("language", "dark"), [("en", False), ("fr", True)])
def test_it_shows_the_desk_to_everybody(office, ada, language, dark):
    asked = rights.receive(contact=ada, kind="erasure")
    page = office(language=language, dark=dark)
    pages = {
        "contacts_contact_find": [],
        "contacts_contact_show_names": [],
        "consent_consentevent_prove": [ada.pk],
        "contacts_subjectrequest_answer": [asked.pk],
        "consent_ledgercheckpoint_status": [],
        "contacts_datafield_retention": [],
        "contacts_datafield_record": [],
        "contacts_export_add": [],
    }
    for name, about in pages.items():
        page.goto(reverse(f"admin:{name}", args=about))
        assert page.locator("html").get_attribute("lang") == language
        found = Axe().run(page, context="#content-main")
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"


def test_it_prints_the_record_without_the_desk_around_it(office, ada):
    page = office()
    page.goto(reverse("admin:contacts_datafield_record"))
    page.emulate_media(media="print")
    expect(page.get_by_text("Lumen Books SARL")).to_be_visible()
    left = page.locator(".desk-record").evaluate("each => each.getBoundingClientRect().left")
    assert left < 60
