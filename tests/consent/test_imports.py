"""Imports: what a file can and cannot do, however it is written and whenever it is killed."""

import csv
import io
import os
import signal
import subprocess
import sys
import threading
import time
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from django.conf import settings as product
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from config import keys
from config.quickstart.story import CONTACTS
from consent import gate, imports, leaf, ledger, replay, sealing, services, verification
from consent.imports import mapping
from consent.models import (
    ConsentEvent,
    ConsentEvidence,
    ImportBatch,
    Kind,
    Method,
    Permission,
    RefusedRow,
    Suppression,
    Topic,
)
from contacts import addresses
from contacts import services as contacts
from contacts.models import Channel, Contact, DataField, StaticList
from tests import make

pytestmark = pytest.mark.django_db

WORDS = "Yes, send me product news by email."
HEADER = "email,phone,status,topic,channel,consent date,source,wording,unsubscribed at"
YES = "{email},,subscribed,product-news,email,2025-01-02,Sign-up form,Yes please,"
NO = "{email},,unsubscribed,product-news,email,,,,"


@pytest.fixture(autouse=True)
def topic():
    return make.topic()


@pytest.fixture
def file(tmp_path):
    def write(*lines, header=HEADER, encoding="utf-8", name="people.csv"):
        path = tmp_path / name
        path.write_bytes("\n".join([header, *lines, ""]).encode(encoding))
        return path

    return write


def brought_in(path, **declared):
    return imports.run(imports.start(path=path, **declared))


def reason(email, topic, channel=Channel.EMAIL):
    contact = contacts.find_contact(channel=Channel.EMAIL, address=email)
    return gate.explain(contact=contact, topic=topic, channel=channel).reason


def refusals(batch):
    return {row.line: str(row.reason) for row in batch.refused_rows.all()}


# What counts as a yes


def test_it_permits_with_date_source_and_words(file, topic):
    batch = brought_in(file(YES.format(email="Ada@Example.org")))
    event = ConsentEvent.objects.get()
    assert reason("ada@example.org", topic) == ""
    assert (batch.contacts, batch.grants, batch.refused) == (1, 1, 0)
    assert (event.kind, event.method, event.actor_role) == ("given", "import", "staff")
    assert event.occurred_at == datetime(2025, 1, 2, tzinfo=UTC)
    assert event.evidence.details == {
        "import": str(batch.pk),
        "line": "2",
        "source": "Sign-up form",
        "wording": "Yes please",
        "address": str(event.evidence.details["address"]),
        "fingerprint": addresses.fingerprint("ada@example.org").hex(),
    }
    assert bytes(event.commitment) == leaf.commitment(
        bytes(event.evidence.nonce), event.evidence.details
    )


def test_it_names_the_published_words_when_the_row_shows_them(file, topic):
    words = make.wording(topic)
    brought_in(
        file(f'a@example.org,,subscribed,product-news,email,2025-01-02,Form,"{words.text}",'),
    )
    event = ConsentEvent.objects.get()
    assert event.wording == words
    permission = Permission.objects.get()
    assert permission.valid_until == event.occurred_at + words.valid_for
    assert permission.wording == words
    assert list(replay.differences()) == []


@pytest.mark.parametrize(
    "row",
    [
        "a@example.org,,subscribed,product-news,email,,Sign-up form,Yes please,",
        "a@example.org,,subscribed,product-news,email,2025-01-02,,Yes please,",
        "a@example.org,,subscribed,product-news,email,2025-01-02,Sign-up form,,",
        "a@example.org,,subscribed,product-news,email,,,,",
    ],
)
def test_it_takes_a_yes_without_all_its_evidence_for_a_claim(file, topic, row):
    assert brought_in(file(row)).claims == 1
    assert reason("a@example.org", topic) == "claimed"


def test_it_permits_by_evidence_declared_for_the_whole_file(file, topic):
    path = file("a@example.org", "b@example.org", header="email")
    batch = brought_in(
        path,
        topic=topic,
        source="Paper cards, Lyon book fair, box 3",
        declared={"occurred_at": "2025-03-08", "wording": WORDS, "channel": "email"},
    )
    assert batch.grants == 2
    assert reason("b@example.org", topic) == ""
    details = ConsentEvidence.objects.order_by("pk").last().details
    assert details["source"] == "Paper cards, Lyon book fair, box 3"


