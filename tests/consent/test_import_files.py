"""Imports: however a file is written."""

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from consent import imports
from consent.imports import guessing, moments, reading
from consent.imports.errors import RowRefused
from consent.models import (
    ConsentEvent,
    RefusedRow,
)
from contacts import addresses
from contacts.models import Contact
from tests import make
from tests.consent.importing import YES, brought_in, refusals

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def topic():
    return make.topic()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_it_reads_any_usual_encoding_and_delimiter(file, encoding, delimiter):
    lines = ["héloïse@example.org", "Héloïse", "Noël, Œuvre"]
    header = delimiter.join(["email", "prénom", "nom"])
    quoted = delimiter.join(
        [lines[0].replace("é", "e").replace("ï", "i"), lines[1], f'"{lines[2]}"']
    )
    batch = brought_in(file(quoted, header=header, encoding=encoding))
    assert refusals(batch) == {}
    identity = Contact.objects.get().identity
    assert (identity.first_name, identity.last_name) == ("Héloïse", "Noël, Œuvre")


def test_it_keeps_each_refused_row_with_its_line_and_reason(file):
    batch = brought_in(
        file(
            "a@example.org,,yes,product-news,email,2025-01-02,F,W,",
            "b@example.org,,yes",
            "not an address,,yes,,,,,,",
            ",,yes,,,,,,",
            '"c@example.org,,yes,,,,,,',
            "d@example.org,,maybe,,,,,,",
            "",
            "e@example.org,,yes,no-such,email,2025-01-02,F,W,",
            "f@example.org,,yes,product-news,pigeon,2025-01-02,F,W,",
            "g@example.org,,yes,product-news,sms,2025-01-02,F,W,",
            "h@example.org,,yes,product-news,email,2999-01-02,F,W,",
            "i@example.org,,yes,product-news,email,03/04/2025,F,W,",
            "j@example.org,+33000,yes,,,,,,",
            "k@example.org,,yes,product-news,email,2025-01-02,F,W,",
            "l@example.org",
        )
    )
    assert {line: why.split(":")[0] for line, why in refusals(batch).items()} == {
        3: "This row has 3 cells where the header has 9.",
        4: "This is not a complete email address, like name@example.org.",
        5: "This row has neither an email address nor a phone number.",
        6: "This line cannot be read",
        7: "The status “maybe” is not known.",
        9: "There is no topic “no-such”.",
        10: "The channel “pigeon” is not known.",
        11: "This row has no address for text message.",
        12: "The date “2999-01-02” lies in the future.",
        13: "The date “03/04/2025” can be read in two ways.",
        14: "The phone number was left out. This is not a phone number with its country code, like"
        " +33612345678.",
        16: "This row has one cell where the header has 9.",
    }
    assert batch.grants == 2
    assert batch.refused_rows.get(line=3).row == ["b@example.org", "", "yes"]
    found = batch.refused_rows.exclude(addresses=None)
    assert set(found.values_list("line", flat=True)) == {3, 6, 7, 9, 10, 11, 12, 13, 14, 16}
    [address] = found.get(line=6).addresses.all()
    assert bytes(address.fingerprint) == addresses.fingerprint("c@example.org")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", imports.FileEmpty),
        (b"\n \n", imports.FileEmpty),
        (b"first name,city\nAda,Lyon\n", imports.MappingRefused),
    ],
)
def test_it_refuses_a_file_with_nobody_in_it(tmp_path, content, error):
    path = tmp_path / "people.csv"
    path.write_bytes(content)
    with pytest.raises(error):
        imports.start(path=path)
    with pytest.raises(imports.FileUnreadable):
        imports.start(path=tmp_path / "missing.csv")


