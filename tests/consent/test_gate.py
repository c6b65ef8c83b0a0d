"""Each reason of the gate beside the case that is almost the same and allowed, and the order of reasons."""

import ast
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from config import environment
from consent import gate, ledger, renewal, services, soft_opt_in
from consent.gate import Reason
from consent.models import (
    ActorRole,
    Basis,
    ConsentEvent,
    Kind,
    Method,
    Permission,
    Suppression,
    Topic,
    Wording,
)
from contacts import services as contacts
from contacts.models import Address, Channel, Contact
from tests import make

pytestmark = pytest.mark.django_db

EMAIL = Channel.EMAIL


@pytest.fixture
def topic():
    return make.topic()


@pytest.fixture
def ada(topic):
    """Ada, who confirmed."""
    contact = make.contact("ada@example.org")
    make.granted(contact, topic)
    return contact


def reason(contact, topic, channel=EMAIL):
    return gate.explain(contact=contact, topic=topic, channel=channel).reason


def record(contact, kind, topic=None, channel=EMAIL, **fields):
    return ledger.record(
        contact=contact,
        topic=topic,
        channel=channel,
        kind=kind,
        **{"method": Method.STAFF, "actor": ledger.SYSTEM} | fields,
    )


def suppress(contact, topic=None, cause=Suppression.Cause.STAFF):
    ledger.suppress(
        channel=EMAIL,
        fingerprint=contact.addresses.current().get(channel=EMAIL).fingerprint,
        topic=topic,
        cause=cause,
        since=timezone.now(),
    )


def test_it_allows_a_person_who_confirmed(ada, topic):
    assert reason(ada, topic) == ""


def test_it_denies_a_person_who_was_erased(ada, topic):
    Contact.objects.filter(pk=ada.pk).update(erased_at=Now())
    assert reason(ada, topic) == Reason.ERASED


def test_it_denies_while_processing_is_restricted_and_allows_after(ada, topic):
    record(ada, Kind.RESTRICTED, channel="")
    assert reason(ada, topic) == Reason.RESTRICTED
    record(ada, Kind.UNRESTRICTED, channel="")
    assert reason(ada, topic) == ""


@pytest.mark.parametrize("status", [Topic.Status.RETIRED, Topic.Status.DRAFT])
def test_it_denies_a_topic_that_is_not_published(ada, topic, status):
    Topic.objects.filter(pk=topic.pk).update(status=status)
    assert reason(ada, topic) == Reason.TOPIC_RETIRED


def test_it_denies_a_channel_without_an_address(ada, topic):
    assert reason(ada, topic, Channel.SMS) == Reason.NO_ADDRESS
    contacts.change_address(contact=ada, channel=Channel.SMS, address="+33612345678")
    assert reason(ada, topic, Channel.SMS) == Reason.NEVER_ASKED


@pytest.mark.parametrize("cause", set(Suppression.Cause) - {Suppression.Cause.LEGAL})
def test_it_denies_a_suppressed_address_until_the_person_says_yes_from_it(ada, topic, cause):
    suppress(ada, cause=cause)
    assert reason(ada, topic) == Reason.SUPPRESSED
    record(ada, Kind.GIVEN, topic, method=Method.PREFERENCES, actor=ledger.SUBJECT,
           address=ada.addresses.get())  # fmt: skip
    assert reason(ada, topic) == ""


def test_it_never_allows_an_address_under_a_legal_order(ada, topic):
    suppress(ada, cause=Suppression.Cause.LEGAL)
    record(ada, Kind.GIVEN, topic, method=Method.PREFERENCES, actor=ledger.SUBJECT,
           address=ada.addresses.get())  # fmt: skip
    assert reason(ada, topic) == Reason.SUPPRESSED


def test_it_keeps_a_legal_order_when_the_person_withdraws_and_comes_back(ada, topic):
    suppress(ada, topic, cause=Suppression.Cause.LEGAL)
    make.withdrawn(ada, topic)
    record(ada, Kind.GIVEN, topic, method=Method.PREFERENCES, actor=ledger.SUBJECT,
           address=ada.addresses.get())  # fmt: skip
    assert reason(ada, topic) == Reason.SUPPRESSED


def test_it_denies_only_the_topic_that_an_address_is_suppressed_for(ada, topic):
    suppress(ada, make.topic("offers"))
    assert reason(ada, topic) == ""
    suppress(ada, topic)
    assert reason(ada, topic) == Reason.SUPPRESSED


