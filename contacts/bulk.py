"""Many people at once: finds and locks those who are known, and writes the new ones by COPY.

What a file leaves empty stays as it is; an address that a known person has already is never replaced.
"""

import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from django.db import connection

from contacts import addresses
from contacts.copying import NULL, Copies, bytea_array, next_ids, text
from contacts.fields import Value
from contacts.models import Channel, Sentence, Tag

REACHED = {"email": Channel.EMAIL, "phone": Channel.SMS}
_EMAIL = Channel.EMAIL.value
_SMS = Channel.SMS.value


class TwoPeople(ValueError):
    """The email address and the phone number belong to two different people."""


class OtherAddress(ValueError):
    """This person has another address on this channel; a file does not replace it."""


@dataclass(slots=True)
class Arrival:
    """One person as a file describes them, with normalized addresses; empty is not said."""

    email: str = ""
    phone: str = ""
    email_fingerprint: bytes = b""
    phone_fingerprint: bytes = b""
    first_name: str = ""
    last_name: str = ""
    language: str = ""
    timezone: str = ""
    lifecycle: str = ""
    created_at: str = ""
    last_active_at: str = ""
    attributes: dict[str, Value] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)

    def fingerprints(self) -> Iterator[tuple[str, bytes]]:
        """Channel and fingerprint of each address."""
        if self.email_fingerprint:
            yield _EMAIL, self.email_fingerprint
        if self.phone_fingerprint:
            yield _SMS, self.phone_fingerprint


@dataclass(slots=True)
class Held:
    """The current address of a person on a channel."""

    id: int
    fingerprint: bytes
    is_new: bool
    is_undeliverable: bool = False


@dataclass(slots=True, eq=False)
class Person:
    """Somebody of a batch, locked where known, with what all their rows together say."""

    facts: Arrival
    contact_id: int = 0
    subject: str = ""
    is_new: bool = True
    is_restricted: bool = False
    addresses: dict[str, Held] = field(default_factory=dict)

    def add(self, arrival: Arrival) -> None:
        """A later row completes and overrides an earlier one, which itself stays as it was read."""
        if self.facts is arrival:
            return
        facts = self.facts = replace(self.facts)
        for name in _TEXTS:
            setattr(facts, name, getattr(arrival, name) or getattr(facts, name))
        facts.attributes = facts.attributes | arrival.attributes
        facts.tags = [*facts.tags, *(tag for tag in arrival.tags if tag not in facts.tags)]


_TEXTS = (
    "email phone first_name last_name language timezone lifecycle created_at last_active_at".split()
)