def test_it_takes_people_without_a_word_of_consent_as_never_asked(file, topic):
    batch = brought_in(file("a@example.org,Ada", header="email,first name"), topic=topic)
    assert (batch.contacts, batch.grants, batch.claims) == (1, 0, 0)
    assert reason("a@example.org", topic) == "never_asked"


def test_it_grants_several_topics_and_channels_of_one_row(file, topic):
    offers = make.topic("offers")
    batch = brought_in(
        file("a@example.org,+33612345678,yes,product-news|offers,email;sms,2025-01-02,F,Words,")
    )
    assert batch.grants == 4
    assert reason("a@example.org", offers, Channel.SMS) == ""


def test_it_waits_for_the_person_when_the_file_says_pending(file, topic):
    batch = brought_in(file("a@example.org,,pending,product-news,email,2025-01-02,Form,Words,"))
    assert (batch.requests, batch.grants) == (1, 0)
    assert reason("a@example.org", topic) == "pending"


def test_it_refuses_bought_lists(file):
    with pytest.raises(imports.BoughtList):
        imports.start(path=file("a@example.org"), declared={"acquisition": "bought"})


# What counts as a no


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("unsubscribed", "withdrawn"),
        ("Opt-out", "withdrawn"),
        ("inactive", "withdrawn"),
        ("désabonné", "withdrawn"),
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
    for wrong in (["--list", "Nobody"], ["--evidence", str(tmp_path / "no.pdf")]):
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


# Opt-out wins


def withdraws(contact, topic):
    make.granted(contact, topic)
    make.withdrawn(contact, topic)


def objects(contact, _topic):
    services.object_to_everything(contact=contact, method=Method.STOP_PAGE)


def refuses(contact, topic):
    ledger.record(
        contact=contact,
        topic=topic,
        channel=Channel.EMAIL,
        kind=Kind.REFUSED,
        method=Method.PREFERENCES,
        actor=ledger.SUBJECT,
    )


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


# People


def test_it_completes_known_people_and_replaces_no_address(file, topic):
    make.field("city")
    ada = make.contact("ada@example.org", phone="+33612345678", attributes={"city": "Lyon"})
    path = file(
        "ada@example.org,+33612345679,Ada,fr,Paris",
        "ada@example.org,,Ada,fr,Paris",
        header="email,phone,first name,language,city",
    )
    batch = brought_in(path)
    ada.refresh_from_db()
    assert refusals(batch) == {
        2: "This person has another address on this channel; a file does not replace it."
    }
    assert (ada.language, ada.attributes, ada.identity.first_name) == (
        "fr",
        {"city": "Paris"},
        "Ada",
    )
    assert ada.identity.phone == "+33612345678"
    assert (batch.contacts, batch.known) == (0, 1)


def test_it_refuses_a_row_about_two_people(file):
    make.contact("ada@example.org")
    make.contact("bo@example.org", phone="+33612345678")
    batch = brought_in(file("ada@example.org,+33612345678", header="email,phone"))
    assert "two different people" in refusals(batch)[2]


def test_it_joins_the_rows_of_one_person(file):
    batch = brought_in(
        file(
            "ada@example.org,,Ada",
            "ADA@example.org,+33612345678,",
            ",+33612345678,Ada Martin",
            header="email,phone,first name",
        )
    )
    assert batch.contacts == 1
    assert Contact.objects.get().addresses.count() == 2


def test_it_notes_the_fields_that_a_run_writes_and_none_for_a_draft(file):
    make.field("city")
    make.field("plan")
    batch = imports.start(path=file("ada@example.org,Lyon", header="email,city"))
    assert not DataField.objects.exclude(used_in_import_at=None).exists()
    imports.run(batch)
    assert [field.key for field in DataField.objects.exclude(used_in_import_at=None)] == ["city"]


def test_it_keeps_registered_fields_only(file, topic):
    make.field("plan", DataField.Type.CHOICE, choices=["free", "pro"])
    make.field("age", DataField.Type.NUMBER)
    batch = brought_in(
        file(
            "a@example.org,pro,44,Paris",
            "b@example.org,gold,44,Paris",
            "c@example.org,,,",
            header="email,Plan,Age,City",
        )
    )
    assert Contact.objects.get(attributes__plan="pro").attributes == {"plan": "pro", "age": 44}
    assert refusals(batch) == {3: "“gold” does not fit the field “Plan” (choice)."}
    assert batch.mapping["City"] == ""


