"""The import on the desk: each step, what each refuses, and who may take it."""

import hashlib
import io
import os
import re
import stat
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission as StaffPermission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from consent import gate, imports, tasks, uploads
from consent.admin.imports import samples
from consent.models import ConsentEvent, ImportBatch, ImportEvidence, Suppression
from contacts import services as contacts
from contacts.models import Channel, Contact, IdentityView, StaticList
from tests import make

pytestmark = pytest.mark.django_db

WORDS = "Yes, send me product news by email."
FILE = """Email Address,First name,Plan,Optin time
ada@example.org,Ada,pro,2025-01-02
bo@example.org,Bo,free,2025-01-03
not-an-address,Cy,free,2025-01-04
"""
EVIDENCE = {
    "acquisition": "own", "topic": "product-news", "channel": "email", "status": "",
    "source_said": "Form on our site", "occurred_at": "", "wording": WORDS, "language": "en",
    "region": "", "day_first": "",
}  # fmt: skip
COLUMNS = {
    "column-0": "email",
    "column-1": "first_name",
    "column-2": "",
    "column-3": "consented_at",
}
IMPORTER = ("consent.add_importbatch",)


@pytest.fixture(autouse=True)
def topic(settings, tmp_path):
    settings.ASSENT_VAR = tmp_path
    return make.topic()


@pytest.fixture
def sign_in(client):
    def go_in(*permissions):
        staff = make.staff("nora", superuser=False)
        for permission in permissions:
            app, _, codename = permission.partition(".")
            staff.user_permissions.add(
                StaffPermission.objects.get(content_type__app_label=app, codename=codename)
            )
        client.force_login(staff)
        return staff

    return go_in


@pytest.fixture
def send(client):
    """Upload a file as the wizard's first step does."""

    def upload(text=FILE, *, name="people.csv", kind="people"):
        body = text if isinstance(text, bytes) else text.encode()
        file = SimpleUploadedFile(name, body, content_type="text/csv")
        return client.post(at("add"), {"file": file, "kind": kind})

    return upload


@pytest.fixture
def batch(sign_in, send):
    """An uploaded file, its columns not chosen yet."""
    sign_in(*IMPORTER)
    assert send().status_code == 302
    return ImportBatch.objects.get()


@pytest.fixture
def declared(batch, client):
    """A file whose columns are chosen and whose evidence is declared."""
    assert client.post(at("columns", batch), COLUMNS | EVIDENCE).status_code == 302
    batch.refresh_from_db()
    return batch


def at(name, *args):
    return reverse(f"admin:consent_importbatch_{name}", args=[each.pk for each in args])


def text_of(response):
    return response.content.decode()


def files():
    return sorted(path for path in uploads.folder().iterdir() if not path.suffix)


# The file


def test_it_keeps_an_upload_for_nobody_else_to_read(batch):
    path = Path(batch.path)
    assert path.parent == uploads.folder()
    assert path.read_text() == FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "people" not in path.name
    assert (batch.state, batch.is_upload, batch.name) == ("draft", True, "people.csv")
    assert Contact.objects.count() == 0


def zipped(name):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files_within:
        files_within.writestr(name, "email\nada@example.org\n")
    return archive.getvalue()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "This file is empty."),
        ("\n \n", "This file has no rows."),
        (zipped("xl/workbook.xml"), "This is a spreadsheet. Save it as CSV first."),
        (zipped("subscribed.csv"), "This is a zip archive. Unpack it"),
        (bytes(range(256)), "This is no text."),
        ("BEGIN:VCARD\nEMAIL:ada@example.org\nEND:VCARD\n", "These are address cards (vCard)."),
        ("{\\rtf1 ada@example.org}", "This is a text document."),
        (b"%PDF-1.7", "A table in CSV is needed."),
        (b"\x89PNG\r\n\x1a\n", "This is a picture."),
        ("\n<html><table><tr><td>ada@example.org", "This is a web page"),
        ('[{"email": "ada@example.org"}]', "This is JSON."),
        ("email,name\n", "This file has no rows."),
        ("Name,Town\nAda,Paris\n", "One column has to hold the email address or the phone number."),
        (",".join(map(str, range(301))) + "\n", "This file has more than 300 columns."),
    ],
)
def test_it_says_why_a_file_cannot_be_imported(sign_in, send, text, sentence):
    sign_in(*IMPORTER)
    page = send(text)
    assert page.status_code == 200
    assert sentence in text_of(page)
    assert not ImportBatch.objects.exists()
    assert files() == []