def test_it_denies_an_address_that_does_not_exist_until_it_is_confirmed_again(ada, topic):
    address = ada.addresses.get()
    contacts.mark_undeliverable(address=address)
    assert reason(ada, topic) == Reason.UNDELIVERABLE
    contacts.verify_address(address=address)
    assert reason(ada, topic) == ""


@pytest.mark.parametrize(
    ("kind", "said"),
    [(Kind.OBJECTED, Reason.OBJECTED), (Kind.COMPLAINED, Reason.COMPLAINED),
     (Kind.WITHDRAWN, Reason.WITHDRAWN)],
)  # fmt: skip
def test_it_denies_every_topic_of_a_channel_after_a_no_to_everything(ada, topic, kind, said):
    record(ada, kind)
    assert reason(ada, topic) == said
    assert reason(ada, make.topic("offers")) == said


def test_it_denies_everything_on_every_channel_when_that_was_said(topic):
    bo = make.contact("bo@example.org", phone="+33612345678")
    make.granted(bo, topic)
    make.granted(bo, topic, Channel.SMS)
    record(bo, Kind.OBJECTED, channel=Channel.SMS)
    assert (reason(bo, topic), reason(bo, topic, Channel.SMS)) == ("", Reason.OBJECTED)
    record(bo, Kind.OBJECTED, channel="")
    assert reason(bo, topic) == Reason.OBJECTED


@pytest.mark.parametrize(
    ("kind", "said"),
    [(Kind.REQUESTED, Reason.PENDING), (Kind.ASSERTED, Reason.CLAIMED),
     (Kind.REFUSED, Reason.REFUSED), (Kind.WITHDRAWN, Reason.WITHDRAWN),
     (Kind.REVOKED, Reason.NEVER_ASKED), (Kind.EXPIRED, Reason.NEVER_ASKED)],
)  # fmt: skip
def test_it_denies_what_was_never_given(topic, kind, said):
    bo = make.contact()
    record(bo, kind, topic)
    assert reason(bo, topic) == said


@pytest.mark.parametrize(
    ("kind", "said"),
    [(Kind.REVOKED, Reason.REVOKED), (Kind.EXPIRED, Reason.EXPIRED),
     (Kind.INVALIDATED, Reason.INVALIDATED), (Kind.REFUSED, Reason.WITHDRAWN),
     (Kind.WITHDRAWN, Reason.WITHDRAWN), (Kind.OBJECTED, Reason.OBJECTED),
     (Kind.COMPLAINED, Reason.COMPLAINED)],
)  # fmt: skip
def test_it_denies_after_the_end_of_a_permission(ada, topic, kind, said):
    other = make.topic("offers")
    make.granted(ada, other)
    record(ada, kind, topic)
    assert reason(ada, topic) == said
    assert reason(ada, other) == ""


@pytest.mark.parametrize("kind", [Kind.REQUESTED, Kind.ASSERTED, Kind.RENEWED])
def test_it_still_allows_after_an_act_that_takes_nothing(ada, topic, kind):
    record(ada, kind, topic, address=ada.addresses.get())
    assert reason(ada, topic) == ""


def test_it_denies_the_moment_a_permission_runs_out_before_any_job_ran(ada, topic):
    Permission.objects.filter(contact=ada).update(valid_until=timezone.now() + timedelta(hours=1))
    assert reason(ada, topic) == ""
    Permission.objects.filter(contact=ada).update(valid_until=make.LONG_AGO)
    assert reason(ada, topic) == Reason.EXPIRED


def test_it_denies_another_address_than_the_one_that_said_yes(ada, topic):
    contacts.change_address(contact=ada, channel=EMAIL, address="new@example.org")
    assert reason(ada, topic) == Reason.OTHER_ADDRESS


def test_it_denies_older_consent_after_a_material_change_and_not_after_a_typo(ada, topic):
    typo = make.wording(topic, valid_for=timedelta(days=900))
    assert typo.version > 1
    assert reason(ada, topic) == ""
    make.wording(topic, is_material=True)
    assert reason(ada, topic) == Reason.NEEDS_RENEWAL


def test_it_asks_nobody_again_for_a_change_in_another_language_channel_or_draft(ada, topic):
    make.wording(topic, language="fr")
    make.wording(topic, language="fr", is_material=True)
    make.wording(topic, Channel.SMS)
    make.wording(topic, Channel.SMS, is_material=True)
    Wording.objects.create(
        topic=topic, channel=EMAIL, language="en", version=9, text="y" * 20, is_material=True
    )
    assert reason(ada, topic) == ""