def test_it_drops_values_whose_use_is_not_permitted(file):
    use = make.topic("remember-city", use=Topic.Use.DATA, offers_email=False, offers_sms=False)
    make.field("city", basis=DataField.Basis.CONSENT, topic_key=use.key)
    brought_in(
        file(
            "a@example.org,Lyon,,,,",
            "b@example.org,Lyon,remember-city,2025-01-02,Form,Remember my city",
            header="email,city,topic,consent date,source,wording",
        )
    )
    assert [contact.attributes for contact in Contact.objects.order_by("pk")] == [
        {},
        {"city": "Lyon"},
    ]


# Files


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
    }
    assert batch.grants == 2
    assert batch.refused_rows.get(line=3).row == ["b@example.org", "", "yes"]
    found = batch.refused_rows.filter(fingerprint__isnull=False)
    assert set(found.values_list("line", flat=True)) == {3, 6, 7, 9, 10, 11, 12, 13, 14}
    assert bytes(found.get(line=6).fingerprint) == addresses.fingerprint("c@example.org")


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
    ],
)
def test_it_guesses_the_columns_of_usual_exports(columns, expected):
    assert list(mapping.guess(columns, []).values()) == expected


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
    assert Contact.objects.count() == 1


# The ledger


def test_it_writes_events_that_the_ledger_verifies(topic):
    make.topic("offers")
    make.topic("events")
    brought_in(CONTACTS)
    sealing.seal()
    report = verification.verify()
    assert not report.problems
    assert list(replay.differences()) == []


PEOPLE = st.sampled_from(["ada", "bo", "cy", "di"])
ROWS = st.lists(
    st.tuples(
        PEOPLE,
        st.sampled_from(["", "+33612345678", "+33612345679"]),
        st.sampled_from(
            [
                "",
                "yes",
                "pending",
                "unsubscribed",
                "objected",
                "complained",
                "refused",
                "bounced",
                "suppressed",
                "none",
            ]
        ),
        st.sampled_from(["", "product-news", "offers", "product-news;offers", "remember"]),
        st.sampled_from(["", "email", "sms", "email;sms"]),
        st.sampled_from(["", "2024-01-01", "2025-01-01", "2999-01-01"]),
        st.sampled_from(["", "Form"]),
        st.sampled_from(["", "Words", WORDS]),
        st.sampled_from(["", "2024-06-01"]),
    ),
    min_size=1,
    max_size=12,
)
LIVE = st.lists(st.tuples(PEOPLE, st.sampled_from([withdraws, objects, refuses])), max_size=3)


@given(first=ROWS, live=LIVE, second=ROWS, batch_rows=st.integers(1, 5))
@settings(
    max_examples=30,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_it_leaves_what_a_replay_gives_and_permits_nobody_who_said_no(
    tmp_path, topic, first, live, second, batch_rows
):
    with transaction.atomic():
        offers = make.topic("offers")
        make.topic("remember", use=Topic.Use.DATA, offers_email=False, offers_sms=False)
        _import_rows(tmp_path / "1.csv", first, batch_rows)
        for name, act in live:
            contact = contacts.find_contact(channel="email", address=f"{name}@example.org")
            if contact:
                act(contact, topic)
        stopped = [
            (contact, each)
            for contact in Contact.objects.all()
            for each in (topic, offers)
            if Permission.objects.filter(
                contact=contact, topic__in=[each], channel="email", stopped=True
            ).exists()
            or (
                Permission.objects.filter(
                    contact=contact, topic=None, channel="email", stopped=True
                ).exists()
                and gate.explain(contact=contact, topic=each, channel="email").reason
            )
        ]
        _import_rows(tmp_path / "2.csv", second, batch_rows)
        assert list(replay.differences()) == []
        for contact, each in stopped:
            assert gate.explain(contact=contact, topic=each, channel="email").reason
        transaction.set_rollback(True)


def _import_rows(path, rows, batch_rows):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADER.split(","))
    writer.writerows((f"{name}@example.org", *rest) for name, *rest in rows)
    path.write_text(text.getvalue())
    imports.run(imports.start(path=path), batch_rows=batch_rows)


# A no is taken, whatever else of its row is not


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


JUNK = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00"), max_size=12)
SAYS_NO = st.sampled_from(
    ["unsubscribed", "Désabonné", "objected", "spam", "blocklisted", "Opt-out by staff"]
)


@given(status=SAYS_NO, cells=st.lists(JUNK, min_size=5, max_size=5))
@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
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
            assert imports.values.moment(cells[3].strip()) < permission.fresh_at
        transaction.set_rollback(True)


# Kills, races, locks


def many(count):
    return [YES.format(email=f"person{number}@example.org") for number in range(count)]