def test_it_refuses_a_file_that_is_too_large(sign_in, send, monkeypatch):
    sign_in(*IMPORTER)
    monkeypatch.setattr(uploads, "LARGEST_BYTES", 20)
    assert "This file is larger than 20" in text_of(send())
    assert files() == []


def test_it_finds_a_column_of_addresses_by_its_values(sign_in, send):
    sign_in(*IMPORTER)
    send("Who,Town\nada@example.org,Paris\n")
    assert ImportBatch.objects.get().mapping == {"Who": "email", "Town": ""}


def test_it_suppresses_a_mere_list_of_addresses(sign_in, send, client):
    sign_in(*IMPORTER)
    send("ada@example.org\nBo <bo@example.org>\n", kind="suppressions")
    batch = ImportBatch.objects.get()
    assert client.post(at("columns", batch), {"column-0": "email"}).status_code == 302
    assert "2 rows" in text_of(client.get(at("preview", batch)))
    imports.run(batch)
    assert Suppression.objects.count() == 2


# Columns


def test_it_shows_guesses_beside_masked_values(batch, client):
    page = text_of(client.get(at("columns", batch)))
    assert '<option value="email" selected>' in page
    assert '<option value="consented_at" selected>' in page
    assert "a***@e***.org" in page
    assert "2025-01-02" in page
    assert "ada@example.org" not in page
    assert ">Ada" not in page


def test_it_shows_how_letters_read_and_names_nobody(sign_in, send, client):
    sign_in(*IMPORTER)
    send("email,prénom\na@example.org,Éloïse\n".encode("cp1252"))
    page = text_of(client.get(at("columns", ImportBatch.objects.get())))
    shown = re.findall(r"<span>(.*?)</span>", page[page.index('class="desk-letters"') :])
    assert shown[:3] == ["oï", "ré", "É"]
    assert 'value="cp1252" selected' in page
    assert "Éloïse" not in page


def test_it_reads_the_file_anew_and_loses_nothing_that_was_typed(sign_in, send, client):
    sign_in(*IMPORTER)
    send("email,prénom\na@example.org,Éloïse\n".encode("cp1252"))
    batch = ImportBatch.objects.get()
    typed = {"column-0": "email", "column-1": "last_name", "source_said": "A fair"}
    answer = client.post(
        at("columns", batch), typed | {"encoding": "mac-roman", "reread": "1"}, follow=True
    )
    page = text_of(answer)
    batch.refresh_from_db()
    assert batch.encoding == "mac-roman"
    assert list(batch.mapping) == ["email", "prÈnom"] == uploads.columns(batch)
    assert 'value="last_name" selected' in page
    assert 'value="A fair"' in page
    assert "Not saved yet" not in page


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_it_asks_about_no_encoding_where_the_file_says_its_own(sign_in, send, client, encoding):
    sign_in(*IMPORTER)
    send("email,prénom\na@example.org,Éloïse\n".encode(encoding))
    batch = ImportBatch.objects.get()
    assert 'name="reread"' not in text_of(client.get(at("columns", batch)))
    client.post(at("columns", batch), COLUMNS | EVIDENCE)
    client.post(at("run", batch))
    assert f"Unicode ({encoding[:6].upper().rstrip('-')})" in text_of(
        client.get(at("change", batch))
    )


def test_it_asks_about_the_encoding_though_the_first_letters_stand_far_down(sign_in, send, client):
    sign_in(*IMPORTER)
    plain = "".join(f"p{each}@example.org,Anna\n" for each in range(2000))
    send(f"email,name\n{plain}a@example.org,Éloïse\n".encode("cp1252"))
    page = text_of(client.get(at("columns", ImportBatch.objects.get())))
    assert 'name="reread"' in page
    assert "<span>oï</span>" in page


