"""What comes back is taken: it settles deliveries, it may take permission away, it never gives any."""

import json
from base64 import b64encode
from email.message import EmailMessage

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.test import Client

from campaigns import feedback, message_ids, services
from campaigns.models import Campaign, Delivery
from campaigns.reports import Report, What, read_mail
from consent import gate
from consent.models import ConsentEvent, Permission, Suppression, Topic
from contacts import rights
from contacts.models import Contact
from tests import make
from tests.campaigns import engine
from tests.sink import Mode, Sink

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State
SECRET = "anymail:a-long-random-password"
EVERYBODY = "ada@example.org", "bo@example.org"


@pytest.fixture
def ada(settings: LazySettings, sink: Sink) -> Contact:
    """Ada and Bo got a campaign."""
    settings.ANYMAIL = {"WEBHOOK_SECRET": SECRET}
    topic = make.topic()
    for address in EVERYBODY:
        make.granted(make.contact(address), topic)
    engine.work(engine.started(make.campaign(topic)))
    return Contact.objects.get(identity__email="ada@example.org")


def delivery_of(contact: Contact) -> Delivery:
    return Delivery.objects.select_related("campaign__topic").get(contact=contact)


def message_id_of(contact: Contact) -> str:
    one = delivery_of(contact)
    return message_ids.spell(
        one.campaign_id, one.pk, domain="acme.example", key=message_ids.current_key()
    )


def reason_for(contact: Contact) -> str:
    return gate.explain(contact=contact, topic=Topic.objects.get(), channel="email").reason


def post(provider: str, payload: object, secret: str = SECRET) -> int:
    return (
        Client()
        .post(
            f"/feedback/{provider}/",
            json.dumps(payload),
            content_type="application/json",
            headers={"Authorization": f"Basic {b64encode(secret.encode()).decode()}"},
        )
        .status_code
    )


def postmark(record: str, message_id: str, **fields: object) -> dict[str, object]:
    """As Postmark posts; see its documentation of bounce, delivery and spam complaint webhooks."""
    return {
        "RecordType": record,
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Metadata": {"assent": message_id},
        **fields,
    }


def postmark_bounce(message_id: str, details: str, kind: str = "HardBounce") -> dict[str, object]:
    return postmark(
        "Bounce", message_id, ID=42, Type=kind, Email="ada@example.org",
        BouncedAt="2026-11-23T09:30:00Z", Details=details,
        Description="The server was unable to deliver your message",
    )  # fmt: skip


def brevo(event: str, message_id: str, **fields: object) -> dict[str, object]:
    """As Brevo's transactional webhook posts: the message named by the id that its API had answered."""
    return {
        "event": event,
        "email": "ada@example.org",
        "id": 1,
        "date": "2026-11-23 09:30:00",
        "ts_epoch": 1795426200000,
        "message-id": message_id,
        "subject": "News",
        **fields,
    }


# By webhook


def test_it_says_delivered_when_the_provider_does(ada: Contact) -> None:
    assert (
        post("postmark", postmark("Delivery", message_id_of(ada), Recipient="ada@example.org"))
        == 200
    )
    assert delivery_of(ada).state == State.DELIVERED
    assert reason_for(ada) == ""


def test_it_condemns_an_address_that_does_not_exist(ada: Contact) -> None:
    bounce = postmark_bounce(message_id_of(ada), "smtp;550 5.1.1 <ada@example.org> unknown")
    assert post("postmark", bounce) == 200
    one = delivery_of(ada)
    assert (one.state, reason_for(ada)) == (State.BOUNCED, "undeliverable")
    assert "5.1.1" in one.diagnostic
    assert "ada" not in one.diagnostic