@pytest.mark.django_db(transaction=True)
def test_it_goes_on_without_doubling_when_it_was_killed(file, topic):
    batch = imports.start(path=file(*many(5000), "broken"))
    code = (
        "import django; django.setup()\n"
        "from consent import imports; from consent.models import ImportBatch\n"
        f"imports.run(ImportBatch.objects.get(pk={batch.pk}), batch_rows=50,\n"
        "    progress=lambda b: print(b.rows, flush=True))"
    )
    environment = os.environ | _environment()
    child = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
    for _line in range(10):
        child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    batch.refresh_from_db()
    assert batch.state == "running"
    assert 500 <= batch.rows < 5001
    assert Contact.objects.count() == batch.rows
    _wait_until_lock_is_free(batch)
    imports.run(batch)
    assert (batch.rows, batch.contacts, batch.grants, batch.refused) == (5001, 5000, 5000, 1)
    assert Contact.objects.count() == ConsentEvent.objects.count() == 5000


def _environment():
    """This test's database and keys, for a process of its own."""
    at = connection.settings_dict
    login = f"{at['USER']}:{at['PASSWORD']}@:{at['PORT'] or 5432}"
    rings = {
        keys.RINGS[ring]: ",".join(
            f"{name}:{b64encode(key).decode()}" for name, key in held.items()
        )
        for ring, held in product.ASSENT_KEYS.items()
    }
    return rings | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": f"postgresql://{login}/{at['NAME']}?host={at['HOST'].replace('/', '%2F')}",
        "SECRET_KEY": "of a test",
    }


def _wait_until_lock_is_free(batch):
    for _try in range(100):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s",
                [batch.pk],
            )
            if not cursor.fetchone()[0]:
                return
        time.sleep(0.05)


@pytest.mark.django_db(transaction=True)
def test_it_takes_everybody_once_when_two_imports_and_sign_ups_race(file, topic):
    lines = many(600)
    batches = [
        imports.start(path=file(*lines, name="1.csv")),
        imports.start(path=file(*reversed(lines), name="2.csv")),
    ]
    failures = []

    def work(act):
        try:
            act()
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    def sign_up():
        words = make.wording(topic)
        for number in range(0, 600, 20):
            services.request_consent(
                email=f"person{number}@example.org", wordings=[words], language="en"
            )

    make.wording(topic)
    threads = [
        threading.Thread(target=work, args=(act,))
        for act in (
            lambda: imports.run(batches[0], batch_rows=100),
            lambda: imports.run(batches[1], batch_rows=70),
            sign_up,
        )
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert Contact.objects.count() == 600
    assert list(replay.differences()) == []


@pytest.mark.django_db(transaction=True)
def test_it_lets_no_withdrawal_wait(file, topic):
    people = [make.contact(f"person{number}@example.org") for number in range(0, 4000, 100)]
    for contact in people:
        make.given_elsewhere(contact, topic)
    batch = imports.start(path=file(*many(4000)))

    def import_all():
        imports.run(batch)
        connection.close()

    thread = threading.Thread(target=import_all)
    waits = []
    thread.start()
    for contact in people:
        began = time.monotonic()
        make.withdrawn(contact, topic)
        waits.append(time.monotonic() - began)
    thread.join()
    assert sorted(waits)[-2] < 1  # one may meet a busy machine
    assert Permission.objects.filter(state="withdrawn").count() == len(people)
    assert list(replay.differences()) == []


@pytest.mark.django_db(transaction=True)
def test_it_runs_once_at_a_time(file):
    batch = imports.start(path=file("a@example.org", "b@example.org", header="email"))
    refused = []

    def again(_batch):
        def run():
            try:
                imports.run(ImportBatch.objects.get(pk=batch.pk))
            except imports.ImportRunning as error:
                refused.append(error)
            finally:
                connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()

    imports.run(batch, progress=again)
    assert len(refused) == 1
    assert Contact.objects.count() == 2


def test_it_notes_the_fields_that_come_in_the_column_of_attributes(file):
    for key in ("city", "plan", "shoe"):
        make.field(key)
    lines = [
        'ada@example.org,"{""city"": ""Lyon"", ""hat"": ""red""}"',
        'bo@example.org,"{""plan"": ""pro""}"',
        "cy@example.org,",
    ]
    brought_in(file(*lines, header="email,attributes"))
    noted = DataField.objects.exclude(used_in_import_at=None).order_by("key")
    assert [field.key for field in noted] == ["city", "plan"]