def test_it_does_not_read_in_an_encoding_that_there_is_not(batch, client):
    answer = client.post(at("columns", batch), {"encoding": "x", "reread": "1"}, follow=True)
    assert "There is no encoding" in text_of(answer)


def test_it_supposes_that_people_speak_the_language_of_the_desk(batch, client):
    assert '<option value="en" selected>' in text_of(client.get(at("columns", batch)))
    page = client.get(at("columns", batch), headers={"accept-language": "fr"})
    assert '<option value="fr" selected>' in text_of(page)


def test_it_masks_values_for_those_who_may_view_identities_too(sign_in, send, client):
    sign_in(*IMPORTER, "contacts.view_identity", "contacts.view_contact")
    send()
    batch = ImportBatch.objects.get()
    page = text_of(client.get(at("columns", batch)))
    assert "ada@example.org" not in page
    assert ">Ada" not in page
    assert not IdentityView.objects.exists()


def test_it_masks_an_address_wherever_it_stands():
    column = samples.Column("Status", ["ask ada@example.org", "+33 6 12 34 56 78", "subscribed"])
    assert column.shown() == ["ask a***@e***.org", "+33***78", "subscribed"]
    quoted = samples.mask_reason(
        "The status “ada@example.org” is not known, like name@example.org."
    )
    assert quoted == "The status “a***@e***.org” is not known, like name@example.org."
    column = samples.Column("Who", ["Ada Martin <ada@example.org>", "Ada, +33612345678"])
    assert column.shown() == ["a***@e***.org", "+33***78"]
    assert samples.Column("Town", ["Paris"]).shown() == ["P***"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"column-0": ""}, "One column has to hold the email address or the phone number."),
        ({"column-0": "shoe_size"}, "Select a valid choice"),
        ({"acquisition": ""}, "This field is required."),
        ({"acquisition": "other"}, "Bought or rented addresses are not imported"),
        ({"occurred_at": "2999-01-01"}, "This day lies in the future."),
        ({"region": "XX"}, "There is no country “XX”"),
        ({"topic": "unknown"}, "Select a valid choice"),
    ],
)
def test_it_says_what_cannot_be_declared_and_loses_nothing(batch, client, changed, sentence):
    page = client.post(at("columns", batch), COLUMNS | EVIDENCE | changed)
    assert page.status_code == 200
    assert sentence in text_of(page)
    assert "Form on our site" in text_of(page)
    batch.refresh_from_db()
    assert (batch.state, batch.source) == ("draft", "")
    assert files() == [Path(batch.path)]


def test_it_says_at_the_top_that_something_below_is_missing(batch, client):
    page = text_of(client.post(at("columns", batch), COLUMNS | EVIDENCE | {"acquisition": ""}))
    assert page.index("something below does not fit") < page.index("What each column is")


def test_it_shows_what_was_declared_when_somebody_comes_back(declared, client):
    page = text_of(client.get(at("columns", declared)))
    assert 'value="Form on our site"' in page
    assert WORDS in page
    assert declared.declared["topic"] == "product-news"


# Preview


def test_it_shows_what_will_happen_and_does_nothing(declared, client):
    page = client.get(at("preview", declared))
    assert page.status_code == 200
    assert dict(page.context_data["counts"])["New contacts"] == 2
    assert dict(page.context_data["counts"])["Permissions with evidence: may be mailed"] == 2
    assert page.context_data["refused"][0][0] == 4
    assert not Contact.objects.exists()
    assert not ConsentEvent.objects.exists()


def test_it_says_when_nobody_may_be_mailed(batch, client):
    client.post(at("columns", batch), COLUMNS | EVIDENCE | {"wording": ""})
    assert "Nobody of these may be mailed" in text_of(client.get(at("preview", batch)))


@pytest.mark.parametrize(
    ("text", "is_lacking"),
    [
        ("email,status\nada@example.org,subscribed\nbo@example.org,unsubscribed\n", True),
        ("email,status\nada@example.org,\n", True),
        ("email,status\nada@example.org,unsubscribed\n", False),
        ("email,status\nada@example.org,bounced\n", False),
    ],
)
def test_it_asks_for_no_evidence_of_a_no(sign_in, send, client, text, is_lacking):
    sign_in(*IMPORTER)
    send(text)
    batch = ImportBatch.objects.get()
    bare = EVIDENCE | {"source_said": "", "wording": ""}
    client.post(at("columns", batch), {"column-0": "email", "column-1": "status"} | bare)
    page = text_of(client.get(at("preview", batch)))
    assert ("Nobody of these may be mailed" in page) is is_lacking


