"""Imports: what counts as a yes, what becomes of people, and that the ledger says the same."""

import csv
import io
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from config.quickstart.story import CONTACTS
from consent import gate, imports, leaf, replay, sealing, verification
from consent.models import (
    ConsentEvent,
    ConsentEvidence,
    ImportBatch,
    Permission,
    Topic,
)
from contacts import addresses
from contacts import services as contacts
from contacts.models import Channel, Contact, DataField, StaticList
from tests import make
from tests.consent.importing import (
    HEADER,
    WORDS,
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
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
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


def test_it_takes_few_rows_at_once_when_somebody_among_strangers_is_known(file):
    """Whoever is known and says no meanwhile waits for the transaction, which strangers let grow."""
    known = [YES.format(email=f"known{number}@example.org") for number in range(1200)]
    strangers = [YES.format(email=f"new{number}@example.org") for number in range(3000)]
    brought_in(file(*known))
    came = [(0, 0)]
    batch = imports.start(path=file(*strangers, *known, name="more.csv"))
    imports.run(batch, progress=lambda batch: came.append((batch.rows, batch.known)))
    steps = [(rows - r, known - k) for (r, k), (rows, known) in pairwise(came)]
    assert (batch.rows, batch.contacts, batch.known) == (4200, 3000, 1200)
    assert max(rows for rows, known in steps if known) <= 2 * imports.FIRST_ROWS


# Topics


def given_to(file, name):
    """The keys of the topics that a yes to this name was given to."""
    row = YES.format(email="ada@example.org").replace("product-news", name)
    batch = brought_in(file(row))
    return [event.topic_id for event in ConsentEvent.objects.all()], refusals(batch)


@pytest.mark.parametrize("name", ["product-news", "productnews"])
def test_it_gives_a_yes_to_the_topic_with_that_key(file, name):
    make.topic("productnews")
    assert given_to(file, name) == ([name], {})


def test_it_finds_a_topic_by_its_public_name_among_names_without_a_latin_letter(file):
    make.topic("news", public_name="Новости")
    make.topic("offers", public_name="Акции")
    assert given_to(file, "Акции") == (["offers"], {})


def test_it_refuses_a_name_that_is_like_several(file):
    make.topic("news", public_name="News+", translations={})
    make.topic("news-2", public_name="News")
    make.topic("offers", public_name="NEWS!")
    events, refused = given_to(file, "ne ws +")
    assert (events, list(refused.values())) == ([], ["There is no topic “ne ws +”."])


# Odd cells


@pytest.mark.parametrize(
    "document",
    [
        '{"likes": [{"a": 1}]}', '{"likes": [["a"]]}', '{"likes": "\\ud800"}', '{"city": "a\\ud800b"}',
        '{"city": {"a": 1}}', '{"age": 1e999}', '{"age": 1' + 400 * "0" + "}", '{"age": {}}',
        '{"is_vip": [1]}', "[1]", '"a"', "{",
    ],
)  # fmt: skip
def test_it_refuses_a_row_with_an_odd_value_and_goes_on(file, document):
    make.field("likes", "list")
    make.field("city")
    make.field("age", "number")
    make.field("is_vip", "yes_no")
    quoted = document.replace('"', '""')
    rows = (f'ada@example.org,"{quoted}"', "bo@example.org,")
    batch = brought_in(file(*rows, header="email,attributes"))
    assert (batch.state, batch.contacts, list(refusals(batch))) == ("finished", 1, [2])


def test_it_refuses_a_date_after_the_last_hour_there_is(file):
    batch = brought_in(
        file("ada@example.org,9999-12-31T23:59:59-05:00", header="email,consent date")
    )
    assert (batch.state, batch.refused) == ("finished", 1)


def test_it_permits_no_longer_than_a_replay_does_when_the_date_is_of_tomorrow(file, topic):
    words = make.wording(topic)
    at = (timezone.now() + timedelta(hours=12)).isoformat()
    brought_in(file(f'ada@example.org,,subscribed,product-news,email,{at},Form,"{words.text}",'))
    assert Permission.objects.get().valid_until
    assert list(replay.differences()) == []


def test_it_adds_nothing_to_whoever_asked_to_be_restricted(file):
    contact = make.contact("ada@example.org")
    Contact.objects.filter(pk=contact.pk).update(restricted_at=timezone.now())
    kept = StaticList.objects.create(name="Fair")
    declared = {"declared": {"tag": "fair", "list": kept.pk}}
    brought_in(file("ada@example.org,lead", header="email,tags"), **declared)
    assert (contact.tags.count(), kept.contacts.count()) == (0, 0)


def test_it_keeps_an_import_whose_going_on_was_to_be_a_dry_run(file):
    batch = imports.start(path=file(YES.format(email="ada@example.org")))
    with pytest.raises(CommandError, match="A dry run begins with a file"):
        call_command("import_contacts", "--resume", str(batch.pk), "--dry-run")
    assert ImportBatch.objects.filter(pk=batch.pk).exists()