@pytest.mark.parametrize(
    "details",
    [
        "smtp;550 5.7.515 Access denied",
        "smtp;452 4.2.2 mailbox full",
        "smtp;554 5.4.7 expired",
        "no",
    ],
)
def test_it_condemns_nobody_for_our_own_faults_or_the_moment(ada: Contact, details: str) -> None:
    assert post("postmark", postmark_bounce(message_id_of(ada), details)) == 200
    assert (delivery_of(ada).state, reason_for(ada)) == (State.BOUNCED, "")


def test_it_takes_a_complaint_as_a_no_to_the_topic(ada: Contact) -> None:
    other = make.topic("offers")
    make.granted(ada, other)
    complaint = postmark("SpamComplaint", message_id_of(ada), Type="SpamComplaint", ID=1)
    assert [post("postmark", complaint) for _ in range(2)] == [200, 200]

    assert delivery_of(ada).state == State.COMPLAINED
    events = ConsentEvent.objects.filter(subject=ada.subject, kind="complained")
    assert [(event.topic_id, event.actor_role) for event in events] == [
        ("product-news", "provider")
    ]
    permission = Permission.objects.get(contact=ada, topic__key="product-news")
    assert permission.state == Permission.State.COMPLAINED
    suppression = Suppression.objects.get()
    assert suppression.cause == Suppression.Cause.COMPLAINED
    assert bytes(suppression.fingerprint) == bytes(ada.addresses.get().fingerprint or b"")
    assert gate.explain(contact=ada, topic=other, channel="email").is_allowed


def test_it_finds_the_message_by_the_providers_id_and_the_recipient(ada: Contact) -> None:
    Delivery.objects.filter(contact=ada).update(provider_id="<202611230930.1@smtp-relay.example>")
    assert post("brevo", brevo("delivered", "<202611230930.2@smtp-relay.example>")) == 200
    assert delivery_of(ada).state == State.SENT
    by_somebody = brevo("delivered", "<202611230930.1@smtp-relay.example>", email="bo@example.org")
    assert post("brevo", by_somebody) == 200
    assert {each.state for each in Delivery.objects.all()} == {State.SENT}
    assert post("brevo", brevo("delivered", "<202611230930.1@smtp-relay.example>")) == 200
    assert delivery_of(ada).state == State.DELIVERED


@pytest.mark.parametrize(
    ("event", "words", "reason"),
    [
        ("hard_bounce", "550 5.1.1 no such user", "undeliverable"),
        ("invalid_email", "", "undeliverable"),
        ("soft_bounce", "452 4.2.2 mailbox full", ""),
        ("hard_bounce", "550 blocked", ""),
    ],
)
def test_it_reads_a_bounce_of_another_provider(
    ada: Contact, event: str, words: str, reason: str
) -> None:
    custom = json.dumps({"assent": message_id_of(ada)})
    bounce = brevo(event, "<1@smtp-relay.example>", reason=words, **{"X-Mailin-custom": custom})
    assert post("brevo", bounce) == 200
    assert (delivery_of(ada).state, reason_for(ada)) == (State.BOUNCED, reason)


def test_it_takes_an_unsubscription_at_the_provider_as_a_withdrawal(ada: Contact) -> None:
    assert post("brevo", brevo("unsubscribe", message_id_of(ada))) == 200
    event = ConsentEvent.objects.get(subject=ada.subject, kind="withdrawn")
    assert (event.topic_id, event.method, event.actor_role) == (
        "product-news",
        "feedback",
        "provider",
    )
    assert not gate.explain(contact=ada, topic=Topic.objects.get(), channel="email").is_allowed
    assert delivery_of(ada).state == State.SENT


@pytest.mark.parametrize(
    "event", ["list_addition", "opened", "click", "deferred", "request", "new"]
)
def test_it_gives_nothing_and_measures_nothing(ada: Contact, event: str) -> None:
    make.withdrawn(ada, Topic.objects.get())
    before = reason_for(ada), ConsentEvent.objects.count()
    assert post("brevo", brevo(event, message_id_of(ada))) == 200
    assert (reason_for(ada), ConsentEvent.objects.count()) == before
    assert delivery_of(ada).state == State.SENT