def test_it_asks_for_no_evidence_that_is_there_already(declared, client, send):
    imports.run(declared)
    send(FILE)
    again = ImportBatch.objects.latest("pk")
    client.post(at("columns", again), COLUMNS | EVIDENCE)
    page = text_of(client.get(at("preview", again)))
    assert "Nobody of these may be mailed" not in page


def test_it_previews_nothing_before_the_evidence_is_declared(batch, client):
    assert client.get(at("preview", batch)).url == at("columns", batch)
    assert client.post(at("run", batch)).url == at("columns", batch)
    batch.refresh_from_db()
    assert batch.state == "draft"


# Import


def test_it_imports_in_the_background_and_reports(declared, client, topic):
    assert client.post(at("run", declared)).url == at("change", declared)
    declared.refresh_from_db()
    assert declared.state == "running"
    assert "http-equiv" in text_of(client.get(at("change", declared)))
    tasks.run_import(batch_id=declared.pk)
    tasks.run_import(batch_id=declared.pk)
    declared.refresh_from_db()
    assert (declared.state, declared.contacts, declared.grants, declared.refused) == (
        "finished", 2, 2, 1,
    )  # fmt: skip
    ada = contacts.find_contact(channel=Channel.EMAIL, address="ada@example.org")
    assert gate.explain(contact=ada, topic=topic, channel=Channel.EMAIL).is_allowed
    page = text_of(client.get(at("change", declared)))
    assert "Imported: 3 rows" in page
    assert "This is not a complete email address" in page
    assert "hx-get" not in page.partition('id="progress"')[2][:200]
    assert files() == []


@pytest.mark.parametrize(
    ("state", "english", "french"),
    [
        (
            "running",
            "Importing: 1 row so far",
            "Import en cours\u00a0: 1 ligne pour l\u2019instant",
        ),
        ("finished", "Imported: 1 row", "1 ligne importée"),
        ("failed", "Stopped after 1 row", "Arrêté après 1 ligne"),
    ],
)
def test_it_speaks_of_one_row_as_of_one(declared, client, state, english, french):
    type(declared).objects.filter(pk=declared.pk).update(state=state, rows=1)
    for language, words in (("en", english), ("fr", french)):
        page = client.get(at("change", declared), headers={"accept-language": language})
        assert f">{words}</h2>" in page.content.decode()


def test_it_goes_on_where_a_killed_worker_left_it(declared, client, monkeypatch):
    people = [f"person{number}@example.org,P,,2025-01-02" for number in range(900)]
    Path(declared.path).write_text("\n".join([FILE.splitlines()[0], *people, ""]))
    again = imports.start(
        path=declared.path,
        mapping=declared.mapping,
        declared=declared.declared,
        source=declared.source,
        is_upload=True,
    )
    uploads.begin(batch=again)
    monkeypatch.setattr(uploads, "SLICE_S", 0)
    assert uploads.work(batch_id=again.pk)
    again.refresh_from_db()
    assert again.state == "running"
    assert 0 < again.rows < 900
    assert uploads.unfinished() == [again.pk]
    while uploads.work(batch_id=again.pk):
        pass
    again.refresh_from_db()
    assert (again.state, again.rows, Contact.objects.count()) == ("finished", 900, 900)
    assert uploads.unfinished() == []


def test_it_says_why_in_the_language_of_whoever_reads_it(sign_in, send, client):
    sign_in(*IMPORTER, "consent.view_refusedrow")
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "fr"
    assert send(FILE.replace("not-an-address,Cy,free,2025", "cy@example.org,Cy,free,2099"))
    batch = ImportBatch.objects.get()
    client.post(at("columns", batch), COLUMNS | EVIDENCE)
    uploads.begin(batch=batch)
    while uploads.work(batch_id=batch.pk):
        pass
    rows = reverse("admin:consent_refusedrow_changelist")
    for language, words in {
        "fr": "La date «\u00a02099-01-04\u00a0»",
        "en": "The date “2099-01-04” lies in the future.",
    }.items():
        client.defaults["HTTP_ACCEPT_LANGUAGE"] = language
        assert words in text_of(client.get(at("change", batch)))
        assert words in text_of(client.get(rows, {"batch__id__exact": batch.pk}))
        assert words in client.get(at("refused", batch)).getvalue().decode()


