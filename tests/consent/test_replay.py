"""Whatever people, staff, providers and imports do, in any order: what must hold after each act."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from consent import gate, imports, ledger, links, replay, services
from consent.models import (
    ActorRole,
    Basis,
    ConsentEvent,
    ConsentEvidence,
    Kind,
    Method,
    Permission,
    Suppression,
    Topic,
    Wording,
)
from consent.services import Choice, ConsentError
from contacts import addresses
from contacts import services as contacts
from contacts.models import Channel, Contact
from tests import make

pytestmark = pytest.mark.django_db

MAILBOXES = ["one@example.org", "two@example.org", "three@example.org"]
CHANNELS = [Channel.EMAIL, Channel.SMS]
OWN = {Method.CONFIRMATION, Method.PREFERENCES, Method.KEYWORD}
NO = {Kind.WITHDRAWN, Kind.OBJECTED, Kind.COMPLAINED, Kind.REFUSED}
STATUSES = ["subscribed", "pending", "unsubscribed", "bounced", "complained", "suppressed"]
WORDS = "Yes; send me your news by email. I can stop at any time."
REDUCING = [
    Kind.WITHDRAWN, Kind.OBJECTED, Kind.COMPLAINED, Kind.RESTRICTED, Kind.UNRESTRICTED, Kind.ERASED,
]  # fmt: skip


@dataclass
class World:
    """Two people, a topic with double opt-in and one without; `acts` are done to them one by one."""

    topics: list[Topic] = field(default_factory=list)
    people: list[Contact] = field(default_factory=list)
    words: dict[tuple[str, str], Wording] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.topics = [make.topic("news"), make.topic("offers", double_opt_in=False)]
        for number, mailbox in enumerate(MAILBOXES[:2]):
            self.people.append(make.contact(mailbox, phone=f"+3361234567{number}"))
        for topic in self.topics:
            for channel in CHANNELS:
                self.words[topic.key, channel] = make.wording(topic, channel)

    def do(self, act: "Act") -> None:
        contact = Contact.objects.get(pk=self.people[act.person].pk)
        topic = self.topics[act.topic]
        try:
            with transaction.atomic():
                act.deed(self, contact, topic, act)
        except (ConsentError, contacts.ContactError, imports.ImportRefused):
            pass


@dataclass(frozen=True)
class Act:
    deed: Callable[..., None]
    person: int
    topic: int
    channel: str
    everything: bool
    days_ago: int
    kind: Kind
    method: Method
    role: ActorRole
    mailbox: str

    def __repr__(self) -> str:
        return " ".join(
            map(str, (self.deed.__name__, self.person, self.topic, self.channel, self.everything,
                      self.days_ago, self.kind, self.method, self.role, self.mailbox))
        )  # fmt: skip


def ask(world: World, contact: Contact, topic: Topic, act: Act) -> None:
    services.request_consent(
        email=contact.identity.email, wordings=[world.words[topic.key, act.channel]], language="en"
    )


def confirm(world: World, contact: Contact, topic: Topic, act: Act) -> None:
    services.confirm(
        contact=contact,
        wordings=[world.words[topic.key, act.channel]],
        address=contact.addresses.current().get(channel=act.channel),
        details={},
    )


def give_elsewhere(world: World, contact: Contact, topic: Topic, act: Act) -> None:
    make.given_elsewhere(contact, topic, act.channel)


def choose(world: World, contact: Contact, topic: Topic, act: Act) -> None:
    words = world.words[topic.key, act.channel]
    services.save_preferences(
        contact=contact, choices=[Choice(topic, act.channel, act.everything, words)]
    )


def withdraw(world: World, contact: Contact, topic: Topic, act: Act) -> None:
    services.withdraw(
        contact=contact,
        topic=None if act.everything else topic,
        channel="" if act.kind == Kind.WITHDRAWN else act.channel,
        method=Method.STOP_PAGE,
        occurred_at=timezone.now() - timedelta(days=act.days_ago) if act.days_ago else None,
    )


def object_to(world: World, contact: Contact, topic: Topic, act: Act) -> None:
    services.object_to_everything(contact=contact, channel=act.channel, method=Method.STOP_PAGE)


def complain(world: World, contact: Contact, topic: Topic, act: Act) -> None:
    services.record_complaint(contact=contact, channel=act.channel, details={})


def follow_stop_link(world: World, contact: Contact, topic: Topic, act: Act) -> None:
    address = contact.addresses.filter(channel=Channel.EMAIL).order_by("pk").first()
    stop = links.Stop(contact.subject, bytes(address.fingerprint), 1, topic.key, Channel.EMAIL)
    services.stop_by_link(stop=stop, everything=act.everything, method=Method.ONE_CLICK)


def undo(world: World, contact: Contact, topic: Topic, act: Act) -> None:
    withdrawn = ConsentEvent.objects.filter(subject=contact.subject, kind=Kind.WITHDRAWN).last()
    if withdrawn:
        services.undo_withdrawal(event=withdrawn, contact=contact)


def move(world: World, contact: Contact, topic: Topic, act: Act) -> None:
    contacts.change_address(contact=contact, channel=Channel.EMAIL, address=act.mailbox)


def suppress(world: World, contact: Contact, topic: Topic, act: Act) -> None:
    services.suppress_address(
        channel=Channel.EMAIL, address=act.mailbox, topic=None, cause=Suppression.Cause.STAFF
    )


def record(world: World, contact: Contact, topic: Topic, act: Act) -> None:
    """Any act at all, past the door, with any time."""
    is_all = act.everything and act.kind in REDUCING
    ledger.record(
        contact=contact,
        topic=None if is_all else topic,
        channel="" if is_all else act.channel,
        kind=act.kind,
        method=act.method,
        actor=ledger.Actor(act.role),
        basis=Basis.SOFT_OPT_IN if act.kind == Kind.BASIS_RECORDED else "",
        address=contact.addresses.current().filter(channel=act.channel).first(),
        wording=world.words[topic.key, act.channel] if act.days_ago % 2 else None,
        occurred_at=timezone.now() - timedelta(days=act.days_ago - 1) if act.days_ago else None,
        undoes=ConsentEvent.objects.filter(subject=contact.subject).last(),
    )


def record_twice(world: World, contact: Contact, topic: Topic, act: Act) -> None:
    record(world, contact, topic, act)
    record(world, contact, topic, act)


def bring_in(world: World, contact: Contact, topic: Topic, act: Act) -> None:
    """A file with a row for every mailbox, of any status, shown or only claimed."""
    status = STATUSES[(act.days_ago + list(Kind).index(act.kind)) % len(STATUSES)]
    dates = ["", "2024-03-01T10:00:00+00:00", timezone.now().isoformat(), "2026-11-20"]
    lines = ["email,status,topic,channel,consent_date,source,wording"]
    for mailbox in MAILBOXES:
        row = [mailbox, status, topic.key, Channel.EMAIL, dates[act.days_ago], "Paper form"]
        lines.append(",".join([*row, WORDS if act.everything else ""]))
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        file.write("\n".join(lines))
        file.flush()
        imports.run(imports.start(path=file.name))


DEEDS = [
    ask, confirm, confirm, give_elsewhere, choose, withdraw, withdraw, object_to, complain,
    follow_stop_link, undo, move, suppress, record, record, record_twice, bring_in,
]  # fmt: skip
acts = st.builds(
    Act,
    deed=st.sampled_from(DEEDS),
    person=st.integers(0, 1),
    topic=st.integers(0, 1),
    channel=st.sampled_from(CHANNELS),
    everything=st.booleans(),
    days_ago=st.integers(0, 3),
    kind=st.sampled_from(list(Kind)),
    method=st.sampled_from(list(Method)),
    role=st.sampled_from(list(ActorRole)),
    mailbox=st.sampled_from(MAILBOXES),
)
histories = st.lists(acts, min_size=1, max_size=14)
# What chance meets too rarely: a yes that staff, an import or another basis says after a no.
NO_TO_NEWS = Act(
    withdraw, 0, 0, Channel.EMAIL, everything=False, days_ago=0, kind=Kind.OBJECTED,
    method=Method.STAFF, role=ActorRole.STAFF, mailbox=MAILBOXES[2],
)  # fmt: skip
YES_BY_STAFF = replace(NO_TO_NEWS, deed=record, kind=Kind.GIVEN)
examples = settings(
    max_examples=30,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    # The world is made once; every example begins in it anew.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def world() -> World:
    return World()


@contextlib.contextmanager
def anew(world: World, history: list[Act]) -> Iterator[None]:
    """The world as it is after these acts, and afterwards as it was before them."""
    with transaction.atomic():
        for act in history:
            world.do(act)
        yield
        transaction.set_rollback(True)


def events_about(contact: Contact, topic: Topic, channel: str) -> list[ConsentEvent]:
    return [
        event
        for event in ConsentEvent.objects.filter(subject=contact.subject).order_by("id")
        if event.topic_id in (None, topic.key) and event.channel in ("", channel)
    ]


def own_yeses(events: list[ConsentEvent]) -> list[ConsentEvent]:
    return [
        event
        for event in events
        if event.kind in (Kind.GIVEN, Kind.RENEWED)
        and event.actor_role == ActorRole.SUBJECT
        and event.method in OWN
        and event.occurred_at == event.recorded_at
    ]


def is_undone(no: ConsentEvent, events: list[ConsentEvent]) -> bool:
    return no.kind == Kind.WITHDRAWN and any(
        event.kind == Kind.UNDONE and event.undoes_id == no.pk for event in events
    )


def has_said_no(contact: Contact, topic: Topic, channel: str) -> bool:
    """In plain words, without the state machine: a no without an own later yes stands."""
    events = events_about(contact, topic, channel)
    return any(
        no.kind in NO
        and not is_undone(no, events)
        and not any(yes.occurred_at > no.occurred_at for yes in own_yeses(events))
        for no in events
    )


def is_stopped_at_the_address(contact: Contact, topic: Topic, channel: str) -> bool:
    """Somebody at this address, whoever, said no after this person last said yes there."""
    address = contact.addresses.current().filter(channel=channel).first()
    if address is None:
        return False
    events = events_about(contact, topic, channel)
    undone = [event for event in events if event.kind == Kind.UNDONE]
    yeses = [yes.occurred_at for yes in own_yeses(events) + undone]
    return any(
        not yeses or stop.since >= max(yeses)
        for stop in Suppression.objects.filter(channel=channel, fingerprint=address.fingerprint)
        if stop.topic_id in (None, topic.pk)
    )


def everywhere(world: World) -> list[tuple[Contact, Topic, str]]:
    return [
        (Contact.objects.get(pk=contact.pk), topic, channel)
        for contact in world.people
        for topic in world.topics
        for channel in CHANNELS
    ]


@examples
@given(history=histories)
@example(history=[NO_TO_NEWS, YES_BY_STAFF])
@example(history=[NO_TO_NEWS, replace(NO_TO_NEWS, deed=move), YES_BY_STAFF])
@example(history=[NO_TO_NEWS, replace(YES_BY_STAFF, kind=Kind.BASIS_RECORDED)])
@example(history=[NO_TO_NEWS, replace(YES_BY_STAFF, days_ago=2)])
def test_whatever_happened_the_permissions_follow_and_only_a_yes_that_stands_allows(
    world: World, history: list[Act]
) -> None:
    with anew(world, history):
        assert list(replay.differences()) == []
        for contact, topic, channel in everywhere(world):
            nobody_is_allowed_who_said_no(contact, topic, channel)
            nobody_is_allowed_without_a_yes_for_the_current_address(contact, topic, channel)


def nobody_is_allowed_who_said_no(contact: Contact, topic: Topic, channel: str) -> None:
    """Not without a fresh act of theirs."""
    no = has_said_no(contact, topic, channel)
    if no:
        assert not contact.permissions.granted().filter(topic=topic, channel=channel).exists()
    if no or is_stopped_at_the_address(contact, topic, channel):
        assert not services.is_allowed(contact=contact, topic=topic, channel=channel)


def nobody_is_allowed_without_a_yes_for_the_current_address(
    contact: Contact, topic: Topic, channel: str
) -> None:
    decision = gate.explain(contact=contact, topic=topic, channel=channel)
    if not decision.is_allowed:
        return
    assert decision.event_id
    event = ConsentEvent.objects.get(pk=decision.event_id)
    assert event.kind in (Kind.GIVEN, Kind.RENEWED, Kind.UNDONE)
    assert event.subject == contact.subject
    assert (event.topic_id, event.channel) == (topic.key, channel)
    assert ConsentEvent.objects.filter(
        subject=contact.subject, evidence__details__address=str(decision.address_id)
    ).exists()


@examples
@given(history=histories, files=st.lists(acts, min_size=1, max_size=4))
def test_no_file_brings_back_a_person_who_said_no(
    world: World, history: list[Act], files: list[Act]
) -> None:
    with anew(world, history):
        stopped = [each for each in everywhere(world) if has_said_no(*each)]
        for act in files:
            world.do(replace(act, deed=bring_in))
        for contact, topic, channel in stopped:
            assert not contact.permissions.granted().filter(topic=topic, channel=channel).exists()
            assert not services.is_allowed(contact=contact, topic=topic, channel=channel)


def test_it_finds_and_puts_right_what_does_not_follow_from_the_ledger(capsys: Any) -> None:
    topic = make.topic()
    ada, bo, cy = make.contact(), make.contact(), make.contact()
    for contact in (ada, bo, cy):
        make.granted(contact, topic)
    make.withdrawn(cy, topic)
    Permission.objects.filter(contact=cy).update(state="granted", stopped=False)
    Permission.objects.filter(contact=bo).delete()
    other = make.topic("offers")
    granted = Permission.objects.get(contact=ada)
    granted.pk = None
    granted.topic = other
    granted.save()

    found = {(difference.subject, difference.kind) for difference in replay.differences(batch=2)}

    assert found == {(ada.subject, "unfounded"), (bo.subject, "missing"), (cy.subject, "changed")}
    with pytest.raises(SystemExit):
        call_command("rebuild_permissions", "--check")
    call_command("rebuild_permissions", "--json")
    call_command("rebuild_permissions", "--check", "--json")
    assert capsys.readouterr().out.endswith('{"permissions": 3, "differences": 0}\n')
    assert gate.explain(contact=cy, topic=topic, channel=Channel.EMAIL).reason == "withdrawn"


def test_it_replays_the_same_after_evidence_of_an_erased_person_is_gone() -> None:
    topic = make.topic()
    ada = make.contact()
    make.granted(ada, topic)
    ledger.record(
        contact=ada,
        topic=None,
        channel="",
        kind=Kind.ERASED,
        method=Method.JOB,
        actor=ledger.SYSTEM,
    )
    ConsentEvidence.objects.filter(event__subject=ada.subject).delete()
    assert list(replay.differences()) == []
    assert {permission.state for permission in ada.permissions.all()} == {"erased"}


def test_it_takes_an_act_dated_in_the_future_for_no_live_one() -> None:
    topic = make.topic()
    ada = make.contact()
    event = ledger.record(
        contact=ada,
        topic=topic,
        channel=Channel.EMAIL,
        kind=Kind.GIVEN,
        method=Method.CONFIRMATION,
        actor=ledger.SUBJECT,
        occurred_at=timezone.now() + timedelta(days=1),
    )
    assert event.occurred_at < event.recorded_at
    assert Permission.objects.get(contact=ada).fresh_at is None


def test_it_stops_a_topic_on_every_channel_at_once() -> None:
    topic = make.topic()
    ada = make.contact("ada@example.org", phone="+33612345678")
    make.granted(ada, topic)
    make.granted(ada, topic, Channel.SMS)
    services.withdraw(contact=ada, topic=topic, channel="", method=Method.STOP_PAGE)
    assert not any(services.is_allowed(contact=ada, topic=topic, channel=c) for c in CHANNELS)
    fingerprint = addresses.fingerprint("ada@example.org")
    assert Suppression.objects.filter(fingerprint=fingerprint, topic=topic).exists()
