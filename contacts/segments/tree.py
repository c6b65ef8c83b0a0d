"""The tree of a rule: read once into parts, then checked, said in words, or compiled to one query."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from contacts.models import Contact, Segment
from contacts.segments.conditions import Condition, Operator, RuleError, known, shown

DEEPEST = 10
MOST_CONDITIONS = 200


@dataclass(frozen=True, slots=True)
class Asked:
    condition: Condition
    operator: Operator
    value: Any


@dataclass(frozen=True, slots=True)
class Joined:
    """`all` or `any` of the parts, or `not` the only one."""

    how: str
    parts: "list[Asked | Joined]"


Part = Asked | Joined


def validate(rule: object, conditions: Mapping[str, Condition] | None = None) -> None:
    """Raises `RuleError` with a sentence where a rule cannot be read or asks what nobody knows.

    For `conditions` see `read`.
    """
    read(rule, conditions)


def matching(rule: object) -> "QuerySet[Contact]":
    """The living people a rule finds, as one query; raises `RuleError`."""
    part = read(rule)
    return Contact.objects.living().filter(query(part)) if part else Contact.objects.living()


def chosen(*, among: Sequence[object], without: Sequence[object]) -> "QuerySet[Contact]":
    """The living people whom any rule of `among` finds (all, where it is empty) and none of `without`.

    Raises `RuleError`.
    """
    conditions = known() if any(among) or any(without) else {}
    wanted = [read(rule, conditions) for rule in among]
    unwanted = [read(rule, conditions) for rule in without]
    if None in unwanted:
        return Contact.objects.none()
    people = Contact.objects.living()
    if wanted and None not in wanted:
        people = people.filter(query(Joined("any", [part for part in wanted if part])))
    if unwanted:
        nobody = Joined("any", [part for part in unwanted if part])
        people = people.filter(query(Joined("not", [nobody])))
    return people


def members(segment: Segment) -> "QuerySet[Contact]":
    """The living people of a segment now; raises `RuleError` where what it asks is gone."""
    return matching(segment.rule)


def describe(rule: object, conditions: Mapping[str, Condition] | None = None) -> str:
    """The rule in plain words; raises `RuleError`. For `conditions` see `read`."""
    part = read(rule, conditions)
    if part is None:
        return _("everybody")
    return _words(part, is_inner=False)


def fields_of(rule: object) -> set[str]:
    """The keys of the registered fields that a rule uses; an unreadable rule uses none."""
    return {
        name.removeprefix("field.") for name in conditions_of(rule) if name.startswith("field.")
    }


def conditions_of(rule: object) -> set[str]:
    """The names of the conditions in a rule, known or not."""
    return {name for name, _value in _leaves(rule)}


def lists_of(rule: object) -> set[int]:
    """The keys of the static lists that a rule names, however deep; an unreadable rule names none."""
    named = {shown(key) for name, key in names_in(rule) if name == "static_list"}
    return {int(key) for key in named if key.isdecimal()}


def names_in(rule: object) -> set[tuple[str, str]]:
    """What the conditions of a rule name, however deep: each condition with its value, or each of several."""
    return {
        (name, each if isinstance(each, str) else shown(each))
        for name, value in _leaves(rule)
        for each in (value if isinstance(value, list) else [value])
    }


def _leaves(rule: object) -> Iterator[tuple[str, object]]:
    """The name and value of each condition in a rule, however deep, and of an unreadable rule those found."""
    waiting = [rule]
    while waiting:
        match waiting.pop():
            case {"condition": str(name), **rest}:
                yield name, rest.get("value")
            case {"all": list(parts)} | {"any": list(parts)}:
                waiting += parts
            case {"not": part}:
                waiting.append(part)
            case _:
                pass


def read(rule: object, conditions: Mapping[str, Condition] | None = None) -> Part | None:
    """The rule in its parts, None where it asks nothing; raises `RuleError`.

    `conditions` are `known()`, given by whoever reads many rules.
    """
    if not isinstance(rule, Mapping):
        raise RuleError(_("A rule is a tree of conditions, not “%s”.") % shown(rule))
    if not rule:
        return None
    return _Reading(known() if conditions is None else conditions).part(rule, 1)


class _Reading:
    def __init__(self, conditions: Mapping[str, Condition]) -> None:
        self.conditions = conditions
        self.read = 0

    def part(self, rule: object, depth: int) -> Part:
        if depth > DEEPEST:
            raise RuleError(_("A rule nests at most %d levels.") % DEEPEST)
        self.read += 1
        if self.read > MOST_CONDITIONS:
            raise RuleError(_("A rule holds at most %d conditions.") % MOST_CONDITIONS)
        if not isinstance(rule, Mapping):
            raise RuleError(_("“%s” is not a condition.") % shown(rule))
        if "condition" in rule:
            return self.asked(rule)
        if len(rule) != 1 or (how := next(iter(rule))) not in ("all", "any", "not"):
            raise RuleError(_("A part of a rule is “all”, “any”, “not” or a condition."))
        return Joined(how, list(self.parts(how, rule[how], depth)))

    def parts(self, how: str, inner: object, depth: int) -> Iterator[Part]:
        if how == "not":
            inner = [inner]
        if not isinstance(inner, list) or not inner:
            raise RuleError(_("“%s” needs at least one condition.") % how)
        for each in inner:
            yield self.part(each, depth + 1)

    def asked(self, rule: Mapping[str, object]) -> Asked:
        if rest := set(rule) - {"condition", "operator", "value"}:
            raise RuleError(_("A condition has no “%s”.") % shown(min(rest, key=str)))
        name = rule["condition"]
        condition = self.conditions.get(name) if isinstance(name, str) else None
        if condition is None:
            raise RuleError(_("There is no condition “%s”.") % shown(name))
        operator = condition.operator(rule.get("operator"))
        return Asked(condition, operator, condition.accept(operator, rule.get("value")))


def query(part: Part, *, is_denied: bool = False) -> Q:
    """The question to the database. What is denied is denied where it is asked, below every `all` and `any`:
    there PostgreSQL can join what it looks for in another table.
    """
    if isinstance(part, Asked):
        return _denied(part) if is_denied else part.operator.query(part.value)
    if part.how == "not":
        return query(part.parts[0], is_denied=not is_denied)
    queries = [query(inner, is_denied=is_denied) for inner in sorted(part.parts, key=_cost)]
    return Q(*queries, _connector=Q.AND if (part.how == "all") != is_denied else Q.OR)


def _denied(asked: Asked) -> Q:
    """What is not known is not so: SQL's third truth value would drop those people on both sides."""
    asks = asked.operator.query(asked.value)
    if not asked.condition.may_be_unknown:
        return ~asks
    return ~Q(Coalesce(ExpressionWrapper(asks, output_field=BooleanField()), Value(False)))


def _cost(part: Part) -> int:
    """PostgreSQL asks conditions in the order they are written, as long as it holds them equally dear."""
    return part.condition.cost if isinstance(part, Asked) else max(map(_cost, part.parts))


def _words(part: Part, *, is_inner: bool) -> str:
    if isinstance(part, Asked):
        return part.condition.say(part.operator, part.value)
    if part.how == "not":
        return _("not (%s)") % _words(part.parts[0], is_inner=False)
    between = _(" and ") if part.how == "all" else _(" or ")
    words = between.join(_words(inner, is_inner=True) for inner in part.parts)
    return f"({words})" if is_inner and len(part.parts) > 1 else words