def test_it_stops_when_somebody_says_so_and_goes_on_where_it_was(declared, client, monkeypatch):
    uploads.begin(batch=declared)
    assert "Stop the import" in text_of(client.get(at("change", declared)))
    take = imports._Run.take

    def stopped_meanwhile(run, chunk, **ahead):
        client.post(at("stop", declared))
        take(run, chunk, **ahead)

    with monkeypatch.context() as patched:
        patched.setattr(imports._Run, "take", stopped_meanwhile)
        assert not uploads.work(batch_id=declared.pk)
    declared.refresh_from_db()
    assert (declared.state, declared.rows) == ("failed", 0)
    assert not Contact.objects.exists()
    page = text_of(client.get(at("change", declared)))
    assert "Staff stopped this import" in page
    client.post(at("stop", declared))
    client.post(at("run", declared))
    while uploads.work(batch_id=declared.pk):
        pass
    declared.refresh_from_db()
    assert (declared.state, declared.rows) == ("finished", 3)
    client.post(at("stop", declared))
    declared.refresh_from_db()
    assert declared.state == "finished"


def test_it_stops_and_goes_on_when_the_file_is_not_the_one(declared, client):
    whole = Path(declared.path).read_text()
    Path(declared.path).write_text(whole + "dee@example.org,Dee,,2025-01-02\n")
    client.post(at("run", declared))
    tasks.run_import(batch_id=declared.pk)
    page = text_of(client.get(at("change", declared)))
    assert "This file is not the one the import began with" in page
    assert "Go on" in page
    Path(declared.path).write_text(whole)
    client.post(at("run", declared))
    tasks.run_import(batch_id=declared.pk)
    assert Contact.objects.count() == 2


def test_it_begins_once_and_never_by_get(declared, client):
    assert client.get(at("run", declared)).status_code == 405
    client.post(at("run", declared))
    client.post(at("run", declared), follow=True)
    declared.refresh_from_db()
    assert declared.state == "running"
    with pytest.raises(imports.ImportRunning):
        uploads.begin(batch=declared)


def test_it_never_goes_against_a_no(declared, client, topic):
    ada = make.contact("ada@example.org")
    make.withdrawn(ada, topic)
    client.post(at("run", declared))
    tasks.run_import(batch_id=declared.pk)
    assert not gate.explain(contact=ada, topic=topic, channel=Channel.EMAIL).is_allowed
    assert "This person said no" in text_of(client.get(at("change", declared)))


def test_it_imports_a_list_of_suppressions(sign_in, send, client):
    sign_in(*IMPORTER)
    send("Email,Name\nada@example.org,Ada\n", kind="suppressions")
    batch = ImportBatch.objects.get()
    page = text_of(client.get(at("columns", batch)))
    assert "will not be written to any more" in page
    assert "How did these people" not in page
    client.post(at("columns", batch), {"column-0": "email", "column-1": "", "region": ""})
    assert client.get(at("preview", batch)).status_code == 200
    client.post(at("run", batch))
    tasks.run_import(batch_id=batch.pk)
    assert Suppression.objects.count() == 1
    assert not ConsentEvent.objects.exists()


def test_it_imports_a_list_of_suppressed_phone_numbers(sign_in, send, client):
    sign_in(*IMPORTER)
    send("Mobile;Nom\n06 12 34 56 78;Ada\n06 12;Bo\n", kind="suppressions")
    batch = ImportBatch.objects.get()
    client.post(at("columns", batch), {"column-0": "phone", "column-1": "", "region": "fr"})
    client.post(at("run", batch))
    tasks.run_import(batch_id=batch.pk)
    stop = Suppression.objects.get()
    assert (stop.channel, stop.topic, stop.cause) == (Channel.SMS, None, "listed")
    assert not Contact.objects.exists()
    batch.refresh_from_db()
    assert (batch.stops, batch.contacts, batch.refused) == (1, 0, 1)


