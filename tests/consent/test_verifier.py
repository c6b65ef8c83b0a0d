import json
import subprocess
import sys
from base64 import b64encode
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import verifier
from consent.proof import receipt_id
from tests.consent import proving

RECEIPT = json.loads(json.dumps(proving.receipt()))
PROOF = "assentProof"
ROOT = Path(verifier.__file__).parents[1]


def refused(receipt: Any, keys: dict[str, bytes] = proving.KEYS) -> dict[str, str]:
    return {
        check.name: check.sentence
        for check in verifier.verify(receipt, keys)
        if check.passed is False
    }


def change(*path: str | int, to: Any) -> dict[str, Any]:
    """The receipt with one value replaced."""
    receipt: dict[str, Any] = deepcopy(RECEIPT)
    place: Any = receipt
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return receipt


def forged(**fields: Any) -> dict[str, Any]:
    """A receipt whose event and leaf were changed together."""
    act = proving.act(**fields)
    bent = change(
        PROOF, "event", to=act.event._asdict() | {"commitment": act.event.commitment.hex()}
    )
    bent[PROOF]["leaf"] = b64encode(act.event.leaf()).decode()
    return bent


def test_a_receipt_is_good_and_says_so_by_check():
    checks = verifier.verify(RECEIPT, proving.KEYS)

    assert [(check.name, check.passed) for check in checks] == [
        ("receipt", True),
        ("details", True),
        ("words", True),
        ("event", True),
        ("tree", True),
        ("signature", True),
    ]
    assert "2026-09-21 14:20:00 UTC is signed by key k1" in checks[-1].sentence


def test_a_receipt_is_good_when_the_key_was_rotated_since():
    assert refused(proving.receipt(key=proving.OTHER_KEY)) == {}


def test_a_receipt_is_good_when_evidence_and_words_were_left_out():
    receipt = change(PROOF, "nonce", to=None)
    receipt[PROOF] |= {"details": None, "words": None}

    assert refused(receipt) == {}
    assert [check.passed for check in verifier.verify(receipt, proving.KEYS)[1:3]] == [None, None]


@pytest.mark.parametrize(
    ("receipt", "name", "sentence"),
    [
        (
            change("consentTimestamp", to=1),
            "receipt",
            "The receipt does not say what its proof says: consentTimestamp.",
        ),
        (
            change("piiPrincipalId", to="someone else"),
            "receipt",
            "The receipt does not say what its proof says: piiPrincipalId.",
        ),
        (
            change("consentReceiptID", to="c1befd3e-b7e5-4ea6-8688-e9a565aade21"),
            "receipt",
            "The receipt does not say what its proof says: consentReceiptID.",
        ),
        (
            change(PROOF, "details", "ip", to="198.51.100.0"),
            "details",
            "The evidence was changed: it is not what the event committed to.",
        ),
        (
            change(PROOF, "details", "age", to=3),
            "details",
            "The evidence was changed: it is not what the event committed to.",
        ),
        (
            change(PROOF, "nonce", to="AAAA"),
            "details",
            "The evidence was changed: it is not what the event committed to.",
        ),
        (
            change(PROOF, "words", "text", to="Send me everything."),
            "words",
            "The words were changed: they are not those of the event.",
        ),
        (
            change(PROOF, "position", to=5),
            "tree",
            "The leaf is not at position 5 of the 11 in the checkpoint.",
        ),
        (
            change(PROOF, "path", 0, to=b64encode(bytes(32)).decode()),
            "tree",
            "The leaf is not at position 4 of the 11 in the checkpoint.",
        ),
        (
            change(PROOF, "path", to=[]),
            "tree",
            "The leaf is not at position 4 of the 11 in the checkpoint.",
        ),
    ],
)
def test_a_tampered_receipt_is_refused_by_its_own_sentence(receipt, name, sentence):
    assert refused(receipt) == {name: sentence}


@pytest.mark.parametrize("other", [{"topic": "events"}, {"channel": "sms"}])
def test_it_finds_words_that_were_shown_for_something_else(other):
    words = proving.WORDS._replace(**other)
    event = proving.event(wording=words.digest())
    receipt = RECEIPT | {
        "consentReceiptID": receipt_id(event),
        PROOF: proving.proof(event).to_json(),
    }
    receipt[PROOF]["words"] = words._asdict()

    assert refused(receipt) == {"words": "The words were changed: they are not those of the event."}


def test_it_finds_a_changed_event():
    found = refused(change(PROOF, "event", "method", to="form"))

    assert found["event"] == "The event was changed: it does not give its leaf."


def test_it_finds_an_event_that_has_no_canonical_text():
    found = refused(change(PROOF, "event", "topic", to="two\nlines"))

    assert found["event"] == "The event was changed: it does not give its leaf."


def test_it_finds_a_changed_event_when_its_leaf_was_changed_with_it():
    found = refused(forged(method="form"))

    assert found["tree"] == "The leaf is not at position 4 of the 11 in the checkpoint."
    assert "event" not in found