@pytest.mark.parametrize("secret", ["", "anymail:guessed", SECRET + "x"])
def test_it_refuses_a_forged_secret(ada: Contact, secret: str) -> None:
    complaint = postmark("SpamComplaint", message_id_of(ada), Type="SpamComplaint")
    assert post("postmark", complaint, secret) == 400
    assert (delivery_of(ada).state, reason_for(ada)) == (State.SENT, "")


def test_it_has_no_webhook_when_there_is_no_secret(ada: Contact, settings: LazySettings) -> None:
    settings.ANYMAIL = {}
    assert post("postmark", postmark("Delivery", message_id_of(ada))) == 404
    assert delivery_of(ada).state == State.SENT


def test_it_does_nothing_when_it_is_not_a_post(ada: Contact) -> None:
    assert Client().get("/feedback/postmark/").status_code == 405
    assert Client().head("/feedback/postmark/").status_code == 200
    assert Client().post("/feedback/nobody/").status_code == 404


def test_it_does_nothing_for_messages_of_others(ada: Contact) -> None:
    forged = (
        f"<assent.{delivery_of(ada).campaign_id}.{delivery_of(ada).pk}.{'a' * 16}@acme.example>"
    )
    for message_id in (forged, "", "<other@example.com>"):
        assert post("postmark", postmark_bounce(message_id, "5.1.1")) == 200
    assert (delivery_of(ada).state, reason_for(ada)) == (State.SENT, "")


# By mail


def returned(what: str, contact: Contact, fields: str, *, headers_only: bool = False) -> bytes:
    """A report as mail servers write it: words for people, words for machines, the message."""
    machine = "delivery-status" if what == "delivery-status" else "feedback-report"
    original = (
        "From: Acme <news@acme.example>\nTo: ada@example.org\nSubject: News\n"
        f"Message-ID: {message_id_of(contact)}\n"
    )
    kind = "text/rfc822-headers" if headers_only else "message/rfc822"
    body = "" if headers_only else "\nHello Ada!\n"
    text = f"""Return-Path: <>
From: MAILER-DAEMON@mx.example.org (Mail Delivery System)
To: news@acme.example
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type={what}; boundary="b1"

This is a MIME-encapsulated message.

--b1
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you.

--b1
Content-Type: message/{machine}

{fields}
--b1
Content-Type: {kind}

{original}{body}
--b1--
"""
    return text.encode()


def status(action: str, code: str, recipient: str = "ada@example.org") -> str:
    return f"""Reporting-MTA: dns; mx.example.org
X-Postfix-Queue-ID: 4QXyz
Arrival-Date: Mon, 23 Nov 2026 09:30:00 +0000 (UTC)

Final-Recipient: rfc822; {recipient}
Original-Recipient: rfc822;{recipient}
Action: {action}
Status: {code}
Remote-MTA: dns; mail.example.org
Diagnostic-Code: smtp; 550 {code} <{recipient}>: Recipient address rejected:
    User unknown in virtual mailbox table
"""


ABUSE = """Feedback-Type: abuse
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <news@acme.example>
Original-Rcpt-To: <ada@example.org>
"""


def taken(*files: object) -> None:
    call_command("take_feedback", *map(str, files))


def test_it_takes_bounces_and_complaints_out_of_a_mailbox(ada: Contact, tmp_path, capsys) -> None:
    bo = Contact.objects.get(identity__email="bo@example.org")
    plain = EmailMessage()
    plain["Subject"] = "Out of office"
    plain.set_content("Back on Monday")
    mails = [
        returned("delivery-status", ada, status("failed", "5.1.1")),
        plain.as_bytes(),
        returned("feedback-report", bo, ABUSE.replace("ada@", "bo@")),
    ]
    box = tmp_path / "mbox"
    box.write_bytes(
        b"".join(b"From MAILER-DAEMON Mon Nov 23 09:30:00 2026\n" + mail + b"\n" for mail in mails)
    )
    taken(box)
    assert capsys.readouterr().out.strip() == "1 bounced, 1 complained, 1 no report"
    assert (delivery_of(ada).state, reason_for(ada)) == (State.BOUNCED, "undeliverable")
    assert (delivery_of(bo).state, reason_for(bo)) == (State.COMPLAINED, "complained")