# What shows the consent, and where these people go


def test_it_keeps_what_shows_the_consent_and_hands_it_out_as_a_file_only(batch, client):
    paper = SimpleUploadedFile("form.html", b"<script>alert(1)</script>", content_type="text/html")
    wrong = COLUMNS | EVIDENCE | {"acquisition": "", "evidence_file": paper}
    assert "Kept with this import: form.html" in text_of(client.post(at("columns", batch), wrong))
    client.post(at("columns", batch), COLUMNS | EVIDENCE)
    client.post(at("run", batch))
    tasks.run_import(batch_id=batch.pk)
    page = text_of(client.get(at("change", batch)))
    assert hashlib.sha256(b"<script>alert(1)</script>").hexdigest() in page
    answer = client.get(at("evidence", batch))
    assert b"".join(answer.streaming_content) == b"<script>alert(1)</script>"
    assert answer["Content-Disposition"] == 'attachment; filename="form.html"'
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"
    with pytest.raises(imports.ImportRunning):
        imports.keep_evidence(batch, name="other.pdf", content=b"%PDF")


def test_it_refuses_evidence_that_is_too_large(batch, client, monkeypatch):
    monkeypatch.setattr(imports, "LARGEST_EVIDENCE_BYTES", 10)
    paper = SimpleUploadedFile("form.pdf", b"%PDF" * 3)
    page = text_of(client.post(at("columns", batch), COLUMNS | EVIDENCE | {"evidence_file": paper}))
    assert "larger than 5 MB" in page
    with pytest.raises(imports.EvidenceTooLarge):
        imports.keep_evidence(batch, name="form.pdf", content=b"")
    assert not ImportEvidence.objects.exists()


def test_it_puts_these_people_on_a_list_and_gives_them_a_tag(batch, client):
    fair = StaticList.objects.create(name="Fair")
    ada = make.contact("ada@example.org")
    fair.contacts.add(ada)
    said = COLUMNS | EVIDENCE | {"tag": "Book fair", "list": str(fair.pk)}
    client.post(at("columns", batch), said)
    client.post(at("run", batch))
    tasks.run_import(batch_id=batch.pk)
    assert fair.contacts.count() == 2
    assert [tag.name for tag in ada.tags.all()] == ["book-fair"]
    page = text_of(client.get(at("change", batch)))
    assert "Book fair" in page
    assert "<dd>Fair</dd>" in page


def test_it_says_when_the_list_is_not_there_any_more(batch, client):
    fair = StaticList.objects.create(name="Fair")
    client.post(at("columns", batch), COLUMNS | EVIDENCE | {"list": str(fair.pk)})
    fair.delete()
    page = text_of(client.get(at("preview", batch), follow=True))
    assert "This list is not there any more." in page


# Refused rows do not stay


def test_it_erases_refused_rows_once_their_time_is_over(refused, client, settings):
    page = text_of(client.get(at("change", refused)))
    assert "The rows themselves are kept until" in page
    refused.refresh_from_db()
    kept = timedelta(days=settings.REFUSED_ROWS_DAYS)
    assert uploads.erase_refused(now=refused.finished_at + kept) == 0
    assert uploads.erase_refused(now=refused.finished_at + kept + timedelta(seconds=1)) == 2
    refused.refresh_from_db()
    assert refused.refused == 2
    assert "and are erased" in text_of(client.get(at("change", refused)))


def test_it_keeps_refused_rows_of_an_import_that_is_not_over(refused):
    ImportBatch.objects.update(state="running")
    assert uploads.erase_refused(now=timezone.now() + timedelta(days=1000)) == 0


# Discarding


def test_it_discards_a_file_before_anything_was_imported(batch, client):
    client.post(at("discard", batch))
    assert not ImportBatch.objects.exists()
    assert list(uploads.folder().iterdir()) == []


def test_it_keeps_the_report_of_what_was_imported(declared, client):
    client.post(at("run", declared))
    client.post(at("discard", declared))
    assert ImportBatch.objects.filter(pk=declared.pk).exists()


