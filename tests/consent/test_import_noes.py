"""Imports: every no is taken, and no file brings it back."""

import csv
from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from config.quickstart.story import CONTACTS
from consent import gate, imports, ledger, replay
from consent.models import (
    ConsentEvent,
    ImportBatch,
    Kind,
    Method,
    Permission,
    RefusedRow,
    Suppression,
)
from contacts import addresses, rights
from contacts import services as contacts
from contacts.models import Channel, Contact, StaticList
from tests import make
from tests.consent.importing import (
    HEADER,
    NO,
    YES,
    brought_in,
    objects,
    reason,
    refusals,
    refuses,
    withdraws,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def topic():
    return make.topic()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("unsubscribed", "withdrawn"),
        ("Opt-out", "withdrawn"),
        ("inactive", "withdrawn"),
        ("désabonné", "withdrawn"),
        ("subscribed, then unsubscribed", "withdrawn"),
        ("STOP", "withdrawn"),
        ("non abonné", "never_asked"),
        ("objected", "objected"),
        ("complained", "complained"),
        ("refused", "refused"),
        ("cleaned", "undeliverable"),
        ("bounced", "undeliverable"),
        ("never asked", "never_asked"),
    ],
)
def test_it_never_permits_by_a_status_that_is_no_yes(file, topic, status, expected):
    brought_in(file(f"a@example.org,,{status},product-news,email,,,,"))
    assert reason("a@example.org", topic) == expected
    assert list(replay.differences()) == []


@pytest.mark.parametrize("status", ["blocklisted", "suppressed"])
def test_it_keeps_of_a_suppressed_address_only_its_fingerprint(file, topic, status):
    make.granted(make.contact("ada@example.org"), topic)
    batch = brought_in(
        file(
            f"ada@example.org,,{status},product-news,email,2025-01-02,Form,Yes please,",
            f"bo@example.org,+33612345678,{status},,,,,,",
            YES.format(email="bo@example.org"),
        )
    )
    assert reason("ada@example.org", topic) == "suppressed"
    assert (batch.stops, batch.contacts, batch.refused) == (2, 1, 1)
    assert refusals(batch)[4] == "This address is suppressed; only the person can say yes again."
    assert sorted(Suppression.objects.values_list("channel", flat=True)) == [
        "email",
        "email",
        "sms",
    ]


def test_it_takes_a_list_of_suppressions_alone(file, topic, capsys):
    path = file("ada@example.org,Ada,", ",Bo,06 12 34 56 78", header="E-mail,Prénom,Téléphone")
    call_command("import_contacts", str(path), "--suppressions", "--region", "FR")
    assert "2 stops" in capsys.readouterr().out
    assert not Contact.objects.exists()
    assert not ConsentEvent.objects.exists()
    assert {
        (each.channel, bytes(each.fingerprint), each.cause) for each in Suppression.objects.all()
    } == {
        ("email", addresses.fingerprint("ada@example.org"), "listed"),
        ("sms", addresses.fingerprint("+33612345678"), "listed"),
    }


def test_it_takes_evidence_tag_and_list_by_command(file, tmp_path):
    form = tmp_path / "form.pdf"
    form.write_bytes(b"%PDF-1.7")
    StaticList.objects.create(name="Fair")
    path = str(file(YES.format(email="ada@example.org")))
    call_command(
        "import_contacts", path, "--evidence", str(form), "--tag", "fair", "--list", "Fair"
    )
    assert StaticList.objects.get().contacts.get().tags.get().name == "fair"
    assert bytes(ImportBatch.objects.get().evidence.content) == b"%PDF-1.7"
    for wrong in (
        ["--list", "Nobody"],
        ["--evidence", str(tmp_path / "no.pdf")],
        ["--map", "no such=email"],
    ):
        with pytest.raises(CommandError):
            call_command("import_contacts", path, *wrong)
    assert ImportBatch.objects.count() == 1