def keep_others_out() -> None:
    """Until this transaction ends nobody else takes in a new address; whoever is known acts as ever."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE contacts_address IN SHARE ROW EXCLUSIVE MODE")


def recognize(arrivals: Sequence[Arrival]) -> list[Person | ValueError]:
    """For each arrival its person, the same one for the same address, or why it cannot be taken.

    Known people are locked against acts of consent, in the order of their ids; new ones have their ids
    already. Needs a transaction, which `insert` and `complete` have to end up in.
    """
    found = _known({mark for arrival in arrivals for mark in arrival.fingerprints()})
    people = [_assign(found, arrival) for arrival in arrivals]
    fresh = list(
        {id(each): each for each in people if isinstance(each, Person) and each.is_new}.values()
    )
    ids = next_ids("contacts_contact", len(fresh))
    for person, contact_id, subject in zip(fresh, ids, _pseudonyms(len(fresh)), strict=True):
        person.contact_id, person.subject = contact_id, subject
    held = {
        id(address): address
        for each in people
        if isinstance(each, Person)
        for address in each.addresses.values()
        if address.is_new
    }
    for address, pk in zip(held.values(), next_ids("contacts_address", len(held)), strict=True):
        address.id = pk
    return people


def _pseudonyms(count: int) -> Iterator[str]:
    """Random UUIDs (RFC 9562 version 4), asked of the system once."""
    random = secrets.token_bytes(count * 16).hex()
    for start in range(0, len(random), 32):
        word = random[start : start + 32]
        variant = "89ab"[int(word[16], 16) & 3]
        yield f"{word[:8]}-{word[8:12]}-4{word[13:16]}-{variant}{word[17:20]}-{word[20:]}"


def _known(marks: set[tuple[str, bytes]]) -> dict[tuple[str, bytes], Person]:
    people: dict[int, Person] = {}
    found: dict[tuple[str, bytes], Person] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT contact_id FROM contacts_address"
            " WHERE fingerprint = ANY(%s::bytea[]) AND retired_at IS NULL",
            [bytea_array(fingerprint for _channel, fingerprint in marks)],
        )
        ids = [contact_id for (contact_id,) in cursor.fetchall()]
        if not ids:
            return found
        cursor.execute(
            "SELECT id, subject, restricted_at IS NOT NULL FROM contacts_contact"
            " WHERE id = ANY(%s) AND erased_at IS NULL ORDER BY id FOR NO KEY UPDATE",
            [ids],
        )
        for contact_id, subject, is_restricted in cursor.fetchall():
            people[contact_id] = Person(Arrival(), contact_id, str(subject), False, is_restricted)
        cursor.execute(
            """
            SELECT contact_id, channel, id, fingerprint FROM contacts_address
            WHERE contact_id = ANY(%s) AND retired_at IS NULL
            """,
            [list(people)],
        )
        for contact_id, channel, pk, fingerprint in cursor.fetchall():
            person = people[contact_id]
            person.addresses[channel] = Held(pk, bytes(fingerprint), is_new=False)
            found[channel, bytes(fingerprint)] = person
    return found


def _assign(found: dict[tuple[str, bytes], Person], arrival: Arrival) -> Person | ValueError:
    marks = list(arrival.fingerprints())
    matches = {id(found[mark]): found[mark] for mark in marks if mark in found}
    if len(matches) > 1:
        return TwoPeople(Sentence(TwoPeople.__doc__ or ""))
    person = next(iter(matches.values())) if matches else Person(arrival)
    for channel, fingerprint in marks:
        held = person.addresses.get(channel)
        if held and held.fingerprint != fingerprint:
            return OtherAddress(Sentence(OtherAddress.__doc__ or ""))
    for mark in marks:
        if mark not in found:
            person.addresses[mark[0]] = Held(0, mark[1], is_new=True)
            found[mark] = person
    person.add(arrival)
    return person


def insert(people: Sequence[Person], copies: Copies, *, language: str = "en") -> None:
    """Have who is new, and every new address, copied; `language` is that of people whose own is not said.

    `copies.settle` raises `django.db.IntegrityError` where somebody else wrote one of them meanwhile.
    """
    fresh = [person for person in people if person.is_new]
    copies.add(
        "contacts_contact",
        "id subject language timezone lifecycle attributes created_at last_active_at".split(),
        [_contact_line(person, language) for person in fresh],
    )
    copies.add(
        "contacts_identity",
        "contact_id first_name last_name email phone".split(),
        [_identity_line(person) for person in fresh],
    )
    copies.add(
        "contacts_address",
        "id contact_id channel fingerprint domain undeliverable_at".split(),
        list(_address_lines(people)),
    )


def complete(people: Sequence[Person]) -> None:
    """Add what the file says of people who are known, and everybody's tags."""
    known = [person for person in people if not person.is_new]
    _complete([person for person in known if not person.is_restricted])
    _mark_undeliverable(known)
    _tag([person for person in people if person.facts.tags and not person.is_restricted])


def _contact_line(person: Person, language: str) -> str:
    facts = person.facts
    attributes = (
        text(json.dumps(facts.attributes, ensure_ascii=False)) if facts.attributes else "{}"
    )
    return (
        f"{person.contact_id}\t{person.subject}\t{facts.language or language}\t{facts.timezone}\t"
        f"{facts.lifecycle or 'subscriber'}\t{attributes}\t{facts.created_at or 'now'}\t"
        f"{facts.last_active_at or NULL}"
    )


def _identity_line(person: Person) -> str:
    facts = person.facts
    return (
        f"{person.contact_id}\t{text(facts.first_name)}\t{text(facts.last_name)}\t"
        f"{text(facts.email)}\t{facts.phone}"
    )