@pytest.mark.parametrize(
    "arguments",
    [
        {"mapping": {"nope": "email"}},
        {"mapping": {"email": "shoe_size"}},
        {"mapping": {"email": "email", "source": "field.shoe_size"}},
        {"topic": "no-such"},
        {"declared": {"status": "king"}},
        {"declared": {"occurred_at": "yesterday"}},
        {"declared": {"sql": "1"}},
    ],
)
def test_it_refuses_what_cannot_be_mapped_or_declared(file, arguments):
    with pytest.raises(imports.ImportRefused):
        imports.start(path=file(YES.format(email="a@example.org")), **arguments)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            ["EMAIL", "LASTNAME", "FIRSTNAME", "SMS", "ADDED_TIME"],
            ["email", "last_name", "first_name", "phone", "created_at"],
        ),
        (
            ["uuid", "email", "name", "attributes", "status", "created_at", "updated_at"],
            ["", "email", "name", "attributes", "status", "created_at", ""],
        ),
        (
            ["id", "firstname", "lastname", "email", "preferred_locale", "date_added"],
            ["", "first_name", "last_name", "email", "language", "created_at"],
        ),
        (
            ["Record ID", "First Name", "Email", "Lifecycle Stage", "Unsubscribed from all email"],
            ["", "first_name", "email", "lifecycle", "stopped"],
        ),
        (["Courriel", "Désabonné", "Désabonné le"], ["email", "stopped", "stopped_at"]),
    ],
)
def test_it_guesses_the_columns_of_usual_exports(columns, expected):
    assert list(guessing.guess(columns, []).values()) == expected


@pytest.mark.parametrize(
    ("columns", "cells", "expected"),
    [
        (["email", "State"], {"State": ["CA", "NY"]}, ["email", ""]),
        (["email", "State"], {"State": ["CA", "unsubscribed"]}, ["email", "status"]),
        (["email", "Subscribed"], {"Subscribed": ["TRUE", "FALSE"]}, ["email", "status"]),
        (
            ["email", "Subscribed"],
            {"Subscribed": ["2024-05-06 07:08:09"]},
            ["email", "consented_at"],
        ),
        (["email", "Newsletter"], {"Newsletter": ["oui", "non"]}, ["email", "status"]),
        (["email", "Newsletter"], {"Newsletter": ["Weekly"]}, ["email", "topic"]),
        (["Who", "Notes"], {"Who": ["Ada <ada@example.org>"], "Notes": []}, ["email", ""]),
        (["Who", "Number"], {"Who": ["Ada"], "Number": ["06 12 34 56 78"]}, ["", "phone"]),
        (["email", "email (2)", "name"], {}, ["email", "email", "name"]),
    ],
)
def test_it_guesses_a_column_by_what_stands_in_it(columns, cells, expected):
    assert list(guessing.guess(columns, [], cells).values()) == expected


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_it_takes_a_list_without_names_of_columns_from_its_first_line(tmp_path, topic, end):
    path = tmp_path / "list.txt"
    path.write_bytes(
        end.join(["ada@example.org", "Bo <bo@example.org>", "cy@example.org"]).encode()
    )
    batch = brought_in(path)
    assert (batch.mapping, batch.rows, batch.contacts) == ({"A": "email"}, 3, 3)
    assert (batch.lines, batch.next_line) == (3, 4)


def test_it_passes_over_the_line_that_tells_excel_how_the_file_is_divided(tmp_path):
    path = tmp_path / "excel.csv"
    path.write_text('sep=;\nemail;name\nada@example.org;"Ada\nMartin"\n', encoding="utf-8-sig")
    batch = brought_in(path)
    assert (batch.mapping, batch.rows) == ({"email": "email", "name": "name"}, 1)
    assert Contact.objects.get().identity.first_name == "Ada\nMartin"


DATES = {
    "6 mai 2024": "2024-05-06T00:00:00",
    "1er août 2024 à 7h08": "2024-08-01T07:08:00",
    "May 6, 2024": "2024-05-06T00:00:00",
    "Mon, 06 May 2024 07:08:09 -0330": "2024-05-06T10:38:09",
    "Mon May 06 2024 07:08:09 GMT+0200 (Central European Summer Time)": "2024-05-06T05:08:09",
    "06-May-2024": "2024-05-06T00:00:00",
    "2024-05-06 07:08:09 UTC": "2024-05-06T07:08:09",
    "2024/5/6 7:08": "2024-05-06T07:08:00",
    "5/26/24 12:08 am": "2024-05-26T00:08:00",
    "25.05.24": "2024-05-25T00:00:00",
}


@pytest.mark.parametrize(("written", "meant"), DATES.items())
def test_it_reads_dates_as_programs_and_people_write_them(written, meant):
    assert moments.moment(written).isoformat() == f"{meant}+00:00"


@pytest.mark.parametrize(
    "written",
    ["06/05/24", "05/06/2024 07:08 AM", "24-05-06", "6 foo 2024", "31/02/2024", "2024-05-06 25:00"]
    + ["45418", "1714979289", "2024-05-06 07:08 foo", "2024-05-06 07:08 +9900", "Mon " * 40],
)
def test_it_reads_no_date_that_could_be_another_or_none(written):
    with pytest.raises(RowRefused):
        moments.moment(written)