def test_it_deletes_what_was_never_begun_after_a_week(batch):
    uploads.discard_old()
    assert ImportBatch.objects.exists()
    long_ago = timezone.now() - uploads.KEPT * 2
    ImportBatch.objects.update(created_at=long_ago)
    orphan = uploads.keep([b"left over"])
    os.utime(orphan, (long_ago.timestamp(),) * 2)
    uploads.discard_old()
    assert not ImportBatch.objects.exists()
    assert list(uploads.folder().iterdir()) == []


# Refused rows


@pytest.fixture
def refused(declared, client):
    text = FILE + "=cmd@,Eve,free,2025-01-04\n"
    Path(declared.path).write_text(text)
    ImportBatch.objects.update(file_digest=imports.reading.inspect(Path(declared.path)).digest)
    client.post(at("run", declared))
    tasks.run_import(batch_id=declared.pk)
    return declared


def test_it_hands_out_lines_and_reasons_without_the_rows(refused, client):
    answer = client.get(at("refused", refused))
    table = answer.getvalue().decode()
    name = f"people-refused-{refused.pk}.csv"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    assert table.startswith("\ufeffline,reason")
    assert "not-an-address" not in table
    assert client.post(at("refused", refused), {"reason": "to correct"}).status_code == 403
    assert client.get(at("rows", refused)).status_code == 403


def test_it_hands_out_rows_with_a_reason_and_notes_it(refused, client):
    client.force_login(make.staff())
    asked = client.post(at("refused", refused), {"reason": ""})
    assert asked.status_code == 200
    assert not IdentityView.objects.exists()
    table = client.post(at("refused", refused), {"reason": "to correct"}).getvalue().decode()
    assert table.startswith("\ufeffEmail Address,First name,Plan,Optin time,line,reason")
    assert "not-an-address,Cy" in table
    assert "'=cmd@" in table
    noted = IdentityView.objects.get()
    assert (noted.people, noted.reason) == (2, "to correct")


def test_it_still_knows_of_whom_refused_rows_are_when_they_come_back(sign_in, send, client):
    sign_in()
    client.force_login(make.staff())
    send("email,name\nnot-an-address,Éloïse\n", name="unsubscribed_members.csv")
    batch = imports.run(ImportBatch.objects.get())
    answer = client.post(at("refused", batch), {"reason": "to correct"})
    corrected = answer.getvalue().replace(b"not-an-address", b"ada@example.org")
    name = answer["Content-Disposition"].partition('"')[2].strip('"')
    send(corrected, name=name)
    again = ImportBatch.objects.latest("pk")
    assert (again.declared["status"], again.encoding) == ("unsubscribed", "utf-8-sig")
    assert again.mapping == {"email": "email", "name": "name", "line": "", "reason": ""}


# Who may


def test_it_lets_nobody_import_without_the_permission(batch, client, sign_in):
    client.logout()
    other = make.staff("omar", superuser=False)
    other.user_permissions.add(
        StaffPermission.objects.get(content_type__app_label="consent", codename="view_importbatch")
    )
    client.force_login(other)
    for name in ("columns", "preview"):
        assert client.get(at(name, batch)).status_code == 403
    for name in ("run", "stop", "discard"):
        assert client.post(at(name, batch)).status_code == 403
    assert client.get(at("add")).status_code == 403
    assert client.get(at("refused", batch)).status_code == 403
    assert client.get(at("change", batch)).status_code == 200
    client.force_login(make.staff("pia", superuser=False))
    assert client.get(at("change", batch)).status_code == 403
    assert client.get(at("progress", batch)).status_code == 403


def test_it_says_in_words_what_was_declared(declared, client):
    said = {"channel": "sms", "status": "unsubscribed", "occurred_at": "2025-01-02"}
    ImportBatch.objects.update(state="finished", declared=declared.declared | said)
    page = text_of(client.get(at("change", declared)))
    for words in ("<dd>text message</dd>", "<dd>Unsubscribed</dd>", "<dd>2 January 2025</dd>"):
        assert words in page
    ImportBatch.objects.update(declared={"status": "suppressed"})
    assert "<dd>Addresses that must not be written to" in text_of(
        client.get(at("change", declared))
    )
    assert ">people.csv</a>" in page  # a file is called as it is called
