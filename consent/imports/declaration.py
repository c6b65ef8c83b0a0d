"""What is declared about a file as a whole, checked and in the form the rows are read with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.text import slugify

from consent.imports.errors import BoughtList, DeclarationRefused, NoSuchList, RowRefused
from consent.imports.moments import latest_moment, moment
from consent.imports.values import STATUSES, channels_of, split_words
from consent.models import ImportBatch
from contacts.models import Sentence, StaticList

KEYS = frozenset(
    "topic channel occurred_at wording status language region day_first acquisition tag list".split()
)
OWN = "own"
LONGEST_TAG = 64


@dataclass(frozen=True, slots=True)
class Declaration:
    """Counts for every row that does not say otherwise; empty is not declared."""

    source: str = ""
    topics: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    occurred_at: datetime | None = None
    wording: str = ""
    status: str = ""
    language: str = "en"
    region: str | None = None
    day_first: bool | None = None
    tag: str = ""
    list_id: int | None = None


def of(batch: ImportBatch) -> Declaration:
    """Raises `DeclarationRefused`, also for lists that were bought."""
    return read(batch.declared, source=batch.source)


def read(declared: Mapping[str, Any], *, source: str) -> Declaration:
    if unknown := set(declared) - KEYS:
        raise DeclarationRefused(Sentence("“%s” cannot be declared.") % min(unknown))
    if declared.get("acquisition", OWN) != OWN:
        raise BoughtList
    status = str(declared.get("status") or "")
    if status and status not in STATUSES:
        raise DeclarationRefused(Sentence("The status “%s” is not known.") % status[:60])
    try:
        occurred_at = declared.get("occurred_at")
        return Declaration(
            source=source.strip(),
            topics=tuple(split_words(str(declared.get("topic") or ""))),
            channels=channels_of(str(declared.get("channel") or "")),
            occurred_at=_past(str(occurred_at), declared.get("day_first")) if occurred_at else None,
            wording=str(declared.get("wording") or "").strip(),
            status=status,
            language=str(declared.get("language") or "en")[:8],
            region=declared.get("region") or None,
            day_first=declared.get("day_first"),
            tag=slugify(str(declared.get("tag") or ""), allow_unicode=True)[:LONGEST_TAG],
            list_id=_list_id(declared.get("list")),
        )
    except RowRefused as error:
        raise DeclarationRefused(Sentence.of(error)) from error


def _list_id(named: object) -> int | None:
    """The static list with this key; raises `NoSuchList`."""
    if not named:
        return None
    found = StaticList.objects.filter(pk=int(str(named))).first()
    if found is None:
        raise NoSuchList
    return found.pk


def _past(text: str, day_first: bool | None) -> datetime:
    at = moment(text, day_first)
    if at > latest_moment():
        raise DeclarationRefused(Sentence("The date “%s” lies in the future.") % text[:40])
    return at