def _address_lines(people: Iterable[Person]) -> Iterator[str]:
    for person in people:
        for channel, held in person.addresses.items():
            if held.is_new:
                domain = addresses.domain_of(channel, person.facts.email)
                undeliverable = "now" if held.is_undeliverable else NULL
                yield (
                    f"{held.id}\t{person.contact_id}\t{channel}\t\\\\x{held.fingerprint.hex()}\t"
                    f"{domain}\t{undeliverable}"
                )


def _complete(people: Sequence[Person]) -> None:
    """Profile and names of known people: what is said wins over what was there."""
    rows = [
        {"id": person.contact_id, "attributes": person.facts.attributes}
        | {name: getattr(person.facts, name) for name in _TEXTS}
        for person in people
    ]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE contacts_contact c
            SET language = coalesce(nullif(said.language, ''), c.language),
                timezone = coalesce(nullif(said.timezone, ''), c.timezone),
                lifecycle = coalesce(nullif(said.lifecycle, ''), c.lifecycle),
                attributes = c.attributes || said.attributes,
                created_at = least(c.created_at, nullif(said.created_at, '')::timestamptz),
                last_active_at = greatest(
                    c.last_active_at, nullif(said.last_active_at, '')::timestamptz)
            FROM jsonb_to_recordset(%s::jsonb) AS said(id bigint, language text, timezone text,
                lifecycle text, attributes jsonb, created_at text, last_active_at text)
            WHERE c.id = said.id AND (
                said.language <> '' OR said.timezone <> '' OR said.lifecycle <> ''
                OR said.attributes <> '{}' OR said.created_at <> '' OR said.last_active_at <> '')
            """,
            [json.dumps(rows)],
        )
        cursor.execute(
            """
            UPDATE contacts_identity i
            SET first_name = coalesce(nullif(said.first_name, ''), i.first_name),
                last_name = coalesce(nullif(said.last_name, ''), i.last_name),
                email = coalesce(nullif(i.email, ''), said.email),
                phone = coalesce(nullif(i.phone, ''), said.phone)
            FROM jsonb_to_recordset(%s::jsonb)
                AS said(id bigint, first_name text, last_name text, email text, phone text)
            WHERE i.contact_id = said.id
                AND (i.first_name, i.last_name, i.email, i.phone) IS DISTINCT FROM (
                    coalesce(nullif(said.first_name, ''), i.first_name),
                    coalesce(nullif(said.last_name, ''), i.last_name),
                    coalesce(nullif(i.email, ''), said.email),
                    coalesce(nullif(i.phone, ''), said.phone))
            """,
            [json.dumps(rows)],
        )


def _mark_undeliverable(people: Iterable[Person]) -> None:
    """What a file says of a known address counts unless the person was reached there."""
    ids = [
        held.id
        for person in people
        for held in person.addresses.values()
        if held.is_undeliverable and not held.is_new
    ]
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE contacts_address SET undeliverable_at = now() WHERE id = ANY(%s)"
                " AND undeliverable_at IS NULL AND verified_at IS NULL",
                [ids],
            )


def _tag(people: Sequence[Person]) -> None:
    names = {tag for person in people for tag in person.facts.tags}
    if not names:
        return
    Tag.objects.bulk_create([Tag(name=name) for name in sorted(names)], ignore_conflicts=True)
    ids = dict(Tag.objects.filter(name__in=names).values_list("name", "pk"))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO contacts_contact_tags (contact_id, tag_id)
            SELECT * FROM unnest(%s::bigint[], %s::bigint[]) ON CONFLICT DO NOTHING
            """,
            [
                [person.contact_id for person in people for _tag_name in person.facts.tags],
                [ids[tag] for person in people for tag in person.facts.tags],
            ],
        )


def enlist(people: Iterable[Person], list_id: int) -> None:
    """Put them on a static list; who is there already stays."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO contacts_staticlist_contacts (staticlist_id, contact_id)
            SELECT %s, unnest(%s::bigint[]) ON CONFLICT DO NOTHING
            """,
            [list_id, [person.contact_id for person in people if not person.is_restricted]],
        )
