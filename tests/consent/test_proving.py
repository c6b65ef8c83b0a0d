"""What can be shown of one person's consent, by whom it can be checked, and what is left after erasure."""

import html
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from django.core.management import CommandError, call_command
from django.template.loader import render_to_string
from django.utils import timezone

from campaigns.models import Delivery
from config import environment
from consent import dpv, ledger, proving, receipts, sealing, services, verification, verifier
from consent.models import Kind, Method, Topic
from consent.proof import Proof
from contacts import rights
from contacts.models import Channel
from tests import make

pytestmark = pytest.mark.django_db

EMAIL = Channel.EMAIL
SCHEMA = json.loads(Path(receipts.__file__).with_name("kantara_schema.json").read_text("utf-8"))
KANTARA = jsonschema.Draft202012Validator(SCHEMA)
WORDS = "Oui, écrivez-moi.\r\n\tJe peux arrêter <à tout moment> & sans raison.  "


@pytest.fixture(autouse=True)
def _organization():
    make.organization()


@pytest.fixture
def topic():
    return make.topic()


@pytest.fixture
def ada(topic):
    contact = make.contact("ada@example.org")
    make.granted(contact, topic)
    return contact


def proof_of(contact, topic, at=None):
    return proving.proof_of(contact=contact, topic=topic, channel=EMAIL, at=at or timezone.now())


def is_good(receipt):
    return all(
        check.passed is not False for check in verifier.verify(receipt, sealing.public_keys())
    )


def standing_event(contact, topic):
    return contact.permissions.get(topic=topic).event


def words_in_french(topic):
    draft = topic.wordings.create(channel=EMAIL, language="fr", version=1, text=WORDS)
    return services.publish_wording(wording=draft, publisher_id=None)


def test_it_answers_for_the_moment_that_is_asked_about(ada, topic):
    given = standing_event(ada, topic).recorded_at
    make.withdrawn(ada, topic)
    moment = timedelta(microseconds=1)
    assert proof_of(ada, topic, given - moment)["answer"]["state"] is None
    during = proof_of(ada, topic, given)
    assert during["answer"]["in_force"]
    assert [act["after_the_moment"] for act in during["acts"]] == [False, True]
    assert proof_of(ada, topic)["answer"]["state"] == "withdrawn"


def test_it_says_that_a_permission_had_run_out_before_any_job_ran(ada, topic):
    until = ada.permissions.get().valid_until
    assert proof_of(ada, topic, until - timedelta(seconds=1))["answer"]["in_force"]
    assert not proof_of(ada, topic, until)["answer"]["in_force"]


def test_it_marks_what_was_learned_after_the_moment(ada, topic):
    now = timezone.now()
    services.withdraw(
        contact=ada, topic=topic, channel=EMAIL, method=Method.STAFF,
        occurred_at=now - timedelta(days=1),
    )  # fmt: skip
    assert proof_of(ada, topic, now)["acts"][-1]["learned_later"]


def test_it_leaves_out_what_was_said_of_other_topics_and_keeps_what_of_everything(ada, topic):
    make.granted(ada, make.topic("offers"))
    services.object_to_everything(contact=ada, method=Method.STOP_PAGE)
    assert [act["kind"] for act in proof_of(ada, topic)["acts"]] == ["given", "objected"]


def test_it_proves_every_act_under_the_newest_checkpoint(ada, topic):
    make.withdrawn(ada, topic)
    assert [act["proof"] for act in proof_of(ada, topic)["acts"]] == [None, None]
    sealing.seal()
    make.granted(make.contact(), topic)
    sealing.seal()
    for act in proof_of(ada, topic)["acts"]:
        checks = list(verifier.verify_proof(Proof.from_json(act["proof"]), sealing.public_keys()))
        assert all(check.passed is not False for check in checks), checks


def test_it_names_the_messages_that_an_event_justified(ada, topic):
    event = standing_event(ada, topic)
    Delivery.objects.create(
        campaign=make.campaign(topic), contact=ada, state="sent", event=event, attempt=1,
        address=ada.addresses.get(), handed_over_at=timezone.now(),
    )  # fmt: skip
    (act,) = proof_of(ada, topic)["acts"]
    assert [message["campaign"] for message in act["messages"]] == ["Monthly letter"]


def test_it_prints_the_words_byte_for_byte_after_ten_later_versions(topic):
    bo = make.contact()
    words = words_in_french(topic)
    services.confirm(contact=bo, wordings=[words], address=bo.addresses.get(), details={})
    for number in range(10):
        make.wording(topic, language="fr", is_material=bool(number % 2))
    sealing.seal()
    bundle = json.loads(json.dumps(proof_of(bo, topic)))
    (act,) = bundle["acts"]
    assert act["words"]["text"].encode() == WORDS.encode()
    assert act["proof"]["words"]["text"].encode() == WORDS.encode()
    page = render_to_string("consent/proof.html", {"proof": bundle})
    printed = page[page.index('<pre lang="fr">') + 15 : page.index("</pre>")]
    assert html.unescape(printed).encode() == WORDS.encode()


def test_it_prints_a_page_for_somebody_who_was_never_asked(topic):
    page = render_to_string("consent/proof.html", {"proof": proof_of(make.contact(), topic)})
    assert "No permission was in force" in page


