"""What stands on a segment or a list, asked of every model that points at it, without knowing which."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Use:
    """One thing that uses it, and the address of its form."""

    kind: str | Promise
    name: str
    url: str


def counts(model: type[Model], keys: Iterable[object]) -> dict[object, int]:
    """How many things use each of these rows: two queries for a whole page of them."""
    used: dict[object, set[tuple[str, object]]] = {}
    for relation in _relations(model):
        through = relation.through
        mine, theirs = relation.field.m2m_reverse_name(), relation.field.m2m_column_name()
        for key, other in through.objects.filter(**{f"{mine}__in": list(keys)}).values_list(
            mine, theirs
        ):
            used.setdefault(key, set()).add((relation.related_model._meta.label, other))
    return {key: len(others) for key, others in used.items()}


def of(row: Model) -> list[Use]:
    """What uses this row, newest first."""
    found: dict[tuple[str, object], Use] = {}
    for relation in _relations(type(row)):
        related = relation.related_model
        for other in related._default_manager.filter(**{relation.field.name: row}).order_by("-pk")[
            :SHOWN
        ]:
            kind = related._meta.verbose_name or ""
            found[related._meta.label, other.pk] = Use(kind, str(other), _url(other))
    return list(found.values())


def _relations(model: type[Model]) -> list[Any]:
    return [relation for relation in model._meta.related_objects if relation.many_to_many]


def _url(row: Model) -> str:
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    try:
        return reverse(name, args=[row.pk])
    except NoReverseMatch:
        return ""
