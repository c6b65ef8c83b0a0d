"""Who was erased does not come back with a file, and does not stay in one that waits to be imported."""

import hashlib
import threading

import pytest
from django.db import connection, transaction

from consent import imports, services, tasks, uploads
from consent.models import ConsentEvent, ImportBatch, RefusedAddress, RefusedRow, Suppression
from contacts import rights
from contacts import services as contacts
from contacts.models import Channel, Contact, Identity
from tests import make
from tests.beside import PATIENCE_S, elsewhere, somebody_waits_for_us
from tests.consent.importing import NO, YES, brought_in, refusals

pytestmark = pytest.mark.django_db

ERASED = "This person was erased: only they themselves can come back."
ADA = YES.format(email="ada@example.org")
BO = YES.format(email="bo@example.org")


@pytest.fixture(autouse=True)
def topic():
    return make.topic()


@pytest.fixture
def ada():
    return make.contact("ada@example.org")


@pytest.fixture
def erased(ada):
    rights.erase(contact=ada)


def living():
    return set(Identity.objects.values_list("email", flat=True))


@pytest.mark.parametrize(
    "row",
    [
        ADA,
        NO.format(email="ada@example.org"),
        "Ada <ADA@example.org>,,subscribed,product-news,email,no date,Form,Yes,",
        "ada@example.org,too few",
        '"ada@example.org,a quote that is never closed',
    ],
)
def test_it_refuses_whoever_was_erased_and_keeps_nothing_of_the_row(erased, file, row):
    events = ConsentEvent.objects.count()
    batch = brought_in(file(BO, row))
    assert refusals(batch) == {3: ERASED}
    assert (batch.rows, batch.contacts, batch.refused) == (2, 1, 1)
    assert living() == {"bo@example.org"}
    assert "ada" not in str(RefusedRow.objects.values()).lower()
    assert not RefusedAddress.objects.exists()
    assert ConsentEvent.objects.count() == events + 1


def test_it_says_in_the_preview_that_somebody_was_erased(erased, file):
    tally, refused = imports.rehearse(imports.start(path=file(ADA, BO)))
    assert (tally.contacts, tally.refused) == (1, 1)
    assert [(line, str(why)) for line, why in refused] == [(2, ERASED)]


def test_it_takes_whoever_came_back_by_an_act_of_their_own(erased, file, topic):
    words = make.wording(topic)
    services.request_consent(email="ada@example.org", wordings=[words], language="en")
    assert refusals(brought_in(file(ADA))) != {2: ERASED}
    assert living() == {"ada@example.org"}


def test_it_stops_the_other_address_of_a_row_that_says_no(erased, file):
    batch = brought_in(file("ada@example.org,+33612345678,unsubscribed,,,,,,"))
    assert refusals(batch) == {2: ERASED}
    stop = Suppression.objects.get(channel=Channel.SMS)
    assert (stop.cause, stop.topic) == ("listed", None)
    assert not Identity.objects.exists()
    assert "33612" not in str(RefusedRow.objects.values())


def test_it_leaves_nothing_of_them_with_another_row_of_the_same_number(erased, file):
    """A number that two share would make one person of both rows."""
    batch = brought_in(
        file(
            "+33612345678,,Bo", "+33612345678,ada@example.org,Ada", header="phone,email,first name"
        )
    )
    assert refusals(batch) == {3: ERASED}
    identity = Identity.objects.get()
    assert (identity.first_name, identity.email) == ("Bo", "")


def test_it_still_knows_who_was_erased_after_a_list_of_suppressions(erased, file):
    path = file("ada@example.org,2026-11-29", header="email,unsubscribed at")
    batch = imports.run(imports.start(path=path, declared={"status": "suppressed"}))
    assert (batch.refused, batch.unchanged) == (0, 1)
    assert refusals(brought_in(file(ADA))) == {2: ERASED}


def test_it_still_knows_who_was_erased_after_a_stop_by_an_old_link(erased, file):
    services.suppress_address(
        channel=Channel.EMAIL,
        address="ada@example.org",
        topic=None,
        cause=Suppression.Cause.OBJECTED,
    )
    assert refusals(brought_in(file(ADA))) == {2: ERASED}