@pytest.mark.parametrize(
    ("action", "code", "state", "reason"),
    [
        ("failed", "5.1.1", State.BOUNCED, "undeliverable"),
        ("failed", "5.2.1", State.BOUNCED, "undeliverable"),
        ("failed", "5.7.1", State.BOUNCED, ""),
        ("failed", "4.4.7", State.BOUNCED, ""),
        ("delayed", "4.4.1", State.SENT, ""),
        ("delivered", "2.0.0", State.DELIVERED, ""),
    ],
)
def test_it_reads_what_a_status_notification_says(
    ada: Contact, tmp_path, action: str, code: str, state: str, reason: str
) -> None:
    file = tmp_path / "dsn"
    file.write_bytes(returned("delivery-status", ada, status(action, code), headers_only=True))
    taken(file)
    assert (delivery_of(ada).state, reason_for(ada)) == (state, reason)


def test_it_condemns_no_address_when_another_one_failed_that_it_forwards_to(
    ada: Contact, tmp_path
) -> None:
    file = tmp_path / "dsn"
    file.write_bytes(
        returned("delivery-status", ada, status("failed", "5.1.1", "elsewhere@example.com"))
    )
    taken(file)
    assert (delivery_of(ada).state, reason_for(ada)) == (State.BOUNCED, "")


def test_it_tells_bounces_apart_by_their_return_address_when_nothing_else_is_returned(
    sink: Sink, tmp_path
) -> None:
    topic = make.topic()
    for address in EVERYBODY:
        make.granted(make.contact(address), topic)
    campaign = make.campaign(topic)
    campaign.sender.bounces_to = "bounces@acme.example"
    campaign.sender.save()
    engine.work(engine.started(campaign))
    paths = {each.recipient: each.sender for each in sink.taken()}
    assert len(set(paths.values())) == 2
    assert all(path.startswith("bounces+") for path in paths.values())
    ada = Contact.objects.get(identity__email="ada@example.org")
    machine = status("failed", "5.1.1")
    bare = returned("delivery-status", ada, machine).replace(b"Message-ID: <assent.", b"X-Id: <")
    file = tmp_path / "dsn"
    file.write_bytes(bare)
    taken(file)
    assert delivery_of(ada).state == State.SENT
    file.write_bytes(
        bare.replace(b"To: news@acme.example", b"To: " + paths["ada@example.org"].encode())
    )
    taken(file)
    assert (delivery_of(ada).state, reason_for(ada)) == (State.BOUNCED, "undeliverable")


def test_it_takes_the_plain_return_address_when_a_named_one_were_too_long() -> None:
    named = message_ids.spell(1, 2, domain="acme.example", key=b"k")
    assert message_ids.return_path("b@acme.example", named).startswith("b+assent.1.2.")
    long = f"{'bounces' * 6}@acme.example"
    assert message_ids.return_path(long, named) == long


def test_it_counts_no_complaint_when_a_reader_says_it_is_not_spam(ada: Contact) -> None:
    kind = ABUSE.replace("abuse", "not-spam")
    assert read_mail(returned("feedback-report", ada, kind)) == []


def test_it_says_which_file_cannot_be_read(tmp_path) -> None:
    with pytest.raises(CommandError, match="nothing-here cannot be read: No such file"):
        taken(tmp_path / "nothing-here")


@pytest.mark.parametrize(
    "octets", [b"", b"\xff\xfe", b"From", b"Content-Type: multipart/report\n\nx"]
)
def test_it_finds_no_report_in_what_is_none(octets: bytes) -> None:
    assert read_mail(octets) == []


