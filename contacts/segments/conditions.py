"""What a rule can ask about a person: conditions with their operators, and where more are registered."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Label = str | Promise
Choices = Sequence[tuple[str, Label]]

LONGEST_TEXT = 200
LONGEST_CHOICE = 500
MOST_DAYS = 36_500
SHOWN = 60


class RuleError(ValueError):
    """This rule cannot be read."""

    def __init__(self, message: Label = "") -> None:
        super().__init__(str(message or self.__doc__))


def shown(value: object) -> str:
    """The beginning of what was given, for a sentence that refuses it."""
    try:
        # Half of a surrogate pair, which JSON may hold, could not be written on a page.
        return str(value)[:SHOWN].encode("utf-8", "replace").decode()
    except (ValueError, RecursionError):
        # A number of thousands of digits, a tree of thousands of levels.
        return "…"


@dataclass(frozen=True, slots=True)
class Operator:
    """One question: how its value is entered (`takes`), asked of the database, and said.

    `takes` is `nothing`, `text`, `number`, `date` (ISO 8601), `days` (a count), `choice` or
    `choices`; `query` turns an accepted value into a Q over Contact; `says` holds `%(label)s` and
    `%(value)s`.
    """

    name: str
    label: Label
    takes: str
    query: Callable[[Any], Q]
    says: Label


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that a rule can ask about. With `is_open`, choices are only suggestions.

    Where there are more choices than a page can offer, `older` says another one in words, None where there
    is none such: a rule outlives the page it was built on.

    `cost` says what it asks of the database: 0 a column, 1 an attribute, 2 another table (see `has`). The
    cheap ones are asked first.
    """

    name: str
    label: Label
    operators: Mapping[str, Operator]
    choices: Choices = ()
    older: Callable[[str], Label | None] | None = None
    is_open: bool = False
    group: Label = field(default=_("Profile"))
    cost: int = 0

    @property
    def may_be_unknown(self) -> bool:
        """Whether the database may answer neither yes nor no: another table has a row, or it has none."""
        return self.cost < 2

    def operator(self, name: object) -> Operator:
        """Raises `RuleError` where this condition has no such operator."""
        if not isinstance(name, str) or name not in self.operators:
            raise RuleError(
                _("“%(condition)s” cannot be asked with “%(operator)s”.")
                % {"condition": self.label, "operator": shown(name)}
            )
        return self.operators[name]

    def accept(self, operator: Operator, value: object) -> Any:
        """The value as the operator's query takes it; raises `RuleError` with a sentence."""
        accepted = _ACCEPT[operator.takes](self, value)
        if accepted is None and value in (None, "", []):
            raise RuleError(
                _("“%(condition)s %(operator)s” needs a value.")
                % {"condition": self.label, "operator": operator.label}
            )
        if accepted is None:
            raise RuleError(
                _("“%(value)s” is no value for “%(condition)s %(operator)s”.")
                % {
                    "value": shown(value),
                    "condition": self.label,
                    "operator": operator.label,
                }
            )
        return accepted

    def say(self, operator: Operator, value: Any) -> str:
        return str(operator.says) % {"label": self.label, "value": self._in_words(value)}

    def choice(self, key: str) -> Label | None:
        """A choice in words, None where there is none such."""
        offered = dict(self.choices)
        return offered[key] if key in offered else self.older and self.older(key)

    def _in_words(self, value: Any) -> str:
        values = value if isinstance(value, list) else [value]
        return str(_(" or ")).join(
            str((isinstance(each, str) and self.choice(each)) or each) for each in values
        )


def by_name(*operators: Operator) -> dict[str, Operator]:
    return {operator.name: operator for operator in operators}


def has(rows: "QuerySet[Any]") -> Q:
    """Those people to whom one of these rows belongs.

    Asked of each person: below a `not` or an `or`, PostgreSQL would compare each with a list of keys, one
    by one once the list is too long for the memory of a statement.
    """
    return Q(Exists(rows.filter(contact=OuterRef("pk"))))


Source = Callable[[], Iterable[Condition]]

_sources: list[Source] = []


def register(source: Source) -> None:
    """Add a source of conditions: a function that returns those there are now, cheaply."""
    if source not in _sources:
        _sources.append(source)


def known() -> dict[str, Condition]:
    """Every condition there is now, by name."""
    return {condition.name: condition for source in _sources for condition in source()}


def _nothing(_condition: Condition, value: object) -> str | None:
    return "" if value in (None, "") else None


def _text(_condition: Condition, value: object) -> str | None:
    fits = isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT and "\x00" not in value
    return str(value) if fits and _is_unicode(str(value)) else None


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _number(_condition: Condition, value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < 1e15 else None


def _date(_condition: Condition, value: object) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
    except ValueError:
        return None


def _days(_condition: Condition, value: object) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_DAYS
    return value if is_count and isinstance(value, int) else None


def _choice(condition: Condition, value: object) -> str | None:
    if condition.is_open:
        return _text(condition, value)
    return value if isinstance(value, str) and condition.choice(value) is not None else None


def _choices(condition: Condition, value: object) -> list[str] | None:
    if not isinstance(value, list) or not 0 < len(value) <= LONGEST_CHOICE:
        return None
    accepted = [_choice(condition, each) for each in value]
    return None if None in accepted else [each for each in accepted if each is not None]


_ACCEPT: dict[str, Callable[[Condition, object], Any]] = {
    "nothing": _nothing,
    "text": _text,
    "number": _number,
    "date": _date,
    "days": _days,
    "choice": _choice,
    "choices": _choices,
}