def test_it_stops_everything_when_no_topic_is_named(file, topic):
    brought_in(file("a@example.org,2025-01-02", header="Email Address,UNSUB_TIME"))
    assert reason("a@example.org", topic) == "withdrawn"
    assert reason("a@example.org", make.topic("offers")) == "withdrawn"
    assert Suppression.objects.get().topic is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("unsubscribed_members_export_1f2.csv", "withdrawn"),
        ("cleaned_members_export_1f2.csv", "undeliverable"),
        ("subscribed_members_export_1f2.csv", "claimed"),
    ],
)
def test_it_reads_the_status_in_the_name_of_the_file(file, topic, name, expected):
    header = (
        '"Email Address","First Name","Last Name",MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,'
        "CONFIRM_IP,LEID,TAGS"
    )
    row = 'a@example.org,Ada,Martin,2,,,"2024-05-06 07:08:09",203.0.113.77,123,"""book club"",vip"'
    brought_in(file(row, header=header, name=name), topic=topic)
    assert reason("a@example.org", topic) == expected
    ada = Contact.objects.get()
    assert set(ada.tags.values_list("name", flat=True)) == {"book-club", "vip"}


def test_it_weakens_by_a_no_from_before_but_not_after_a_fresh_yes(file, topic):
    ada, bo = make.contact("ada@example.org"), make.contact("bo@example.org")
    make.given_elsewhere(bo, topic)
    make.granted(ada, topic)
    rows = [
        f"{name}@example.org,,unsubscribed,product-news,email,,,,2025-06-01"
        for name in ("ada", "bo")
    ]
    batch = brought_in(file(*rows))
    assert (batch.stops, batch.unchanged) == (1, 1)
    assert reason("ada@example.org", topic) == ""
    assert reason("bo@example.org", topic) == "withdrawn"


def test_it_stops_even_a_fresh_yes_when_the_no_has_no_date(file, topic):
    make.granted(make.contact("ada@example.org"), topic)
    brought_in(file(NO.format(email="ada@example.org")))
    assert reason("ada@example.org", topic) == "withdrawn"


def is_suppressed(contact, _topic):
    ledger.suppress(
        channel=Channel.EMAIL,
        fingerprint=bytes(contact.addresses.get().fingerprint),
        topic=None,
        cause=Suppression.Cause.STAFF,
        since=datetime(2020, 1, 1, tzinfo=UTC),
    )


def leaves_the_address(contact, topic):
    withdraws(contact, topic)
    contacts.change_address(contact=contact, channel=Channel.EMAIL, address="new@example.org")


@pytest.mark.parametrize(
    "says_no", [withdraws, objects, refuses, is_suppressed, leaves_the_address]
)
@pytest.mark.parametrize("status", ["subscribed", "pending", "granted"])
def test_it_never_brings_back_a_no(file, topic, says_no, status):
    says_no(make.contact("cy@example.org"), topic)
    batch = brought_in(file(YES.format(email="cy@example.org").replace("subscribed", status)))
    assert reason("cy@example.org", topic) != ""
    assert batch.grants == batch.requests == 0
    assert "only" in refusals(batch)[2]
    assert not ConsentEvent.objects.filter(
        kind__in=["given", "requested"], method="import"
    ).exists()


def test_it_keeps_a_no_of_the_same_file_whatever_the_order(file, topic):
    yes, no = YES.format(email="cy@example.org"), NO.format(email="cy@example.org")
    brought_in(file(yes, no, yes, name="1.csv"))
    assert reason("cy@example.org", topic) == "withdrawn"
    yes, no = YES.format(email="di@example.org"), NO.format(email="di@example.org")
    brought_in(file(no, yes, name="2.csv"))
    assert reason("di@example.org", topic) == "withdrawn"
    assert list(replay.differences()) == []


