"""People with every mixture of known, empty and absent values: first as plain records, then in the database.

The records are all that a reading of a rule in plain Python may look at.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.utils import timezone

from campaigns.models import Campaign, Delivery, Destination, Hit
from consent.models import ConsentEvent, Permission, Topic
from contacts.models import Channel, Contact, DataField, StaticList, Tag
from tests import make
from tests.campaigns import measuring

Type = DataField.Type
PEOPLE = 20
# Moments lie half a day off, so that no whole number of days ends between planting and asking.
DAYS_AGO = (0.5, 2.5, 9.5, 29.5, 44.5, 400.5)
LANGUAGES = ("fr", "en", "de")
ZONES = ("", "Europe/Paris", "UTC")
STAGES = ("lead", "subscriber", "customer", "lapsed")
TAGS = ("vip", "press", "été")
LISTS = ("Guests", "Jury")
TOPICS = ("news", "events")
STATES = ("granted", "pending", "refused", "withdrawn", "complained", "expired", "claimed")
CAMPAIGNS = {"spring": (60.5, 40.5), "summer": (8.5, None), "plain": (20.5, 10.5)}
HANDED_OVER = {"spring": (50.5, 41.5), "summer": (7.5, 0.5), "plain": (15.5,)}
DELIVERIES = ("sent", "delivered", "complained", "bounced", "pending", "withheld")
FIELDS: dict[str, tuple[str, list[str]]] = {
    "city": (Type.TEXT, []),
    "color": (Type.TEXT, ["red", "blue"]),
    "age": (Type.NUMBER, []),
    "born": (Type.DATE, []),
    "plan": (Type.CHOICE, ["free", "pro", "gold & more"]),
    "works": (Type.YES_NO, []),
    "likes": (Type.LIST, []),
    "moods": (Type.LIST, ["calm", "wild"]),
}
CITIES = ("Lyon", "lyon 3e", "Éclair", "100 %_Paris", "a\\b", 'l\'Île "x"')
NUMBERS = (-3, 0, 1.5, 40, 41, 10**14)
BORN = ("0001-01-01", "1950-02-28", "2024-02-29", "9999-12-31")
LIKES = ("maps", "poetry", "Lyon")


@dataclass
class Standing:
    state: str
    days_ago: float
    valid_for: float | None


@dataclass
class Sent:
    state: str
    days_ago: float
    is_measured: bool
    # Number of the link, or None for an opening → how many days ago at the latest.
    hits: dict[int | None, float]


@dataclass
class Person:
    language: str
    timezone: str
    lifecycle: str
    created: float
    last_active: float | None
    is_restricted: bool
    attributes: dict[str, Any]
    tags: set[str]
    lists: set[str]
    standings: dict[str, Standing]
    sent: dict[str, Sent]
    pk: int = 0


@dataclass
class Planted:
    """The people, the moment they were planted, and the keys that rules name things by."""

    people: list[Person]
    now: datetime
    campaigns: dict[str, str] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)

    def ago(self, days: float) -> datetime:
        return self.now - timedelta(days=days)


def plant(seed: int = 20261124) -> Planted:
    dice = random.Random(seed)
    today = timezone.now().date()
    planted = Planted([_person(dice, today) for _ in range(PEOPLE)], timezone.now())
    for key, (kind, choices) in FIELDS.items():
        make.field(key, kind, choices=choices)
    planted.lists = {name: str(StaticList.objects.create(name=name).pk) for name in LISTS}
    for name in TAGS:
        Tag.objects.create(name=name)
    base, topics = make.topic("base"), [make.topic(key, offers_sms=False) for key in TOPICS]
    topics.append(measuring.topic())
    started = {name: _campaign(planted, base, name) for name in CAMPAIGNS}
    planted.campaigns = {name: str(campaign.pk) for name, campaign in started.items()}
    # Rules ask nothing of events: one stands for all. Whoever gave it was erased and belongs to nothing.
    gone = make.contact()
    event = make.granted(gone, base)
    Contact.objects.filter(pk=gone.pk).update(erased_at=timezone.now())
    for person in planted.people:
        _write(planted, person, event, topics, started)
    return planted


def _person(dice: random.Random, today: date) -> Person:
    def some(values: tuple[str, ...]) -> set[str]:
        return {value for value in values if dice.random() < 0.35}

    return Person(
        language=dice.choice(LANGUAGES),
        timezone=dice.choice(ZONES),
        lifecycle=dice.choice(STAGES),
        created=dice.choice(DAYS_AGO),
        last_active=dice.choice((None, *DAYS_AGO)),
        is_restricted=dice.random() < 0.1,
        attributes=_attributes(dice, today),
        tags=some(TAGS),
        lists=some(LISTS),
        standings={
            key: Standing(
                dice.choice(("granted", *STATES)),
                dice.choice(DAYS_AGO),
                dice.choice((None, None, -0.5, 2.5, 44.5)),
            )
            for key in (*TOPICS, "measurement")
            if dice.random() < 0.75
        },
        sent={name: _sent(dice, name) for name in CAMPAIGNS if dice.random() < 0.7},
    )


def _attributes(dice: random.Random, today: date) -> dict[str, Any]:
    near = [(today + timedelta(days=days)).isoformat() for days in (-30, -3, -1, 0, 1, 3, 30)]
    every = {
        "city": dice.choice(CITIES),
        "color": dice.choice(FIELDS["color"][1]),
        "age": dice.choice(NUMBERS),
        "born": dice.choice((*BORN, *near)),
        "plan": dice.choice(FIELDS["plan"][1]),
        "works": dice.random() < 0.5,
        "likes": dice.sample(LIKES, dice.randint(1, 3)),
        "moods": dice.sample(FIELDS["moods"][1], dice.randint(1, 2)),
    }
    return {key: value for key, value in every.items() if dice.random() < 0.65}


def _sent(dice: random.Random, name: str) -> Sent:
    sent = Sent(
        dice.choice(("sent", *DELIVERIES)),
        dice.choice(HANDED_OVER[name]),
        name != "plain" and dice.random() < 0.8,
        {},
    )
    if sent.is_measured and sent.state not in ("pending", "withheld"):
        for link in (None, 1, 2):
            if dice.random() < 0.4:
                sent.hits[link] = max(sent.days_ago - dice.choice((0, 3, 7)), 0.5)
    return sent


def _campaign(planted: Planted, topic: Topic, name: str) -> Campaign:
    started, finished = CAMPAIGNS[name]
    campaign = make.campaign(topic, name=name)
    Campaign.objects.filter(pk=campaign.pk).update(
        state="sent" if finished else "sending",
        is_measured=name != "plain",
        send_at=planted.ago(started),
        started_at=planted.ago(started),
        finished_at=planted.ago(finished) if finished else None,
    )
    for number in (1, 2) if name != "plain" else ():
        Destination.objects.create(
            campaign=campaign, number=number, url=f"https://lumen.example/{number}"
        )
    return campaign


def _write(
    planted: Planted,
    person: Person,
    event: ConsentEvent,
    topics: list[Topic],
    started: dict[str, Campaign],
) -> None:
    contact = make.contact(language=person.language, attributes=person.attributes)
    person.pk = contact.pk
    Contact.objects.filter(pk=contact.pk).update(
        timezone=person.timezone,
        lifecycle=person.lifecycle,
        created_at=planted.ago(person.created),
        restricted_at=planted.now if person.is_restricted else None,
    )
    contact.tags.set(Tag.objects.filter(name__in=person.tags))
    contact.static_lists.set(StaticList.objects.filter(name__in=person.lists))
    address = contact.addresses.get()
    for topic in topics:
        if standing := person.standings.get(topic.key):
            until = standing.valid_for
            Permission.objects.create(
                contact=contact,
                topic=topic,
                channel=Channel.DATA if topic.key == "measurement" else Channel.EMAIL,
                state=standing.state,
                since=planted.ago(standing.days_ago),
                valid_until=None if until is None else planted.ago(-until),
                event=event,
            )
    for name, sent in person.sent.items():
        was_handed_over = sent.state not in ("pending", "withheld")
        delivery = Delivery.objects.create(
            campaign=started[name],
            contact=contact,
            state=sent.state,
            reason="paused" if sent.state == "withheld" else "",
            is_measured=sent.is_measured,
            event=event,
            address=address,
            attempt=1,
            handed_over_at=planted.ago(sent.days_ago) if was_handed_over else None,
        )
        for number, days_ago in sent.hits.items():
            at = planted.ago(days_ago)
            Hit.objects.create(
                delivery=delivery,
                campaign=started[name],
                contact=contact,
                destination=started[name].destinations.filter(number=number or 0).first(),
                first_at=at,
                last_at=at,
            )
    active = person.last_active
    Contact.objects.filter(pk=contact.pk).update(
        last_active_at=None if active is None else planted.ago(active)
    )


def midnight(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), datetime.min.time(), tzinfo=UTC)
