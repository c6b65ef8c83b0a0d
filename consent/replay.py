"""Folds the ledger again and holds the permissions against it: they must follow from it, column by column."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction

from consent import ledger
from consent.ledger import PlacedAct
from consent.models import Kind, Permission
from consent.standing import Standing, follow
from contacts import services as contacts
from contacts.models import Contact

BATCH = 1000
COLUMNS = (
    "state",
    "stopped",
    "fresh_at",
    "since",
    "valid_until",
    "basis",
    "method",
    "wording_id",
    "address_id",
    "event_id",
)
Key = tuple[str | None, str]


class Difference(NamedTuple):
    """A permission that is `missing`, `changed` or `unfounded`, and whose it is."""

    subject: UUID
    topic: str | None
    channel: str
    kind: str


def differences(*, repair: bool = False, batch: int = BATCH) -> Iterator[Difference]:
    """Every permission that is not what the ledger says; with `repair` it is, once it was answered.

    Walks the contacts `batch` at a time, so memory stays flat; what seems to differ is looked at again
    under the lock of its person, so that acts recorded meanwhile are no differences.
    """
    after = 0
    while people := list(Contact.objects.filter(pk__gt=after).order_by("pk")[:batch]):
        after = people[-1].pk
        expected, found = _replayed(people), _found(people)
        for contact in people:
            if _compare(expected[contact.subject], found[contact.pk]):
                yield from _settle(contact.pk, repair=repair)


def standings(history: Sequence[PlacedAct]) -> dict[Key, Standing]:
    """What stands after the whole history of a person, by (topic key or None, channel)."""
    keys = {key for topic_key, channel, _ in history for key in ledger.keys_of(topic_key, channel)}
    folded = {key: _standing_of(history, key) for key in keys}
    return {key: standing for key, standing in folded.items() if standing}


def _standing_of(history: Sequence[PlacedAct], key: Key) -> Standing | None:
    """A permission begins with an act that names it; acts on everything only change those that are."""
    standing, begun = None, False
    for topic_key, channel, act in history:
        if topic_key in (None, key[0]) and channel in ("", key[1]):
            standing = follow(standing, act)
            begun = begun or (
                standing is not None
                and act.kind not in (Kind.RESTRICTED, Kind.UNRESTRICTED)
                and key in ledger.keys_of(topic_key, channel)
            )
    return standing if begun else None


def _settle(contact_id: int, *, repair: bool) -> list[Difference]:
    with transaction.atomic():
        contact = contacts.lock(contact_id)
        expected = standings(ledger.acts_of(contact))
        differing = _compare(expected, _found([contact])[contact.pk])
        if repair:
            for topic_key, channel in differing:
                _repair(contact, topic_key, channel, expected.get((topic_key, channel)))
    return [Difference(contact.subject, *key, kind) for key, kind in differing.items()]


def _repair(
    contact: Contact, topic_key: str | None, channel: str, standing: Standing | None
) -> None:
    if standing:
        ledger.project(contact, topic_key, channel, standing)
    else:
        contact.permissions.filter(topic__key=topic_key, channel=channel).delete()


def _compare(
    expected: Mapping[Key, Standing], found: Mapping[Key, dict[str, Any]]
) -> dict[Key, str]:
    differing = dict.fromkeys(expected.keys() - found.keys(), "missing")
    differing |= dict.fromkeys(found.keys() - expected.keys(), "unfounded")
    differing |= {
        key: "changed"
        for key in expected.keys() & found.keys()
        if ledger.columns(expected[key]) != found[key]
    }
    return differing


def _replayed(people: Sequence[Contact]) -> defaultdict[UUID, dict[Key, Standing]]:
    acts: defaultdict[UUID, list[PlacedAct]] = defaultdict(list)
    for event in ledger.histories().filter(subject__in=[contact.subject for contact in people]):
        acts[event.subject].append(ledger.placed_act_of(event))
    return defaultdict(dict, {subject: standings(history) for subject, history in acts.items()})


def _found(people: Sequence[Contact]) -> defaultdict[int, dict[Key, dict[str, Any]]]:
    found: defaultdict[int, dict[Key, dict[str, Any]]] = defaultdict(dict)
    rows = Permission.objects.filter(contact__in=people)
    for contact_id, topic_key, channel, *values in rows.values_list(
        "contact_id", "topic__key", "channel", *COLUMNS
    ):
        found[contact_id][topic_key, channel] = dict(zip(COLUMNS, values, strict=True))
    return found