def test_it_adds_nothing_when_the_same_file_comes_again(topic):
    make.topic("offers")
    make.topic("events")
    brought_in(CONTACTS)
    events, suppressions = ConsentEvent.objects.count(), Suppression.objects.count()
    again = brought_in(CONTACTS)
    assert (again.contacts, again.grants, again.stops) == (0, 0, 0)
    assert (ConsentEvent.objects.count(), Suppression.objects.count()) == (events, suppressions)


def test_it_turns_a_claim_into_permission_when_the_evidence_comes(file, topic):
    brought_in(file("a@example.org,,subscribed,product-news,email,,,,", name="1.csv"))
    brought_in(file(YES.format(email="a@example.org"), name="2.csv"))
    assert reason("a@example.org", topic) == ""
    assert list(replay.differences()) == []


def test_it_does_not_renew_what_has_ended(file, topic):
    ada = make.contact("a@example.org")
    make.given_elsewhere(ada, topic)
    ledger.record(
        contact=ada,
        topic=topic,
        channel=Channel.EMAIL,
        kind=Kind.REVOKED,
        method=Method.STAFF,
        actor=ledger.SYSTEM,
    )
    assert brought_in(file(YES.format(email="a@example.org"))).unchanged == 1
    assert reason("a@example.org", topic) == "revoked"


def _say_no(file, row, header=HEADER, name="people.csv", **declared):
    batch = brought_in(file(row, header=header, name=name), **declared)
    return refusals(batch).get(2, "")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("ada@example.org,(555) 123,unsubscribed,,,,,,", "The phone number was left out."),
        ("ada@example.org,,unsubscribed,,,,,,03/04/2025", "Only the no was taken."),
        ("ada@example.org,,unsubscribed,,,,,,Jan 2nd", "Only the no was taken."),
        ("ada@example.org,,unsubscribed,,,,,,2999-01-02", "Only the no was taken."),
        ("ada@example.org,,,,,,,,yesterday", "Only the no was taken."),
        ("ada@example.org,,maybe,,,,,,2024-01-02", "Only the no was taken."),
        ("ada@example.org,,blocklisted,,,,,,Jan 2nd", "Only the no was taken."),
        ("ada@example.org,,complained,,,,,,Jan 2nd", "Only the no was taken."),
        ("ada@example.org,,unsubscribed,product-news,pigeon,,,,", "Only the no was taken."),
        ("ada@example.org,,Opt-out (manual),,,,,,", ""),
    ],
)
def test_it_takes_a_no_though_the_rest_of_its_row_cannot_be_taken(file, topic, row, why):
    make.granted(make.contact("ada@example.org"), topic)
    assert _say_no(file, row).startswith(why)
    assert reason("ada@example.org", topic) != ""
    assert list(replay.differences()) == []


def test_it_takes_a_no_of_a_row_with_a_cell_too_many_in_a_file_of_noes(file, topic):
    make.granted(make.contact("ada@example.org"), topic)
    why = _say_no(
        file, "ada@example.org,Ada,more", header="email,name", name="unsubscribed_members.csv"
    )
    assert "This row has 3 cells" in why
    assert reason("ada@example.org", topic) == "withdrawn"


@pytest.mark.parametrize("held", ["+33612345678", "+33612345679"])
def test_it_takes_a_no_of_a_row_that_names_two_people_or_another_address(file, topic, held):
    make.granted(make.contact("ada@example.org", phone="+33612345670"), topic)
    make.contact("", phone=held)
    why = _say_no(file, "ada@example.org,+33612345678,unsubscribed,,,,,,")
    assert why.startswith("Only the no was taken.")
    assert reason("ada@example.org", topic) == "suppressed"


def test_it_takes_no_for_a_no_what_says_none(file, topic):
    make.granted(make.contact("ada@example.org"), topic)
    header = f"{HEADER},opted out"
    for row in (
        "ada@example.org,,subscribed,,,,,,0000-00-00 00:00:00,no",
        "ada@example.org,,maybe,,,,,,,no",
        "ada@example.org,,maybe,,,,,,0000-00-00,0",
        "ada@example.org,,refused,no-such,,,,,Jan 2nd,",
        "ada@example.org,,unsubscribed,no-such,,,,,,",
    ):
        _say_no(file, row, header=header)
        assert reason("ada@example.org", topic) == "", row


