import hmac
import json
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from consent import leaf
from consent.leaf import EventFields, Words
from consent.models import ConsentEvent, Topic, Wording
from tests import make

GIVEN = EventFields(
    id=7,
    subject="0b5c6f1e-7c3e-4a53-9a5b-1f0a8f6f4a11",
    topic="news",
    channel="email",
    kind="given",
    basis="consent",
    method="confirmation",
    occurred_us=1_790_000_000_000_001,
    recorded_us=1_790_000_000_000_002,
    wording="ab" * 32,
    actor_role="subject",
    actor="",
    undoes=None,
    commitment=b"\x01" * 32,
)
WITHDRAWN = GIVEN._replace(
    id=8,
    topic=None,
    channel="",
    kind="withdrawn",
    basis="",
    method="",
    wording=None,
    actor="staff-3",
    undoes=7,
)

lines = st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1).filter(
    lambda text: text not in ("*", "-")
)
events = st.builds(
    EventFields,
    id=st.integers(1),
    subject=st.uuids().map(str),
    topic=st.none() | lines,
    channel=st.just("") | lines,
    kind=lines,
    basis=st.just("") | lines,
    method=st.just("") | lines,
    occurred_us=st.integers(0, 2**55),
    recorded_us=st.integers(0, 2**55),
    wording=st.none() | lines,
    actor_role=lines,
    actor=st.just("") | lines,
    undoes=st.none() | st.integers(1),
    commitment=st.binary(min_size=32, max_size=32),
)


def test_it_writes_each_field_on_its_line():
    assert GIVEN.text() == "\n".join(
        [
            "assent-event-v1",
            "7",
            "0b5c6f1e-7c3e-4a53-9a5b-1f0a8f6f4a11",
            "news",
            "email",
            "given",
            "consent",
            "confirmation",
            "1790000000000001",
            "1790000000000002",
            "ab" * 32,
            "subject",
            "-",
            "-",
            "01" * 32,
        ]
    )


def test_it_writes_signs_for_everything_and_nothing():
    text = WITHDRAWN.text().split("\n")

    assert text[3:8] == ["*", "*", "withdrawn", "-", "-"]
    assert text[10:14] == ["-", "subject", "staff-3", "7"]


@given(event=events)
def test_the_bulk_path_gives_the_leaf_of_each_event(event):
    expected = sha256(b"\x00" + event.text().encode()).digest()

    assert leaf.leaves([event, event]) == [expected, expected]
    assert event.leaf() == expected


@given(event=events, other=events)
def test_different_events_have_different_texts(event, other):
    assert (event == other) == (event.text() == other.text())
    assert event.text().count("\n") == 14


@pytest.mark.parametrize("field", ["topic", "channel", "basis", "method", "wording", "actor"])
@pytest.mark.parametrize("value", ["*", "-", "two\nlines"])
def test_it_refuses_a_text_when_it_could_be_mistaken(field, value):
    bent = EventFields(**GIVEN._asdict() | {field: value})

    with pytest.raises(leaf.MalformedEvent, match="cannot stand"):
        bent.text()
    assert leaf.leaves([GIVEN, bent]) == [GIVEN.leaf(), b""]


@pytest.mark.parametrize("field", ["topic", "kind", "wording", "actor_role"])
def test_it_refuses_an_empty_text_when_the_field_needs_one(field):
    with pytest.raises(leaf.MalformedEvent):
        EventFields(**GIVEN._asdict() | {field: ""}).text()


@given(at=st.datetimes(datetime(1950, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_times_keep_every_microsecond(at):
    assert leaf.moment(leaf.microseconds(at)) == at


def test_a_time_is_the_same_in_every_time_zone():
    at = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)

    assert leaf.microseconds(at.astimezone(timezone(timedelta(hours=5)))) == leaf.microseconds(at)


def test_the_commitment_is_the_hmac_of_canonical_json():
    nonce = bytes(range(32))
    message = '{"form":"Été","ip":"192.0.2.0"}'.encode()

    found = leaf.commitment(nonce, {"ip": "192.0.2.0", "form": "Été"})

    assert found == hmac.new(nonce, message, "sha256").digest()


@given(
    st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
)
def test_canonical_details_read_back_the_same(details):
    assert json.loads(leaf.canonical_details(details)) == details
    assert leaf.canonical_details(dict(reversed(details.items()))) == leaf.canonical_details(
        details
    )


@pytest.mark.parametrize(
    "details", [{"age": 3}, {3: "age"}, {"a": {}}, {"a": None}, {"a": "\ud800"}]
)
def test_it_refuses_details_when_they_are_not_texts(details):
    with pytest.raises(leaf.MalformedDetails, match="strings to strings"):
        leaf.canonical_details(details)


@pytest.mark.parametrize("nonce", [b"", bytes(31), bytes(33)])
def test_it_refuses_a_nonce_when_it_is_not_32_bytes(nonce):
    with pytest.raises(ValueError, match="32 bytes"):
        leaf.commitment(nonce, {})


def test_words_have_the_digest_that_their_wording_has():
    words = Words("news", "email", "fr", 2, "Écrivez-moi “chaque” jeudi.")
    wording = Wording(
        topic=Topic(key="news"), channel="email", language="fr", version=2, text=words.text
    )

    assert words.digest() == wording.compute_digest()


def test_an_event_knows_its_times():
    assert GIVEN.occurred_at == datetime(2026, 9, 21, 14, 13, 20, 1, tzinfo=UTC)
    assert GIVEN.recorded_at - GIVEN.occurred_at == timedelta(microseconds=1)


SELECT = """
    SELECT id, subject::text, topic_key, channel, kind, basis, method,
           (extract(epoch FROM occurred_at) * 1000000)::bigint,
           (extract(epoch FROM recorded_at) * 1000000)::bigint,
           wording_digest, actor_role, actor, undoes_id, commitment, leaf
      FROM consent_consentevent ORDER BY id
"""


@pytest.mark.django_db
def test_the_database_computes_the_same_leaves():
    ada = make.contact(language="fr")
    make.granted(ada, make.topic())
    yes = ConsentEvent.objects.latest("id")
    ConsentEvent.objects.create(
        subject=ada.subject,
        kind="withdrawn",
        actor_role="staff",
        actor="staff-é",
        commitment=b"\1" * 32,
    )
    ConsentEvent.objects.create(
        subject=ada.subject,
        topic=yes.topic,
        channel="email",
        kind="undone",
        actor_role="subject",
        undoes=yes,
        occurred_at=datetime(2001, 2, 3, 4, 5, 6, 7, tzinfo=UTC),
        commitment=b"\2" * 32,
    )

    with connection.cursor() as cursor:
        cursor.execute(SELECT)
        rows = cursor.fetchall()

    assert len(rows) >= 3
    assert leaf.leaves(EventFields(*row[:14]) for row in rows) == [bytes(row[14]) for row in rows]