def test_it_issues_a_receipt_that_anybody_can_check(ada, topic, tmp_path):
    receipt = proving.receipt_of(standing_event(ada, topic))
    KANTARA.validate(receipt)
    file, keys = tmp_path / "receipt.json", tmp_path / "keys"
    file.write_text(json.dumps(receipt))
    with keys.open("w") as output:
        call_command("public_keys", stdout=output)
    alone = subprocess.run(
        [sys.executable, "-m", "consent.verifier", str(file), "--keys", str(keys)],
        cwd=environment.ROOT, env={"PATH": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert alone.returncode == 0, alone.stdout + alone.stderr
    receipt["assentProof"]["words"]["text"] += "!"
    assert not is_good(receipt)


@pytest.mark.parametrize("use", Topic.Use.values)
def test_every_standing_permission_has_every_mandatory_field_of_a_receipt(use):
    is_data = use == Topic.Use.DATA
    topic = make.topic(use, use=use, offers_email=not is_data, offers_sms=not is_data)
    channels = [Channel.DATA] if is_data else [EMAIL, Channel.SMS]
    ada = make.contact("ada@example.org", phone="+33612345678")
    for channel in channels:
        event = ledger.record(
            contact=ada, topic=topic, channel=channel, kind=Kind.GIVEN, method=Method.PREFERENCES,
            actor=ledger.SUBJECT, wording=make.wording(topic, channel),
            address=ada.addresses.first(),
        )  # fmt: skip
        KANTARA.validate(proving.receipt_of(event))
        history = proving.history_receipt_of(contact=ada, topic=topic, channel=channel)
        assert dpv.missing_fields(history) == []


def test_it_issues_no_receipt_after_the_consent_ended(ada, topic):
    event = standing_event(ada, topic)
    make.withdrawn(ada, topic)
    with pytest.raises(receipts.NoConsentStandsError):
        proving.receipt_of(event)
    history = proving.history_receipt_of(contact=ada, topic=topic, channel=EMAIL)
    statuses = history["dpv:hasRecordOfActivity"][0]["dpv:hasConsentStatus"]
    assert [status["@type"][0] for status in statuses] == [
        "dpv:ConsentGiven", "dpv:ConsentWithdrawn",
    ]  # fmt: skip


def test_the_receipt_still_proves_it_after_everything_about_the_person_was_erased(ada, topic):
    receipt = proving.receipt_of(standing_event(ada, topic))
    rights.erase(contact=ada)
    sealing.seal()
    answers = verifier.verify(receipt, sealing.public_keys())
    assert all(check.passed for check in answers), answers
    assert verification.verify().ok
    ada.refresh_from_db()
    bundle = proof_of(ada, topic)
    assert [act["evidence"] for act in bundle["acts"]] == [None] * len(bundle["acts"])
    assert bundle["acts"][0]["proof"]["nonce"] is None
    assert bundle["acts"][0]["proof"]["leaf"] == receipt["assentProof"]["leaf"]
    assert "ada@example.org" not in json.dumps(bundle)


@pytest.mark.parametrize("name", ["subject", "number", "address"])
def test_the_command_proves_for_a_contact_by_any_name(ada, topic, capsys, tmp_path, name):
    names = {"subject": str(ada.subject), "number": str(ada.pk), "address": "ada@example.org"}
    call_command(
        "prove_consent", contact=names[name], topic=topic.key, channel="email",
        html=tmp_path / "proof.html",
    )  # fmt: skip
    bundle = json.loads(capsys.readouterr().out)
    assert bundle["answer"]["in_force"]
    assert "Permission was in force" in (tmp_path / "proof.html").read_text()


@pytest.mark.parametrize("at", ["2020-01-01", "2020-01-01T12:00:00Z", "2020-01-01T12:00:00+02:00"])
def test_the_command_takes_a_moment(ada, topic, capsys, at):
    call_command("prove_consent", f"--at={at}", contact=str(ada.pk), topic=topic.key)
    assert json.loads(capsys.readouterr().out)["answer"]["state"] is None


@pytest.mark.parametrize(
    "asked",
    [{"contact": "nobody@example.org"}, {"contact": "x"}, {"contact": "999999999"},
     {"contact": "no@"}, {"topic": "unknown"}],
)  # fmt: skip
def test_the_command_refuses_what_it_does_not_know_without_repeating_it(ada, topic, asked):
    with pytest.raises(CommandError) as refusal:
        call_command("prove_consent", **{"contact": str(ada.pk), "topic": topic.key} | asked)
    assert "nobody@example.org" not in str(refusal.value)


def test_the_command_issues_a_receipt(ada, topic, capsys):
    about = {"contact": str(ada.pk), "topic": topic.key}
    call_command("issue_receipt", **about)
    assert is_good(json.loads(capsys.readouterr().out))
    make.withdrawn(ada, topic)
    with pytest.raises(CommandError, match="No consent stands"):
        call_command("issue_receipt", **about)
    call_command("issue_receipt", "--history", **about)
    assert json.loads(capsys.readouterr().out)["@type"] == "dpv:ConsentReceipt"