def test_it_hears_the_one_of_several_columns_that_says_no(file, topic):
    make.granted(make.contact("ada@example.org"), topic)
    _say_no(
        file,
        "ada@example.org,FALSE,,TRUE",
        header="Email,Unsubscribed from all email,Opted out of email: One to One,"
        "Opted out of email: Marketing Information",
    )
    assert reason("ada@example.org", topic) == "withdrawn"


EVIDENCE = {"occurred_at": "2024-05-01", "wording": "Yes please"}


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("email,consent,status", "yes,unsubscribed", "withdrawn"),
        ("email,status,consent", "unsubscribed,yes", "withdrawn"),
        ("email,status,consent", "pending,yes", "pending"),
        ("email,status,consent", "yes,no", "never_asked"),
        ("email,status,consent", "maybe,complained", "complained"),
        ("email,unsubscribed at,unsub time", "0000-00-00,2024-06-01", "withdrawn"),
        ("email,status,consent", "yes,subscribed", ""),
    ],
)
def test_it_mails_nobody_of_whom_one_of_several_columns_says_no(file, topic, header, row, expected):
    path = file(f"ada@example.org,{row}", header=header)
    brought_in(path, topic="product-news", source="Form", declared=EVIDENCE)
    assert reason("ada@example.org", topic) == expected


@pytest.mark.parametrize(
    ("declared", "row", "expected"),
    [
        ("unsubscribed", "active", "withdrawn"),
        ("unsubscribed", "complained", "complained"),
        ("pending", "active", ""),
    ],
)
def test_it_takes_a_no_declared_of_the_whole_file_before_a_yes_of_the_row(
    file, topic, declared, row, expected
):
    path = file(f"ada@example.org,{row}", header="email,status")
    brought_in(path, topic="product-news", source="Form", declared=EVIDENCE | {"status": declared})
    assert reason("ada@example.org", topic) == expected


@pytest.mark.parametrize(
    "written",
    [
        "Ada Martin <ada@example.org>",
        '"""ada@example.org"" <ada@example.org>;"',
        "mailto:ada@example.org",
        "<mailto:ada@example.org>",
        "'ada@example.org'",
        "(ada@example.org).",
        "ada@example.org;",
        "\ufeffad\u200ba@example.org",
    ],
)
def test_it_takes_a_no_whatever_stands_around_the_address(file, topic, written):
    make.granted(make.contact("ada@example.org"), topic)
    assert _say_no(file, f"{written},unsubscribed", header="email,status") == ""
    assert reason("ada@example.org", topic) == "withdrawn"


@pytest.mark.parametrize(
    "written", ["not ada@example.org", "bo@example.org;ada@example.org", "a" * 600 + ";" * 600]
)
def test_it_guesses_no_address_out_of_more_than_one_word(file, topic, written):
    make.granted(make.contact("ada@example.org"), topic)
    assert "complete email address" in _say_no(
        file, f"{written},unsubscribed", header="email,status"
    )
    assert reason("ada@example.org", topic) == ""


JUNK = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=12)
SAYS_NO = st.sampled_from(
    ["unsubscribed", "Désabonné", "objected", "spam", "blocklisted", "Opt-out by staff"]
)