def test_it_finds_a_receipt_of_no_consent():
    act = proving.act("withdrawn")
    receipt = RECEIPT | {
        "consentReceiptID": receipt_id(act.event),
        PROOF: proving.proof(act.event).to_json(),
    }

    assert refused(receipt) == {"receipt": "The proof is of no consent: the event is 'withdrawn'."}


def test_it_finds_a_changed_checkpoint():
    note = RECEIPT[PROOF]["checkpoint"]

    found = refused(change(PROOF, "checkpoint", to=note.replace("created 2026", "created 2025")))

    assert found == {"signature": "The signature does not belong to this checkpoint."}


def test_it_finds_a_checkpoint_that_is_none():
    assert refused(change(PROOF, "checkpoint", to="a line")) == {
        "tree": "The checkpoint in this receipt cannot be read.",
        "signature": "Without a readable checkpoint there is no signature.",
    }


def test_it_refuses_a_receipt_signed_by_somebody_else():
    stranger = {"k1": proving.OTHER_KEY.public()}

    assert refused(RECEIPT, stranger) == {
        "signature": "The signature does not belong to this checkpoint."
    }


def test_it_refuses_a_receipt_when_no_key_was_given():
    assert refused(RECEIPT, {}) == {
        "signature": "The checkpoint says it is signed by key k1, which was not given: "
        "get it from the organization and pass it with --key."
    }


@pytest.mark.parametrize("receipt", [None, [], "text", 3, {}, {PROOF: None}])
def test_it_refuses_what_is_no_receipt(receipt):
    assert refused(receipt) == {"receipt": "This is not a receipt with a proof in it."}


@pytest.mark.parametrize("carried", [3, {}, [], RECEIPT[PROOF] | {"path": 3}])
def test_it_refuses_a_proof_it_cannot_read(carried):
    assert refused({PROOF: carried}) == {"receipt": "The proof in this receipt cannot be read."}


def leaf_paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The way to every plain value in a JSON document."""
    if isinstance(value, dict):
        return [way for key, inner in value.items() for way in leaf_paths(inner, (*path, key))]
    if isinstance(value, list):
        return [way for key, inner in enumerate(value) for way in leaf_paths(inner, (*path, key))]
    return [path]


@given(data=st.data())
def test_it_refuses_a_receipt_when_any_value_of_the_proof_was_changed(data):
    path = data.draw(st.sampled_from(leaf_paths(RECEIPT[PROOF])))
    old = RECEIPT[PROOF]
    for step in path:
        old = old[step]
    new = data.draw(
        st.one_of(st.text(), st.integers(), st.booleans(), st.just([]), st.just({})).filter(
            lambda value: value != old or type(value) is not type(old)
        )
    )

    assert refused(change(PROOF, *path, to=new))


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own in which Django cannot be imported."""
    program = (
        "import runpy, sys; sys.modules['django'] = sys.modules['psycopg'] = None;"
        "runpy.run_module('consent.verifier', run_name='__main__', alter_sys=True)"
    )
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(RECEIPT), encoding="utf-8")
    return path


def given_key(key_id: str) -> str:
    return f"{key_id}:{b64encode(proving.KEYS[key_id]).decode()}"


def test_the_command_needs_no_django(file):
    answer = run(file, "--key", given_key("k1"))

    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.splitlines()[-1] == "The receipt is good."
    assert answer.stdout.count("\nok  ") == 5


def test_the_command_exits_1_when_the_receipt_is_not_proved(file, capsys):
    assert verifier.main([str(file), "--key", given_key("k2")]) == 1

    output = capsys.readouterr().out.splitlines()
    assert output[-2].startswith("REFUSED  The checkpoint says it is signed by key k1")
    assert output[-1] == "The receipt is not proved."


def test_the_command_reads_a_file_of_keys_and_answers_in_json(file, tmp_path, capsys):
    keys = tmp_path / "keys"
    keys.write_text(f"# published 2026\n\n{given_key('k2')}\n{given_key('k1')}\n", encoding="utf-8")

    assert verifier.main([str(file), "--keys", str(keys), "--json"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert answer["good"] is True
    assert [check["name"] for check in answer["checks"]][-1] == "signature"


@pytest.mark.parametrize("key", ["k1", "k1:AAAA", "k1:%%%", ":" + "A" * 43 + "="])
def test_the_command_refuses_a_key_when_it_is_none(file, key, capsys):
    with pytest.raises(SystemExit, match="2"):
        verifier.main([str(file), "--key", key])

    assert "is not a public key" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_the_command_refuses_a_file_when_it_is_no_json(tmp_path, content, capsys):
    path = tmp_path / "receipt.json"
    path.write_bytes(content)

    with pytest.raises(SystemExit, match="2"):
        verifier.main([str(path)])

    assert "cannot be read as JSON" in capsys.readouterr().err


def test_the_command_refuses_a_key_file_when_it_is_not_there(file, capsys):
    with pytest.raises(SystemExit, match="2"):
        verifier.main([str(file), "--keys", str(file.with_name("gone"))])

    assert "gone cannot be read" in capsys.readouterr().err