def test_it_allows_again_after_the_person_renewed_to_the_new_words(ada, topic):
    words = make.wording(topic, is_material=True)
    renewal.renew(contact=ada, wordings=[words])
    assert reason(ada, topic) == ""
    assert Permission.objects.get(contact=ada).wording == words


def test_it_denies_consent_without_words_from_before_a_material_change(topic):
    bo = make.contact()
    make.given_elsewhere(bo, topic)
    assert reason(bo, topic) == ""
    make.wording(topic, is_material=True)
    assert reason(bo, topic) == Reason.NEEDS_RENEWAL


def test_it_denies_words_found_bad_before_the_ledger_says_so(ada, topic):
    words = make.wording(topic)
    Wording.objects.filter(pk=words.pk).update(invalidated_at=Now())
    assert reason(ada, topic) == Reason.INVALIDATED


def test_it_denies_a_form_when_the_topic_wants_confirmation(topic):
    bo = make.contact()
    given = {"method": Method.FORM, "actor": ledger.SUBJECT, "address": bo.addresses.get()}
    record(bo, Kind.GIVEN, topic, **given)
    assert reason(bo, topic) == Reason.PENDING
    single = make.topic("offers", double_opt_in=False)
    record(bo, Kind.GIVEN, single, **given)
    assert reason(bo, single) == ""


FACTS = soft_opt_in.Facts(
    sale="Order 4711", products="books", collected_by="Lumen Books", refusal_offered="Box v2"
)


def test_it_denies_soft_opt_in_where_it_is_switched_off(topic, settings):
    bo = make.contact()
    settings.SOFT_OPT_IN_REASON = "PECR regulation 22(3)"
    soft_opt_in.record(
        contact=bo, topic=topic, channel=EMAIL, facts=FACTS, occurred_at=make.LONG_AGO,
        actor=ledger.staff(None),
    )  # fmt: skip
    assert reason(bo, topic) == ""
    settings.SOFT_OPT_IN_REASON = ""
    assert reason(bo, topic) == Reason.BASIS_OFF


def test_it_permits_a_use_of_data_by_what_was_said_wherever_the_person_is_reached(ada):
    use = make.topic("measurement", use=Topic.Use.DATA, offers_email=False, offers_sms=False)
    assert reason(ada, use, Channel.DATA) == Reason.NEVER_ASKED
    record(ada, Kind.GIVEN, use, Channel.DATA, method=Method.PREFERENCES, actor=ledger.SUBJECT,
           address=ada.addresses.get())  # fmt: skip
    contacts.change_address(contact=ada, channel=EMAIL, address="new@example.org")
    assert reason(ada, use, Channel.DATA) == ""
    Permission.objects.filter(topic=use).update(valid_until=make.LONG_AGO)
    assert reason(ada, use, Channel.DATA) == Reason.EXPIRED
    record(ada, Kind.OBJECTED, channel="")
    assert reason(ada, use, Channel.DATA) == Reason.OBJECTED


def pause(contact, **time):
    services.pause(contact=contact, weeks=0, now=timezone.now() + timedelta(**time))


def test_it_denies_messages_during_a_pause_and_no_use_of_data(ada, topic):
    use = make.topic("measurement", use=Topic.Use.DATA, offers_email=False, offers_sms=False)
    record(ada, Kind.GIVEN, use, Channel.DATA, method=Method.PREFERENCES, actor=ledger.SUBJECT,
           address=ada.addresses.get())  # fmt: skip
    pause(ada, hours=1)
    assert reason(ada, topic) == Reason.PAUSED
    assert reason(ada, use, Channel.DATA) == ""
    assert reason(ada, make.topic("offers")) == Reason.NEVER_ASKED
    pause(ada, seconds=-1)
    assert reason(ada, topic) == ""


