"""Checks a receipt on its own, with no database and no Django: `python -m consent.verifier FILE`.

It trusts only the public keys it is given. A receipt can name any key it likes, so one whose key is
not among them is refused. What the proof does not cover, such as the organization's address, stays
the organization's own statement.
"""

import argparse
import hmac
import json
import sys
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from consent import leaf, merkle, receipts, signing
from consent import proof as proofs
from consent.proof import Proof

KEY_SIZE = 32


class Check(NamedTuple):
    """One check and its answer in a sentence; `passed` None where there was nothing to check."""

    name: str
    passed: bool | None
    sentence: str


def verify(receipt: Any, keys: Mapping[str, bytes]) -> list[Check]:
    """Every check of a receipt, in order. It is good where none has `passed` False.

    `keys` maps key ids to the 32 bytes of the public keys that are trusted. Never raises for what
    stands in the receipt.
    """
    carried = receipt.get(proofs.MEMBER) if isinstance(receipt, dict) else None
    if carried is None:
        return [Check("receipt", False, "This is not a receipt with a proof in it.")]
    try:
        proof = Proof.from_json(carried)
    except proofs.MalformedProof:
        return [Check("receipt", False, "The proof in this receipt cannot be read.")]
    return [_receipt(receipt, proof), *verify_proof(proof, keys)]


def verify_proof(proof: Proof, keys: Mapping[str, bytes]) -> Iterator[Check]:
    """The checks of a proof alone: evidence, words, event, tree, signature."""
    yield _details(proof)
    yield _words(proof)
    yield _event(proof)
    yield _tree(proof)
    yield _signature(proof, keys)


def _receipt(receipt: Mapping[str, Any], proof: Proof) -> Check:
    event = proof.event
    proved = {
        "version": receipts.VERSION,
        "consentTimestamp": event.occurred_us // 1_000_000,
        "consentReceiptID": _receipt_id(proof),
        "piiPrincipalId": event.subject,
    }
    changed = [member for member, value in proved.items() if receipt.get(member) != value]
    if changed:
        sentence = f"The receipt does not say what its proof says: {', '.join(changed)}."
        return Check("receipt", False, sentence)
    if event.kind not in proofs.CONSENTING:
        return Check("receipt", False, f"The proof is of no consent: the event is {event.kind!r}.")
    # With repr, since nobody has vouched for these texts yet: no line break, no terminal control.
    return Check(
        "receipt",
        True,
        f"The receipt says: {event.kind!r} by {event.subject} for {event.topic!r} on "
        f"{event.channel!r}, {event.occurred_at:%Y-%m-%d %H:%M:%S} UTC.",
    )


def _receipt_id(proof: Proof) -> str | None:
    try:
        return proofs.receipt_id(proof.event)
    except leaf.MalformedEvent:
        return None


def _details(proof: Proof) -> Check:
    if proof.nonce is None or proof.details is None:
        return Check("details", None, "The receipt carries no evidence to compare.")
    try:
        committed = leaf.commitment(proof.nonce, proof.details)
    except ValueError:
        committed = b""
    if not hmac.compare_digest(committed, proof.event.commitment):
        sentence = "The evidence was changed: it is not what the event committed to."
        return Check("details", False, sentence)
    return Check("details", True, "The evidence is what the event committed to.")


def _words(proof: Proof) -> Check:
    event, words = proof.event, proof.words
    if words is None:
        return Check("words", None, "The receipt carries no words to compare.")
    if (
        words.digest() != event.wording
        or words.topic != event.topic
        or words.channel != event.channel
    ):
        return Check("words", False, "The words were changed: they are not those of the event.")
    return Check("words", True, "The words are those the event names.")


def _event(proof: Proof) -> Check:
    if leaf.leaves([proof.event]) != [proof.leaf]:
        return Check("event", False, "The event was changed: it does not give its leaf.")
    return Check("event", True, "The event gives its leaf.")


def _tree(proof: Proof) -> Check:
    try:
        checkpoint, _ = signing.from_note(proof.checkpoint)
    except signing.MalformedCheckpoint:
        return Check("tree", False, "The checkpoint in this receipt cannot be read.")
    place = f"position {proof.position} of the {checkpoint.size} in the checkpoint"
    if not merkle.verify_inclusion(
        proof.leaf, proof.position, checkpoint.size, proof.path, checkpoint.root
    ):
        return Check("tree", False, f"The leaf is not at {place}.")
    return Check("tree", True, f"The leaf is at {place}.")


def _signature(proof: Proof, keys: Mapping[str, bytes]) -> Check:
    try:
        checkpoint, signature = signing.verify_note(proof.checkpoint, keys)
    except signing.MalformedCheckpoint:
        return Check("signature", False, "Without a readable checkpoint there is no signature.")
    except signing.UnknownKey:
        key_id = signing.from_note(proof.checkpoint)[1].key_id
        sentence = (
            f"The checkpoint says it is signed by key {key_id}, which was not given: "
            "get it from the organization and pass it with --key."
        )
        return Check("signature", False, sentence)
    except signing.BadSignature:
        return Check("signature", False, "The signature does not belong to this checkpoint.")
    sentence = (
        f"The checkpoint of {checkpoint.created_at:%Y-%m-%d %H:%M:%S} UTC is signed by "
        f"key {signature.key_id} of {checkpoint.origin}."
    )
    return Check("signature", True, sentence)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the checks of one receipt; 0 where it is good, 1 where not, 2 where nothing was read."""
    parser = argparse.ArgumentParser(prog="python -m consent.verifier", description=__doc__)
    parser.add_argument("receipt", type=_json_file, metavar="RECEIPT.json")
    parser.add_argument("--key", action="append", type=_key, default=[], metavar="ID:BASE64")
    parser.add_argument("--keys", type=_key_file, default=[], metavar="FILE")
    parser.add_argument("--json", action="store_true", help="print the checks as JSON")
    options = parser.parse_args(arguments)
    checks = verify(options.receipt, dict([*options.keys, *options.key]))
    is_good = all(check.passed is not False for check in checks)
    if options.json:
        answer = {"good": is_good, "checks": [check._asdict() for check in checks]}
        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
    else:
        marks = {True: "ok     ", False: "REFUSED", None: "-      "}
        sys.stdout.writelines(f"{marks[check.passed]}  {check.sentence}\n" for check in checks)
        sys.stdout.write("The receipt is good.\n" if is_good else "The receipt is not proved.\n")
    return 0 if is_good else 1


def _json_file(name: str) -> Any:
    try:
        return json.loads(Path(name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"{name} cannot be read as JSON.") from error


def _key_file(name: str) -> list[tuple[str, bytes]]:
    """One key a line; empty lines and those that begin with # are passed over."""
    try:
        lines = Path(name).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{name} cannot be read.") from error
    return [_key(line.strip()) for line in lines if line.strip() and not line.startswith("#")]


def _key(text: str) -> tuple[str, bytes]:
    key_id, _, encoded = text.partition(":")
    try:
        key = b64decode(encoded, validate=True)
    except ValueError:
        key = b""
    if not key_id or len(key) != KEY_SIZE:
        raise argparse.ArgumentTypeError(
            f"{text} is not a public key: it has the form ID:BASE64, of {KEY_SIZE} bytes."
        )
    return key_id, key


if __name__ == "__main__":
    sys.exit(main())