def test_it_keeps_no_more_than_the_beginning_of_a_line_that_is_too_long(file):
    batch = brought_in(
        file("a@example.org," + "x" * 300_000, "b@example.org,Bo", header="email,name")
    )
    assert (batch.contacts, list(refusals(batch))) == (1, [2])
    assert refusals(batch)[2].startswith("This line is too long")
    assert len(batch.refused_rows.get().row[0]) == reading.LONGEST_KEPT


def test_it_takes_rows_to_which_a_spreadsheet_added_or_left_out_empty_cells(file):
    rows = ["a@example.org,Ada,,", "b@example.org,Bo", "c@example.org,Cy,,,,", "d@example.org"]
    batch = brought_in(file(*rows, "e@example.org,Ed,,,more", header="email,name,,"))
    assert (batch.contacts, set(refusals(batch))) == (3, {5, 6})


@pytest.mark.parametrize("sign", [",", "x", '"'])
def test_it_goes_on_after_a_line_of_many_megabytes(file, sign):
    endless = sign * (2 * reading.LONGEST_LINE + 7)
    batch = brought_in(file("a@example.org,A", endless, "b@example.org,B", header="email,name"))
    assert (batch.contacts, batch.refused) == (2, 1)
    assert refusals(batch)[3].startswith("This line is too long")
    assert len(batch.refused_rows.get().row[0]) == reading.LONGEST_KEPT


@pytest.mark.parametrize("first", ["x" * 200_000, '"email,name'])
def test_it_refuses_a_file_whose_first_line_cannot_be_read(file, first):
    with pytest.raises(imports.FileUnreadable, match="The first line cannot be read"):
        imports.start(path=file("a@example.org,A", header=first))


def test_it_takes_a_sign_that_is_no_text_out_of_the_names_of_columns(file):
    batch = brought_in(file("a@example.org,A", header="email,na\x00me"))
    assert batch.mapping == {"email": "email", "na\N{REPLACEMENT CHARACTER}me": "name"}


def test_it_reads_utf_32_by_its_mark(file):
    batch = brought_in(file("a@example.org,Zoé", header="email,last name", encoding="utf-32"))
    assert (batch.encoding, batch.contacts) == ("utf-32", 1)
    assert Contact.objects.get().identity.last_name == "Zoé"


def test_it_says_what_would_happen_and_takes_it_back(file, topic):
    batch = imports.start(path=file(YES.format(email="a@example.org"), "b@,,,,,,,,"))
    tally, refused = imports.rehearse(batch)
    assert (tally.contacts, tally.grants) == (1, 1)
    said = [(line, str(reason)) for line, reason in refused]
    assert said == [(3, "This is not a complete email address, like name@example.org.")]
    assert (
        Contact.objects.count() == ConsentEvent.objects.count() == RefusedRow.objects.count() == 0
    )


def test_it_deletes_an_upload_once_it_is_imported(file):
    path = file("a@example.org", header="email")
    imports.run(imports.start(path=path, is_upload=True))
    assert not path.exists()


def test_it_refuses_to_go_on_with_another_file(file):
    batch = imports.start(path=file("a@example.org", header="email"))
    file("b@example.org", header="email")
    with pytest.raises(imports.FileChanged):
        imports.run(batch)
    batch.refresh_from_db()
    assert batch.state == "failed"


def test_it_imports_by_command_and_reports(file, capsys):
    call_command("import_contacts", str(file(YES.format(email="a@example.org"), "b@,,,,,,,,")))
    out = capsys.readouterr().out
    assert "1 permissions with evidence" in out
    assert "line 3: This is not a complete email address" in out
    with pytest.raises(CommandError, match="missing"):
        call_command("import_contacts", "missing.csv")
    call_command("import_contacts", str(file("c@example.org", header="email")), "--dry-run")
    assert "Nothing was imported" in capsys.readouterr().out
    path = file("c@example.org", header="email", name="unsubscribed.csv")
    call_command("import_contacts", str(path), "--dry-run")
    assert "everybody: unsubscribed" in capsys.readouterr().out
    call_command("import_contacts", str(path), "--dry-run", "--encoding", "windows-1251")
    assert "read as cp1251" in capsys.readouterr().out
    assert Contact.objects.count() == 1