@pytest.mark.django_db(transaction=True)
def test_it_brings_nobody_back_who_is_erased_while_the_file_is_imported(ada, file):
    began = threading.Event()

    def erase():
        with transaction.atomic():
            rights.erase(contact=ada)
            began.set()
            somebody_waits_for_us()

    thread = elsewhere(erase)
    assert began.wait(PATIENCE_S)
    batch = brought_in(file(ADA, BO))
    thread.join()
    assert refusals(batch) == {2: ERASED}
    assert living() == {"bo@example.org"}


# Files that wait


def upload(text, encoding="utf-8", **arguments):
    path = uploads.keep([text.encode(encoding)])
    return imports.start(path=path, name="people.csv", is_upload=True, **arguments)


def kept(batch):
    with open(batch.path, "rb") as file:
        return file.read()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_it_takes_the_erased_out_of_a_file_that_waits(ada, encoding, end):
    name = "山田太郎" if encoding == "cp932" else "Zoé Noël"
    rows = [
        "email,last name,notes",
        f"bo@example.org,{name},x",
        f'ada@example.org,{name},"two{end}lines"',
        f"cy@example.org,{name},x",
        f"{name},,ada@example.org,one cell too many",
        f"eve@example.org,{name},x",
    ]
    batch = upload(end.join([*rows, ""]), encoding)
    rights.erase(contact=ada)
    tasks.take_out_erased()
    batch.refresh_from_db()
    rows[2:3] = ["", ""]
    rows[5] = ""
    assert kept(batch).decode(encoding) == end.join([*rows, ""])
    assert batch.erased_since == 0
    assert batch.kept_digest == hashlib.sha256(kept(batch)).hexdigest()
    imports.run(batch)
    assert living() == {"bo@example.org", "cy@example.org", "eve@example.org"}
    assert set(Identity.objects.values_list("last_name", flat=True)) <= {name, name.split()[-1]}


def test_it_leaves_others_in_the_file_byte_for_byte(ada):
    batch = upload("email,name\nbo@example.org,Bo\n")
    before = kept(batch)
    rights.erase(contact=ada)
    tasks.take_out_erased()
    assert kept(batch) == before


def test_it_takes_out_whoever_is_erased_by_the_phone_number(ada):
    contacts.update_contact(contact=ada, phone="+33612345678")
    batch = upload("phone,name\n06 12 34 56 78,Ada\n06 12 34 56 79,Bo\n", declared={"region": "FR"})
    rights.erase(contact=ada)
    tasks.take_out_erased()
    assert kept(batch) == b"phone,name\n\n06 12 34 56 79,Bo\n"


def test_it_goes_on_with_a_file_that_was_stopped_and_looked_through(ada, file):
    batch = upload(
        "\n".join(["email", *(f"p{each}@example.org" for each in range(9)), "ada@example.org"])
    )
    ImportBatch.objects.filter(pk=batch.pk).update(state="running")
    batch.refresh_from_db()
    imports.run(batch, batch_rows=4, for_seconds=0)
    uploads.stop(batch=batch)
    rights.erase(contact=ada)
    tasks.take_out_erased()
    uploads.begin(batch=batch)
    tasks.run_import(batch_id=batch.pk)
    batch.refresh_from_db()
    assert (batch.state, batch.rows, batch.contacts) == ("finished", 9, 9)


def test_it_looks_again_only_where_somebody_was_erased(ada):
    batch = upload("email\nbo@example.org\n")
    assert not uploads.has_erased()
    rights.erase(contact=ada)
    assert uploads.has_erased()
    uploads.discard(batch=batch)
    assert not uploads.has_erased()


def test_it_waits_with_a_file_that_is_imported_just_now(ada, file):
    batch = upload("email\nbo@example.org\nada@example.org\n")
    rights.erase(contact=ada)

    def look(_batch):
        thread = threading.Thread(target=_take_out)
        thread.start()
        thread.join()

    imports.run(batch, progress=look)
    assert living() == {"bo@example.org"}
    assert Contact.objects.filter(erased_at=None).count() == 1


def _take_out():
    uploads.take_out_erased()
    connection.close()