# What follows


@pytest.mark.parametrize(
    ("what", "state"), [(What.DELIVERED, State.DELIVERED), (What.BOUNCED, State.BOUNCED)]
)
def test_it_settles_an_unknown_delivery(ada: Contact, what: What, state: str) -> None:
    Delivery.objects.filter(contact=ada).update(state=State.UNKNOWN, reason="no_answer")
    assert feedback.take(Report(what, message_id=message_id_of(ada)))
    one = delivery_of(ada)
    assert (one.state, one.reason) == (state, "")


def test_it_never_moves_back_when_reports_come_in_another_order(ada: Contact) -> None:
    for what in (What.COMPLAINED, What.BOUNCED, What.DELIVERED):
        feedback.take(Report(what, message_id=message_id_of(ada)))
    assert delivery_of(ada).state == State.COMPLAINED


def test_it_keeps_an_erased_person_erased(ada: Contact) -> None:
    message_id = message_id_of(ada)
    rights.erase(contact=ada)
    events = ConsentEvent.objects.count()
    words = "550 no mailbox of Ada Lovelace"
    feedback.take(Report(What.BOUNCED, message_id=message_id, status="5.1.1", words=words))
    assert Delivery.objects.get(contact=ada).diagnostic == "5.1.1"
    feedback.take(Report(What.COMPLAINED, message_id=message_id))
    assert ConsentEvent.objects.count() == events


def test_it_pauses_a_campaign_when_too_many_come_back(sink: Sink) -> None:
    topic = make.topic()
    for _ in range(25):
        make.granted(make.contact(), topic)
    campaign = engine.work(engine.started(make.campaign(topic)))
    Campaign.objects.filter(pk=campaign.pk).update(state=Campaign.State.SENDING)
    people = [each.contact for each in Delivery.objects.filter(campaign=campaign)]

    for contact in people[:19]:
        feedback.take(Report(What.BOUNCED, message_id=message_id_of(contact), status="5.7.1"))
    # The same once more counts once.
    feedback.take(Report(What.BOUNCED, message_id=message_id_of(people[0]), status="5.7.1"))
    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.SENDING

    feedback.take(Report(What.BOUNCED, message_id=message_id_of(people[19]), status="5.7.1"))
    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.PAUSED
    assert "20 messages came back" in str(campaign.state_reason)


def test_it_stops_again_only_for_as_many_more_when_somebody_resumed_it(sink: Sink) -> None:
    topic = make.topic()
    for _ in range(40):
        make.granted(make.contact(), topic)
    campaign = engine.work(engine.started(make.campaign(topic)))
    Campaign.objects.filter(pk=campaign.pk).update(state=Campaign.State.SENDING)
    people = [each.contact for each in Delivery.objects.filter(campaign=campaign)]

    def come_back(contacts: list[Contact]) -> str:
        for contact in contacts:
            feedback.take(Report(What.BOUNCED, message_id=message_id_of(contact), status="5.7.1"))
        campaign.refresh_from_db()
        return campaign.state

    assert come_back(people[:20]) == Campaign.State.PAUSED
    services.resume_campaign(campaign=campaign)
    assert come_back(people[20:39]) == Campaign.State.SENDING
    assert come_back(people[39:]) == Campaign.State.PAUSED


def test_it_condemns_an_address_that_the_relay_refuses_at_once(sink: Sink) -> None:
    sink.change(Mode(refuse={"ada@": "550 5.1.1 no such user", "bo@": "550 5.7.1 not from you"}))
    topic = make.topic()
    ada, bo = make.contact("ada@example.org"), make.contact("bo@example.org")
    for contact in (ada, bo):
        make.granted(contact, topic)
    campaign = engine.work(engine.started(make.campaign(topic)))
    assert engine.states(campaign) == {"failed": 2}
    assert (reason_for(ada), reason_for(bo)) == ("undeliverable", "")
