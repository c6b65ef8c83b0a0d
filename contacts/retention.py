"""Erases values that may not be kept any more: expired, no longer permitted, of no registered field, or no
choice of theirs.

Each run, also one that only counts, is kept with what it found.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from celery import current_app
from django.db import connection, transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from contacts import holders, segments
from contacts.holders import Cause
from contacts.models import Channel, Contact, DataField, Hold, RetentionRun
from contacts.models.fields import DataFieldQuerySet

BATCH = 5000
AT_ONCE = 500  # while a field and these people are locked


@dataclass(frozen=True, slots=True)
class Finding:
    """So many people have a value of this field, or something else by this key, that has to go."""

    key: str
    cause: Cause
    people: int


def erase_expired(*, dry_run: bool = False) -> list[Finding]:
    """Erase, or with `dry_run` only count, the values that have lost their reason; the run is kept."""
    run = RetentionRun.objects.create(is_dry_run=dry_run)
    return _finish(run)


def ask_dry_run(*, staff_id: int | None) -> RetentionRun:
    """Have a worker count what would be erased now; one that is still waiting is enough."""
    waiting = RetentionRun.objects.unfinished().filter(is_dry_run=True).first()
    run = waiting or RetentionRun.objects.create(is_dry_run=True, asked_by_id=staff_id)
    transaction.on_commit(
        lambda: current_app.send_task("contacts.count_expired", retry=False), robust=True
    )
    return run


def count_asked() -> None:
    """Do the dry runs that staff asked for; two workers never do the same."""
    while True:
        with transaction.atomic():
            waiting = RetentionRun.objects.unfinished().filter(is_dry_run=True)
            run = waiting.select_for_update(skip_locked=True).order_by("pk").first()
            if run is None:
                return
            _finish(run)


def _finish(run: RetentionRun) -> list[Finding]:
    findings = _find(dry_run=run.is_dry_run)
    RetentionRun.objects.filter(pk=run.pk).update(
        findings=[asdict(finding) for finding in findings], finished_at=Now()
    )
    return findings


def _find(*, dry_run: bool) -> list[Finding]:
    findings = []
    for key, cause, holding in _overdue():
        people = holding.count() if dry_run else _erase(key, holding)
        if people:
            findings.append(Finding(key, cause, people))
    for field in _with_choices():
        people = _choosing_nothing(field).count()
        if not dry_run:
            _settle_choices(field)
        if people:
            findings.append(Finding(field.key, Cause.NOT_A_CHOICE, people))
    return findings + [
        Finding(overdue.key, overdue.cause, people)
        for holder in holders.registered()
        for overdue in holder.overdue()
        if (people := overdue.people() if dry_run else overdue.erase())
    ]


def _overdue() -> Iterator[tuple[str, Cause, "QuerySet[Contact]"]]:
    in_use = list(DataField.objects.in_use().order_by("key"))
    for key in sorted(_stored_keys() - {field.key for field in in_use}):
        yield key, Cause.NOT_REGISTERED, _holding(key)
    for field in in_use:
        last_sign = Coalesce("last_active_at", "created_at")
        limit = Now() - timedelta(days=field.retention_days)
        yield (
            field.key,
            Cause.EXPIRED,
            _holding(field.key).alias(last_sign=last_sign).filter(last_sign__lt=limit),
        )
        if field.topic_key:
            yield field.key, Cause.NOT_PERMITTED, _unpermitted(field)


def settle_choices() -> None:
    """Make values what their choices became, and erase those that are no choice any more."""
    for field in _with_choices():
        _settle_choices(field)


def _with_choices() -> DataFieldQuerySet:
    kinds = [DataField.Type.CHOICE, DataField.Type.LIST]
    return DataField.objects.in_use().filter(type__in=kinds).exclude(choices=[]).order_by("key")


def _choosing_nothing(field: DataField) -> "QuerySet[Contact]":
    """Who holds something that is no choice and became none."""
    return _beyond(field, [*field.choices, *field.renamed])


def _beyond(field: DataField, known: list[str]) -> "QuerySet[Contact]":
    within = Q(**{f"attributes__{field.key}__contained_by": known})
    return _holding(field.key).filter(~within)


def _settle_choices(field: DataField) -> None:
    while _settle_some(field.pk):
        pass


@transaction.atomic
def _settle_some(field_id: int) -> int:
    """The field stays as it is meanwhile, so that no choice that came back is erased."""
    field = DataField.objects.select_for_update(no_key=True).get(pk=field_id)
    astray = _beyond(field, field.choices) if field.choices else Contact.objects.none()
    people = list(astray.select_for_update(no_key=True).order_by("pk")[:AT_ONCE])
    for person in people:
        chosen = _chosen(field, person.attributes.pop(field.key))
        person.attributes |= {field.key: chosen} if chosen else {}
    Contact.objects.bulk_update(people, ["attributes"])
    return len(people)


def _chosen(field: DataField, value: Any) -> str | list[str] | None:
    given = value if isinstance(value, list) else [value]
    became = dict.fromkeys(field.renamed.get(each, each) for each in given)
    kept = [each for each in became if each in field.choices]
    return kept if field.type == DataField.Type.LIST else next(iter(kept), None)


def depending_on(topic_key: str) -> list[tuple[DataField, int]]:
    fields = list(_dependent().filter(topic_key=topic_key).order_by("label", "pk"))
    if not fields:
        return []
    held = {
        f"holding_{field.key}": Count("pk", filter=Q(attributes__has_key=field.key))
        for field in fields
    }
    people = _free().aggregate(**held)
    return [(field, people[f"holding_{field.key}"]) for field in fields]


def _unpermitted(field: DataField) -> "QuerySet[Contact]":
    permitted = permitting(field)
    holding = _holding(field.key)
    if permitted is None:
        return holding
    return holding.filter(~Exists(permitted.filter(pk=OuterRef("pk"))))


def forget_unpermitted(contact: Contact) -> None:
    """Erase what is kept of a person by a permission that has ended; see `consent.uses`."""
    for field in _dependent().filter(key__in=list(contact.attributes)):
        _take(field.key, _unpermitted(field).filter(pk=contact.pk))


def forget_all_unpermitted() -> None:
    """The same for everybody."""
    for field in _dependent():
        _erase(field.key, _unpermitted(field))


def _dependent() -> DataFieldQuerySet:
    return DataField.objects.in_use().exclude(topic_key="")


def permitting(field: DataField) -> "QuerySet[Contact] | None":
    """Who permits the use of data that a field depends on; None where nobody can."""
    rule = {"condition": f"permission.{field.topic_key}.{Channel.DATA}", "operator": "has"}
    try:
        return segments.matching(rule)
    except segments.RuleError:
        return None


def _holding(key: str) -> "QuerySet[Contact]":
    """Who has such a value, and whose it may be taken from."""
    return _free().filter(attributes__has_key=key)


def _free() -> "QuerySet[Contact]":
    """Not whose data a hold keeps (GDPR art. 17(3)), nor who had it restricted: that is stored and nothing
    else (art. 18(2))."""
    return Contact.objects.filter(restricted_at=None).exclude(
        pk__in=Hold.objects.standing().values("contact")
    )


def _stored_keys() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT jsonb_object_keys(attributes) FROM contacts_contact"
            " WHERE attributes <> '{}'"
        )
        return {key for (key,) in cursor.fetchall()}


def _erase(key: str, holding: "QuerySet[Contact]") -> int:
    """In small statements, so that nobody waits for a large one."""
    erased = 0
    while batch := _take(key, holding.order_by("pk")[:BATCH]):
        erased += batch
    return erased


def _take(key: str, holding: "QuerySet[Contact]") -> int:
    people = list(holding.values_list("pk", flat=True))
    if people:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE contacts_contact SET attributes = attributes - %s WHERE id = ANY(%s)",
                [key, people],
            )
    return len(people)
