from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import signing
from consent.signing import Checkpoint, Signature, SigningKey

# RFC 8032 §7.1, test 1.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")

OLD = SigningKey("k1", SEED)
NEW = SigningKey("k2", bytes(range(32)))
KEYS = {"k1": OLD.public(), "k2": NEW.public()}
FIRST = Checkpoint(
    origin="assent.example/ledger",
    size=3,
    root=b"\x07" * 32,
    previous=None,
    created_at=datetime(2026, 11, 23, 17, 0, 0, 5, tzinfo=UTC),
)
SECOND = replace(FIRST, size=9, root=b"\x08" * 32, previous=FIRST.digest())

checkpoints = st.builds(
    Checkpoint,
    origin=st.from_regex(r"[a-z0-9./-]+", fullmatch=True),
    size=st.integers(0, 2**63),
    root=st.binary(min_size=32, max_size=32),
    previous=st.none() | st.binary(min_size=32, max_size=32),
    created_at=st.datetimes(datetime(2020, 1, 1), timezones=st.just(UTC)),
)


def test_a_seed_gives_the_published_public_key():
    assert OLD.public() == PUBLIC


def test_the_text_has_one_line_each():
    root, previous = b64encode(SECOND.root).decode(), b64encode(FIRST.digest()).decode()

    assert SECOND.text().decode() == (
        f"assent.example/ledger\n9\n{root}\n"
        f"previous {previous}\ncreated 2026-11-23T17:00:00.000005Z\n"
    )
    assert SECOND.digest() == sha256(SECOND.text()).digest()


def test_the_first_checkpoint_has_no_previous_one():
    assert b"\nprevious -\n" in FIRST.text()


def test_the_text_is_the_same_in_every_time_zone():
    elsewhere = FIRST.created_at.astimezone(timezone(timedelta(hours=-7)))

    assert replace(FIRST, created_at=elsewhere).text() == FIRST.text()


@given(checkpoint=checkpoints)
def test_a_text_reads_back_the_same(checkpoint):
    assert Checkpoint.from_text(checkpoint.text()) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff\n",
        FIRST.text()[:-1],
        FIRST.text() + b"\n",
        FIRST.text().replace(b"\n3\n", b"\n03\n"),
        FIRST.text().replace(b"\n3\n", b"\n-3\n"),
        FIRST.text().replace(b"\n3\n", b"\n3.0\n"),
        FIRST.text().replace(b"previous -", b"previous"),
        FIRST.text().replace(b"previous -", b"previous AAAA"),
        FIRST.text().replace(b"created ", b""),
        FIRST.text().replace(b"Z\n", b"+00:00\n"),
        FIRST.text().replace(b"Z\n", b"\n"),
    ],
)
def test_it_refuses_a_text_when_it_is_not_exactly_a_checkpoint(text):
    with pytest.raises(signing.MalformedCheckpoint, match="not the text"):
        Checkpoint.from_text(text)


@pytest.mark.parametrize(
    "change",
    [
        {"origin": ""},
        {"origin": "two words"},
        {"origin": "evil\n999"},
        {"size": -1},
        {"root": b"short"},
        {"previous": b""},
        {"created_at": datetime(2026, 1, 1)},
    ],
)
def test_it_refuses_a_checkpoint_when_a_value_does_not_fit(change):
    with pytest.raises(signing.MalformedCheckpoint):
        replace(FIRST, **change)


@pytest.mark.parametrize("key", [OLD, NEW])
def test_it_accepts_every_key_of_a_rotation(key):
    signing.verify(SECOND, key.sign(SECOND), KEYS)


def test_it_refuses_a_signature_when_its_key_was_not_given():
    with pytest.raises(signing.UnknownKey, match="not given"):
        signing.verify(FIRST, NEW.sign(FIRST), {"k1": OLD.public()})


@pytest.mark.parametrize(
    ("checkpoint", "signature"),
    [
        (SECOND, OLD.sign(FIRST)),
        (replace(FIRST, size=4), OLD.sign(FIRST)),
        (FIRST, Signature("k2", OLD.sign(FIRST).value)),
        (FIRST, Signature("k1", bytes(64))),
        (FIRST, Signature("k1", b"")),
    ],
)
def test_it_refuses_a_signature_when_it_is_of_something_else(checkpoint, signature):
    with pytest.raises(signing.BadSignature, match="does not belong"):
        signing.verify(checkpoint, signature, KEYS)


@given(checkpoint=checkpoints)
def test_a_note_reads_back_the_same(checkpoint):
    text = signing.note(checkpoint, NEW.sign(checkpoint), NEW.public())

    assert signing.verify_note(text, KEYS) == (checkpoint, NEW.sign(checkpoint))


def test_a_note_is_marked_as_note_tools_expect():
    """C2SP signed-note: SHA-256(name, line feed, 0x01, public key), the first four bytes."""
    text = signing.note(FIRST, OLD.sign(FIRST), PUBLIC)
    mark = sha256(b"k1\n\x01" + PUBLIC).digest()[:4]

    signed = b64encode(mark + OLD.sign(FIRST).value).decode()
    assert text == f"{FIRST.text().decode()}\n— k1 {signed}\n"


def test_it_refuses_a_note_when_its_mark_is_of_another_key():
    text = signing.note(FIRST, OLD.sign(FIRST), NEW.public())

    with pytest.raises(signing.BadSignature):
        signing.verify_note(text, KEYS)


@given(data=st.data())
def test_it_refuses_a_note_when_any_character_was_changed(data):
    text = signing.note(SECOND, OLD.sign(SECOND), PUBLIC)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters().filter(lambda letter: letter != text[place]))

    with pytest.raises(signing.SigningError):
        signing.verify_note(text[:place] + letter + text[place + 1 :], KEYS)


@pytest.mark.parametrize("text", ["", "\n\n", "a\n\nb", "a\n\n— k1 AAAA\n", "a\n\nb\n\nc\n"])
def test_it_refuses_a_note_when_it_has_another_form(text):
    with pytest.raises(signing.MalformedCheckpoint):
        signing.verify_note(text, KEYS)


@pytest.mark.parametrize(("key_id", "seed"), [("k 1", SEED), ("", SEED), ("k1", SEED[:31])])
def test_it_refuses_a_key_when_it_does_not_fit(key_id, seed):
    with pytest.raises(ValueError, match="32 bytes"):
        SigningKey(key_id, seed)


def test_a_key_keeps_its_seed_out_of_logs():
    assert repr(OLD) == "SigningKey('k1')"