def test_it_gives_the_first_reason_in_its_order(ada, topic):
    """Every reason applies at once; taken away from the top, the next one shows."""
    address = ada.addresses.get()
    words = make.wording(topic)
    make.wording(topic, is_material=True)
    record(ada, Kind.RESTRICTED, channel="")
    record(ada, Kind.OBJECTED)
    suppress(ada, topic)
    contacts.mark_undeliverable(address=address)
    Topic.objects.filter(pk=topic.pk).update(status=Topic.Status.RETIRED)
    Wording.objects.filter(pk=words.pk).update(invalidated_at=Now())
    them = Contact.objects.filter(pk=ada.pk)
    them.update(erased_at=Now())
    until = timezone.now() + timedelta(weeks=1)
    ours = Permission.objects.filter(contact=ada, topic=topic)
    ours.update(
        state="withdrawn", valid_until=make.LONG_AGO, address=None, method=Method.FORM,
        basis=Basis.SOFT_OPT_IN, wording=words,
    )  # fmt: skip
    steps = [
        (Reason.ERASED, lambda: them.update(erased_at=None, paused_until=until)),
        (Reason.RESTRICTED, lambda: them.update(restricted_at=None)),
        (Reason.TOPIC_RETIRED, lambda: Topic.objects.update(status="published")),
        (Reason.SUPPRESSED, lambda: Suppression.objects.all().delete()),
        (Reason.UNDELIVERABLE, lambda: Address.objects.update(undeliverable_at=None)),
        (Reason.OBJECTED, lambda: Permission.objects.filter(topic=None).delete()),
        (Reason.WITHDRAWN, lambda: ours.update(state="granted", stopped=False)),
        (Reason.BASIS_OFF, lambda: ours.update(basis="consent")),
        (Reason.PENDING, lambda: ours.update(method="confirmation")),
        (Reason.EXPIRED, lambda: ours.update(valid_until=None)),
        (Reason.INVALIDATED, lambda: Wording.objects.update(invalidated_at=None)),
        (Reason.OTHER_ADDRESS, lambda: ours.update(address=address)),
        (Reason.NEEDS_RENEWAL, lambda: ours.update(wording=Wording.objects.get(version=2))),
        (Reason.PAUSED, lambda: services.resume(contact=ada)),
    ]
    for expected, remove in steps:
        assert reason(ada, topic) == expected
        remove()
    assert reason(ada, topic) == ""


def test_it_says_of_many_what_it_says_of_one(topic):
    cast = [make.contact() for _ in range(6)]
    make.granted(cast[0], topic)
    make.granted(cast[1], topic)
    make.withdrawn(cast[1], topic)
    record(cast[2], Kind.COMPLAINED)
    make.given_elsewhere(cast[3], topic)
    suppress(cast[4])
    make.granted(cast[5], topic)
    pause(cast[5], weeks=2)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT c.id, {gate.REASON}, {gate.EVENT} FROM contacts_contact c {gate.JOINS}",
            gate.parameters(topic=topic, channel=EMAIL),
        )
        many = {contact: (said or "", event) for contact, said, event in cursor.fetchall()}
    assert {said for said, _ in many.values()} == {"", "withdrawn", "complained", "suppressed",
                                                   "paused"}  # fmt: skip
    for contact in cast:
        assert many[contact.pk][0] == reason(contact, topic)
    event = ConsentEvent.objects.get(pk=many[cast[0].pk][1])
    assert (event.kind, event.actor_role) == (Kind.GIVEN, ActorRole.SUBJECT)


def test_it_names_every_reason_it_can_give():
    assert {*Permission.State.values} - {"granted"} <= {*Reason.values}


# No other way to a transport


MAIL = {"EmailMessage", "EmailMultiAlternatives", "send_mail", "send_mass_mail", "send_messages",
        "get_connection", "smtplib", "SMTP", "SMTP_SSL", "hand_over"}  # fmt: skip
# Service mail has fixed kinds and no marketing in it; the engine hands over what it claimed through the gate.
MAY_HAND_OVER = {
    "consent/service_mail.py",
    "campaigns/delivery.py",
    "campaigns/transports/",
    "campaigns/mime.py",
    "campaigns/services.py",  # the test message, to staff
    "config/mailbox/",  # takes mail in, sends none
    "config/access/",  # signing in, to staff
}


def test_no_other_path_leads_to_a_transport():
    found = set()
    for app in ("config", "contacts", "consent", "campaigns"):
        for path in (environment.ROOT / app).rglob("*.py"):
            name = path.relative_to(environment.ROOT).as_posix()
            if (
                not any(name.startswith(allowed) for allowed in MAY_HAND_OVER)
                and _names(path) & MAIL
            ):
                found.add(name)
    assert found == set()


def _names(path: Path) -> set[str]:
    """Every name and imported module of a file; words in comments and texts do not count."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.alias):
            names.update(node.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            names.update((node.module or "").split("."))
    return names
