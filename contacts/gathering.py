"""Puts people on static lists and takes them off: by a rule, or by addresses and pseudonyms as text.

A list says who is interesting. It permits nothing, and nobody is created by it.
"""

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from contacts import addresses, pseudonyms
from contacts.models import Address, Channel, Contact, StaticList

MOST_WORDS = 20_000
BATCH = 5_000
_ADD = """
    INSERT INTO contacts_staticlist_contacts (staticlist_id, contact_id)
    SELECT %s, id FROM ({people}) people ON CONFLICT DO NOTHING
"""
# A pseudonym that fits two people names nobody: no more than two are looked at for each.
_NAMED = """
    SELECT min(found.id) FROM unnest(%s::uuid[], %s::uuid[]) AS asked (first, last)
    CROSS JOIN LATERAL (
        SELECT id FROM contacts_contact
        WHERE subject BETWEEN asked.first AND asked.last AND erased_at IS NULL LIMIT 2
    ) found
    GROUP BY asked.first, asked.last HAVING count(*) = 1
"""
_BETWEEN = re.compile(r"[\s,;\"'<>|]+")

Bounds = tuple[uuid.UUID, uuid.UUID]


class GatheringError(ValueError):
    """The list stays as it was."""


@dataclass(frozen=True, slots=True)
class Named:
    """Whom a text names: the contacts found, and how many words named nobody who is known."""

    contacts: frozenset[int]
    unknown: int


def named_in(text: str, *, with_addresses: bool) -> Named:
    """Find living people by pseudonym and, `with_addresses`, by current email address.

    Other words (a header, a name) are passed over. A pseudonym that fits two people names nobody. Raises
    `GatheringError` for too many words.
    """
    words = {word for word in _BETWEEN.split(text) if word}
    if len(words) > MOST_WORDS:
        raise GatheringError(_("At most %d words at once: import a longer list.") % MOST_WORDS)
    mails = {word for word in words if "@" in word}
    asked = {word: found for word in words - mails if (found := pseudonyms.bounds(word))}
    people = _by_pseudonym(asked.values())
    reached = _by_address(mails) if with_addresses else set()
    unknown = len(asked) - len(people) + len(mails) - len(reached)
    return Named(frozenset(people | reached), unknown)


def _by_pseudonym(asked: Iterable[Bounds]) -> set[int]:
    people: set[int] = set()
    with connection.cursor() as cursor:
        for batch in batched(list(set(asked))):
            cursor.execute(
                _NAMED, [[first for first, _last in batch], [last for _first, last in batch]]
            )
            people |= {key for (key,) in cursor.fetchall()}
    return people


def _by_address(mails: Iterable[str]) -> set[int]:
    fingerprint = addresses.fingerprinter()
    wanted = []
    for mail in mails:
        try:
            wanted.append(fingerprint(addresses.normalize(Channel.EMAIL, mail)))
        except addresses.AddressError:
            continue
    current = Address.objects.current().filter(channel=Channel.EMAIL, contact__erased_at=None)
    return {
        key
        for batch in batched(wanted)
        for key in current.filter(fingerprint__in=batch).values_list("contact", flat=True)
    }


def batched(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[start : start + BATCH] for start in range(0, len(values), BATCH))


@transaction.atomic
def add(static_list: StaticList, people: "QuerySet[Contact]") -> int:
    """Put people on a list, in one statement; returns how many were not on it before."""
    try:
        sql, values = people.order_by().values("id").query.sql_with_params()
    except EmptyResultSet:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_ADD.format(people=sql), [static_list.pk, *values])
        return int(cursor.rowcount)


@transaction.atomic
def remove(static_list: StaticList, people: "QuerySet[Contact]") -> int:
    """Take people off a list; returns how many were on it."""
    listed = StaticList.contacts.through.objects.filter(staticlist=static_list)
    count, _each = listed.filter(contact__in=people.values("pk")).delete()
    return count