@given(status=SAYS_NO, cells=st.lists(JUNK, min_size=5, max_size=5))
@settings(
    max_examples=60,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_it_mails_nobody_who_said_no_in_a_file_whatever_else_it_says(
    tmp_path, topic, status, cells
):
    with transaction.atomic():
        make.granted(make.contact("ada@example.org"), topic)
        path = tmp_path / "junk.csv"
        with path.open("w", encoding="utf-8", newline="") as text:
            table = csv.writer(text)
            table.writerow("email status name phone language consent_date created_at".split())
            table.writerow(["ada@example.org", status, *cells])
        mapped = dict(
            zip(
                "email status name phone language consent_date created_at".split(),
                "email status name phone language stopped_at created_at".split(),
                strict=True,
            )
        )
        imports.run(imports.start(path=path, mapping=mapped))
        # What they said of a moment before their fresh yes does not count.
        permission = Permission.objects.filter(topic=topic, state="granted").first()
        if (
            permission
            and not gate.explain(contact=permission.contact, topic=topic, channel="email").reason
        ):
            assert ConsentEvent.objects.filter(kind="given").count() == 1
            assert imports.moments.moment(cells[3].strip()) < permission.fresh_at
        transaction.set_rollback(True)


@pytest.mark.parametrize("mark", ["✓", "да", "x", "Yes", "2024-05-06"])
def test_it_takes_any_mark_in_a_column_of_noes_for_a_no(file, topic, mark):
    make.granted(make.contact("ada@example.org"), topic)
    brought_in(file(f"ada@example.org,{mark}", header="email,unsubscribed"))
    assert reason("ada@example.org", topic) == "withdrawn"


@pytest.mark.parametrize("column", ["unsubscribed", "unsubscribed at"])
@pytest.mark.parametrize(
    "empty", ["FAUX", "NULL", "n/a", "-", "0", "0001-01-01T00:00:00Z", "0000-00-00 00:00:00"]
)
def test_it_takes_a_cell_that_says_never_for_no_no(file, topic, column, empty):
    make.granted(make.contact("ada@example.org"), topic)
    batch = brought_in(file(f"ada@example.org,{empty}", header=f"email,{column}"))
    assert (reason("ada@example.org", topic), batch.refused) == ("", 0)


def test_it_takes_a_no_to_those_of_its_topics_that_there_are(file, topic):
    offers = make.topic("offers")
    contact = make.contact("ada@example.org")
    make.granted(contact, topic)
    make.granted(contact, offers)
    why = _say_no(file, "ada@example.org,,unsubscribed,product-news;old-list,,,,,")
    assert "old-list" in why
    assert reason("ada@example.org", topic) == "withdrawn"
    assert reason("ada@example.org", offers) == ""


def test_it_takes_a_no_to_texts_beside_one_to_a_topic_that_is_not_here(file):
    topic = make.topic("offers")
    contact = make.contact("ada@example.org", phone="+33612345678")
    make.granted(contact, topic, channel=Channel.SMS)
    row = "ada@example.org,+33612345678,unsubscribed,old-list,,,,,,yes"
    _say_no(file, row, header=f"{HEADER},sms unsubscribed")
    assert reason("ada@example.org", topic, Channel.SMS) == "withdrawn"


@pytest.mark.parametrize("email", ["ada@bad", "ada", ""])
def test_it_takes_a_no_by_the_number_when_the_address_is_none(file, email):
    topic = make.topic("offers")
    make.granted(make.contact("ada@example.org", phone="+33612345678"), topic, channel=Channel.SMS)
    _say_no(file, f"{email},+33612345678,unsubscribed,,,,,,")
    assert reason("ada@example.org", topic, Channel.SMS) == "withdrawn"


def test_it_erases_a_refused_row_with_whichever_of_its_people_asks(file):
    for asked in ("+33612345678", "ada@example.org"):
        make.contact("ada@example.org")
        make.contact("", phone="+33612345678")
        batch = brought_in(file(f"ada@example.org,+33612345678,,,,,{asked},,"))
        assert batch.refused == 1
        channel = Channel.EMAIL if "@" in asked else Channel.SMS
        rights.erase(contact=contacts.find_contact(channel=channel, address=asked))
        assert not RefusedRow.objects.exists()
        for contact in Contact.objects.filter(erased_at=None):
            rights.erase(contact=contact)
