import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import dpv, proof, receipts
from consent.leaf import EventFields
from consent.proof import Proof
from consent.receipts import Act, NoConsentStandsError, NothingSaidError
from tests.consent import proving

SCHEMA = json.loads(Path(receipts.__file__).with_name("kantara_schema.json").read_text("utf-8"))
KANTARA = jsonschema.Draft202012Validator(SCHEMA)
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
KINDS = [
    "requested", "given", "renewed", "refused", "withdrawn", "objected", "revoked", "expired",
    "invalidated", "asserted", "basis_recorded", "complained", "undone", "restricted",
    "unrestricted", "erased",
]  # fmt: skip

words = st.text(st.characters(codec="utf-8"), min_size=1)


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("kind", sorted(proof.CONSENTING))
def test_a_receipt_is_valid_kantara_when_a_consent_stands(kind):
    receipt = json.loads(json.dumps(proving.receipt(kind)))

    KANTARA.validate(receipt)
    assert receipt["consentTimestamp"] == 1_790_000_000
    assert receipt["piiPrincipalId"] == proving.SUBJECT
    assert receipt["language"] == "fr"
    assert receipt["publicKey"].startswith("k1:")


@given(
    name=words,
    description=st.text(),
    recipients=st.lists(words, max_size=3),
    personal_data=st.dictionaries(words, words, min_size=1),
)
def test_every_receipt_is_valid_kantara(name, description, recipients, personal_data):
    receipt = proving.receipt(
        name=name,
        description=description,
        recipients=tuple(recipients),
        personal_data=personal_data,
    )

    KANTARA.validate(receipt)


@pytest.mark.parametrize("member", SCHEMA["required"])
def test_the_schema_refuses_a_receipt_when_a_required_member_is_gone(member):
    receipt = proving.receipt()
    del receipt[member]

    assert not KANTARA.is_valid(receipt)


@pytest.mark.parametrize(
    ("holder", "member"),
    [
        *(("purpose", member) for member in SCHEMA["$defs"]["purpose"]["required"]),
        ("purpose", "thirdPartyName"),
        *(("controller", member) for member in SCHEMA["$defs"]["controller"]["required"]),
        *(("service", member) for member in SCHEMA["$defs"]["service"]["required"]),
    ],
)
def test_the_schema_refuses_a_receipt_when_an_inner_member_is_gone(holder, member):
    receipt = proving.receipt(recipients=("Mail Carrier SAS",))
    KANTARA.validate(receipt)
    service = receipt["services"][0]
    holders = {
        "service": service,
        "purpose": service["purposes"][0],
        "controller": receipt["piiControllers"][0],
    }
    del holders[holder][member]

    assert not KANTARA.is_valid(receipt)


def test_a_receipt_names_third_parties_only_when_there_are_any():
    (alone,) = proving.receipt()["services"][0]["purposes"]
    (shared,) = proving.receipt(recipients=("A", "B"))["services"][0]["purposes"]

    assert (alone["thirdPartyDisclosure"], "thirdPartyName" in alone) == (False, False)
    assert (shared["thirdPartyDisclosure"], shared["thirdPartyName"]) == (True, "A, B")


@pytest.mark.parametrize("kind", sorted(set(KINDS) - proof.CONSENTING))
def test_it_refuses_a_receipt_when_the_standing_act_is_no_consent(kind):
    with pytest.raises(NoConsentStandsError, match="No consent stands"):
        proving.receipt(kind)


def test_it_refuses_a_receipt_when_nothing_stands():
    act = proving.act()

    with pytest.raises(NoConsentStandsError):
        receipts.kantara(proving.record(act), proving.proof(act.event), public_keys={})


def test_it_refuses_a_receipt_when_the_basis_is_soft_opt_in():
    act = proving.act(basis="soft_opt_in")

    with pytest.raises(NoConsentStandsError):
        receipts.kantara(
            proving.record(act, standing=act), proving.proof(act.event), public_keys={}
        )


def test_it_refuses_a_receipt_when_the_proof_is_of_another_event():
    act = proving.act()

    with pytest.raises(ValueError, match="another event"):
        receipts.kantara(
            proving.record(act, standing=act), proving.proof(proving.event(id=8)), public_keys={}
        )


def test_it_shows_no_key_when_the_signing_one_is_unknown():
    act = proving.act()
    receipt = receipts.kantara(
        proving.record(act, standing=act), proving.proof(act.event), public_keys={"k9": bytes(32)}
    )

    assert "publicKey" not in receipt


@given(
    details=st.none() | st.dictionaries(words, words),
    undoes=st.none() | st.integers(1),
    topic=st.none() | st.just("news"),
    has_words=st.booleans(),
)
def test_a_proof_reads_back_the_same(details, undoes, topic, has_words):
    original = replace(
        proving.proof(proving.event(undoes=undoes, topic=topic)),
        details=details,
        nonce=None if details is None else proving.NONCE,
        words=proving.WORDS if has_words else None,
    )

    assert Proof.from_json(json.loads(json.dumps(original.to_json()))) == original


@pytest.mark.parametrize("member", proving.proof(proving.event()).to_json())
@pytest.mark.parametrize("value", [[1], 1.5, "\ud800", True])
def test_it_refuses_a_proof_when_a_member_is_of_another_kind(member, value):
    bent = proving.proof(proving.event()).to_json() | {member: value}

    with pytest.raises(proof.MalformedProof, match="not a proof"):
        Proof.from_json(bent)


