"""An import in a real browser: file, columns, preview, run with live progress, report."""

import os
from functools import partial
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from consent import tasks
from consent.models import ImportBatch
from contacts.models import Contact, StaticList
from tests import make

FILE = """Email Address,First name,Plan,Optin time
ada@example.org,Ada,pro,2025-01-02
bo@example.org,Bo,free,2025-01-03
not-an-address,Cy,free,2025-01-04
"""


@pytest.fixture
def file(tmp_path, settings):
    settings.ASSENT_VAR = tmp_path
    path = tmp_path / "fair.csv"
    path.write_text(FILE)
    return path


@pytest.fixture
def imports(desk):
    """Open the page of a new import as an operator."""
    make.topic()
    return partial(desk, "/admin/consent/importbatch/add/", role="Operator")


def look(page: Page, name: str) -> None:
    """Nobody is shut out; with SCREENSHOTS set to a folder, the page is also kept to be looked at."""
    page.wait_for_load_state("networkidle")
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"import-{name}.png", full_page=True)
    found = Axe().run(page, context="#content-main")
    assert found.violations_count == 0, f"{name}: {found.generate_report()}"


def test_it_brings_a_file_in_step_by_step(imports, file, tmp_path):
    paper = tmp_path / "paper-form.pdf"
    paper.write_bytes(b"%PDF-1.7")
    fair = StaticList.objects.create(name="Spring fair")
    page = imports()
    look(page, "1-file")
    page.locator("[name=file]").set_input_files(file)
    page.get_by_role("button", name="Upload", exact=True).click()

    expect(page.get_by_label("Email Address")).to_have_value("email")
    expect(page.get_by_label("Optin time")).to_have_value("consented_at")
    expect(page.get_by_label("Plan", exact=True)).to_have_value("")
    expect(page.get_by_text("a***@e***.org")).to_be_visible()
    look(page, "2-columns")
    page.get_by_label("The list was bought").check()
    page.get_by_role("button", name="See what will happen").click()
    expect(page.get_by_role("alert")).to_contain_text("Bought or rented addresses are not imported")
    look(page, "2-refused")
    page.get_by_label("They gave us their address").check()
    page.locator("[name=evidence_file]").set_input_files(paper)
    page.get_by_label("Give these people the tag").fill("book-fair")
    page.get_by_label("Put these people on the list").select_option(label="Spring fair")
    page.get_by_label("Topic", exact=True).select_option("product-news")
    page.get_by_label("Where they said yes").fill("Paper form at the fair")
    page.get_by_label("The words they were shown").fill("Yes, send me news by email.")
    page.get_by_role("button", name="See what will happen").click()

    expect(page.get_by_text("What will become of the 3 rows")).to_be_visible()
    assert Contact.objects.count() == 0
    look(page, "3-preview")
    page.get_by_role("button", name="Import", exact=True).click()

    expect(page.get_by_text("You can leave this page")).to_be_visible()
    look(page, "4-running")
    tasks.run_import(batch_id=ImportBatch.objects.get().pk)
    expect(page.get_by_text("Imported: 3 rows")).to_be_visible()
    look(page, "5-report")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download lines and reasons").click()
    assert "complete email address" in download.value.path().read_text()
    with page.expect_download() as download:
        page.get_by_role("link", name="paper-form.pdf").click()
    assert download.value.path().read_bytes() == b"%PDF-1.7"
    assert Contact.objects.filter(tags__name="book-fair").count() == 2
    assert fair.contacts.count() == 2


def test_it_works_on_a_dark_phone_in_french(imports, file):
    page = imports(language="fr", width=390, dark=True)
    page.locator("[name=file]").set_input_files(file)
    page.get_by_role("button", name="Envoyer le fichier", exact=True).click()
    page.get_by_label("Elles nous ont donné").check()
    look(page, "phone-columns")
    page.get_by_role("button", name="Voir ce qui se passera").click()
    look(page, "phone-preview")
    page.get_by_role("button", name="Importer", exact=True).click()
    page.wait_for_url("**/change/")
    tasks.run_import(batch_id=ImportBatch.objects.get().pk)
    expect(page.get_by_text("3 lignes importées")).to_be_visible()
    look(page, "phone-report")