@pytest.mark.parametrize("field", EventFields._fields)
@pytest.mark.parametrize("value", [[1], 1.5, "\ud800", True])
def test_it_refuses_a_proof_when_a_field_is_of_another_kind(field, value):
    bent = proving.proof(proving.event()).to_json()
    bent["event"][field] = value

    with pytest.raises(proof.MalformedProof):
        Proof.from_json(bent)


@pytest.mark.parametrize("field", ["occurred_us", "recorded_us"])
def test_it_refuses_a_proof_when_a_time_is_after_the_last_year(field):
    bent = proving.proof(proving.event()).to_json()
    bent["event"][field] = 10**40

    with pytest.raises(proof.MalformedProof):
        Proof.from_json(bent)


@pytest.mark.parametrize("carried", [None, [], "", 3, {}, {"version": "assent-proof-v2"}])
def test_it_refuses_a_proof_when_it_is_something_else(carried):
    with pytest.raises(proof.MalformedProof):
        Proof.from_json(carried)


def history(*kinds: str) -> list[Act]:
    return [
        proving.act(kind, id=number, occurred_us=1_790_000_000_000_000 + number * 1_000_000)
        for number, kind in enumerate(kinds, 1)
    ]


def test_a_dpv_receipt_tells_the_whole_history():
    acts = history("requested", "given", "withdrawn")

    document = dpv.receipt(proving.record(*acts), created_at=NOW)

    (record,) = document["dpv:hasRecordOfActivity"]
    assert document["@type"] == "dpv:ConsentReceipt"
    assert document["dct:created"] == "2026-11-23T09:00:00Z"
    assert [status["@type"] for status in record["dpv:hasConsentStatus"]] == [
        ["dpv:ConsentRequested"],
        ["dpv:ConsentGiven", "dpv:ExpressedConsent"],
        ["dpv:ConsentWithdrawn"],
    ]
    assert record["dpv:hasNotice"]["assent:sha256"] == proving.WORDS.digest()
    assert record["dpv:hasNotice"]["dct:description"] == proving.WORDS.text
    assert record["dpv:hasConsentStatus"][0]["dpv:isIndicatedAtTime"] == "2026-09-21T14:13:21Z"


def test_a_dpv_record_keeps_its_name_when_it_grows():
    acts = history("requested", "given")
    before = dpv.receipt(proving.record(acts[0]), created_at=NOW)
    after = dpv.receipt(proving.record(*acts), created_at=datetime(2027, 1, 1, tzinfo=UTC))

    (old,), (new,) = before["dpv:hasRecordOfActivity"], after["dpv:hasRecordOfActivity"]
    assert old["dct:identifier"] == new["dct:identifier"]
    assert before["dct:identifier"] != after["dct:identifier"]


@given(kinds=st.lists(st.sampled_from(KINDS), min_size=1), stands=st.booleans())
def test_a_dpv_receipt_has_every_mandatory_field_of_the_standard(kinds, stands):
    acts = history(*kinds, "given")

    document = dpv.receipt(
        proving.record(*acts, standing=acts[-1] if stands else None), created_at=NOW
    )

    assert dpv.missing_fields(document) == []


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"personal_data": {}}, ["pii_information"]),
        ({"storage_countries": ()}, ["storage_locations"]),
        ({"retention": ""}, ["retention_period"]),
        ({"withdrawal_url": ""}, ["withdrawal_method"]),
        ({"validity": ""}, ["validity_duration"]),
        ({"purpose": ""}, ["purpose"]),
    ],
)
def test_it_names_the_mandatory_field_when_one_is_empty(change, missing):
    document = dpv.receipt(proving.record(proving.act(), **change), created_at=NOW)

    assert dpv.missing_fields(document) == missing


def test_it_names_what_is_missing_when_no_words_and_no_method_are_known():
    act = replace(proving.act(), words=None, how="")

    document = dpv.receipt(proving.record(act), created_at=NOW)

    assert dpv.missing_fields(document) == ["language", "collection_method"]


def test_it_names_every_event_field_when_there_is_no_consent_event():
    document = dpv.receipt(proving.record(proving.act("restricted")), created_at=NOW)

    assert "event_state" in dpv.missing_fields(document)


@pytest.mark.parametrize(
    ("kind", "basis", "status", "ground"),
    [
        ("asserted", "", "dpv:ConsentGiven", "eu-gdpr:A6-1-a"),
        ("renewed", "consent", "dpv:RenewedConsentGiven", "eu-gdpr:A6-1-a"),
        ("given", "soft_opt_in", "dpv:ConsentGiven", "eu-gdpr:A6-1-f"),
    ],
)
def test_a_standing_act_gives_status_and_legal_basis(kind, basis, status, ground):
    act = proving.act(kind, basis=basis)

    document = dpv.receipt(proving.record(act, standing=act), created_at=NOW)

    (record,) = document["dpv:hasRecordOfActivity"]
    assert record["dpv:hasConsentStatus"][0]["@type"][0] == status
    assert record["dpv:hasLegalBasis"] == ground


def test_a_claim_of_an_import_is_unknown_when_it_does_not_stand():
    document = dpv.receipt(proving.record(proving.act("asserted")), created_at=NOW)

    (record,) = document["dpv:hasRecordOfActivity"]
    assert record["dpv:hasConsentStatus"][0]["@type"] == ["dpv:ConsentUnknown"]


def test_it_refuses_a_record_when_nothing_happened():
    with pytest.raises(NothingSaidError):
        dpv.receipt(proving.record(), created_at=NOW)
