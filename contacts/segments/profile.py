"""The conditions that contacts itself offers: profile, tags, dates, registered fields, static lists."""

import calendar
from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from functools import cache, partial
from zoneinfo import available_timezones

from django.db.models import Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Right
from django.db.models.lookups import In
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from contacts import languages
from contacts.models import Contact, DataField, Lifecycle, StaticList, Tag
from contacts.segments.conditions import Condition, Operator, by_name, has

IS = _("%(label)s is %(value)s")
IS_NOT = _("%(label)s is not %(value)s")


def profile() -> Iterable[Condition]:
    yield Condition(
        "language",
        _("language"),
        _among("language"),
        languages.read_by_people(),
        older=languages.without_name,
    )
    yield Condition("timezone", _("time zone"), _among("timezone"), _zones(), is_open=True)
    yield Condition("lifecycle", _("lifecycle stage"), _among("lifecycle"), Lifecycle.choices)
    yield Condition("created", _("sign-up"), moments("created_at"), group=_("Dates"))
    active = moments("last_active_at") | by_name(*_known(Q(last_active_at__isnull=False)))
    yield Condition("last_active", _("last activity"), active, group=_("Dates"))


@cache
def _zones() -> list[tuple[str, str]]:
    return [(name, name) for name in sorted(available_timezones())]


def _among(column: str) -> dict[str, Operator]:
    return by_name(
        Operator("is", _("is"), "choice", lambda value: Q(**{column: value}), IS),
        Operator(
            "is_any_of", _("is any of"), "choices", lambda each: Q(**{f"{column}__in": each}), IS
        ),
        Operator("is_not", _("is not"), "choice", lambda value: ~Q(**{column: value}), IS_NOT),
    )


def moments(column: str) -> dict[str, Operator]:
    """What can be asked of a date and time; days count from now, dates from midnight UTC."""
    return by_name(
        Operator(
            "in_the_last",
            _("in the last … days"),
            "days",
            lambda days: Q(**{f"{column}__gte": _days_ago(days)}),
            _("%(label)s in the last %(value)s days"),
        ),
        Operator(
            "not_in_the_last",
            _("more than … days ago"),
            "days",
            lambda days: Q(**{f"{column}__lt": _days_ago(days)}),
            _("%(label)s more than %(value)s days ago"),
        ),
        Operator(
            "from",
            _("on or after"),
            "date",
            lambda day: Q(**{f"{column}__gte": midnight(day)}),
            _("%(label)s on or after %(value)s"),
        ),
        Operator(
            "before",
            _("before"),
            "date",
            lambda day: Q(**{f"{column}__lt": midnight(day)}),
            _("%(label)s before %(value)s"),
        ),
    )


def _days_ago(days: int) -> datetime:
    """A constant: the database would compute its own `now() - interval` again for every row."""
    return timezone.now() - timedelta(days=days)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=timezone.get_default_timezone())


def tags() -> Iterable[Condition]:
    names = [(name, name) for name in Tag.objects.order_by("name").values_list("name", flat=True)]
    yield Condition(
        "tag",
        _("tag"),
        by_name(
            Operator(
                "is", _("is"), "choice", lambda name: _tagged([name]), _("has the tag %(value)s")
            ),
            Operator("is_any_of", _("is any of"), "choices", _tagged, _("has the tag %(value)s")),
            Operator(
                "is_not",
                _("is not"),
                "choice",
                lambda name: ~_tagged([name]),
                _("has not the tag %(value)s"),
            ),
        ),
        names,
        cost=2,
    )


def _tagged(names: list[str]) -> Q:
    return has(Contact.tags.through.objects.filter(tag__name__in=names))


def static_lists() -> Iterable[Condition]:
    named = StaticList.objects.order_by("name").values_list("pk", "name")
    yield Condition(
        "static_list",
        _("static list"),
        by_name(
            Operator(
                "is", _("is"), "choice", lambda pk: _listed([pk]), _("is on the list %(value)s")
            ),
            Operator(
                "is_any_of", _("is any of"), "choices", _listed, _("is on the list %(value)s")
            ),
            Operator(
                "is_not",
                _("is not"),
                "choice",
                lambda pk: ~_listed([pk]),
                _("is not on the list %(value)s"),
            ),
        ),
        [(str(pk), name) for pk, name in named],
        cost=2,
    )


def _listed(keys: list[str]) -> Q:
    chosen = [int(key) for key in keys]
    return has(StaticList.contacts.through.objects.filter(staticlist__in=chosen))


def registered_fields() -> Iterable[Condition]:
    """One condition per field in use, named `field.<key>`, with the operators of its type."""
    for field in DataField.objects.in_use().order_by("label", "pk"):
        yield Condition(
            f"field.{field.key}",
            field.label,
            by_name(*_OPERATORS[field.type](field.key), *_known(Q(attributes__has_key=field.key))),
            [(choice, choice) for choice in field.choices],
            is_open=field.type in {DataField.Type.TEXT, DataField.Type.LIST} and not field.choices,
            group=_("Registered fields"),
            cost=1,
        )


def _known(is_there: Q) -> Iterable[Operator]:
    yield Operator(
        "is_known", _("is known"), "nothing", lambda _: is_there, _("%(label)s is known")
    )
    yield Operator(
        "is_unknown", _("is not known"), "nothing", lambda _: ~is_there, _("%(label)s is not known")
    )


def _holds(key: str, value: object) -> Q:
    return Q(attributes__contains={key: value})


def _texts(key: str) -> Iterable[Operator]:
    yield Operator("is", _("is"), "choice", lambda value: _holds(key, value), IS)
    yield Operator("is_any_of", _("is any of"), "choices", lambda each: _any_of(key, each), IS)
    yield Operator("is_not", _("is not"), "choice", lambda value: ~_holds(key, value), IS_NOT)
    yield Operator(
        "contains",
        _("contains"),
        "text",
        partial(_compared, key, "icontains"),
        _("%(label)s contains “%(value)s”"),
    )
    yield Operator(
        "contains_not",
        _("does not contain"),
        "text",
        lambda text: ~Q(attributes__has_key=key) | ~_compared(key, "icontains", text),
        _("%(label)s does not contain “%(value)s”"),
    )
    yield Operator(
        "starts_with",
        _("starts with"),
        "text",
        partial(_compared, key, "istartswith"),
        _("%(label)s starts with “%(value)s”"),
    )


def _any_of(key: str, values: list[str]) -> Q:
    return Q(**{f"attributes__{key}__in": values})


def _choices(key: str) -> Iterable[Operator]:
    return [each for each in _texts(key) if each.takes != "text"]


def _numbers(key: str) -> Iterable[Operator]:
    yield Operator("is", _("is"), "number", lambda number: _holds(key, number), IS)
    for name, lookup, label, says in (
        ("more_than", "gt", _("is more than"), _("%(label)s is more than %(value)s")),
        ("at_least", "gte", _("is at least"), _("%(label)s is at least %(value)s")),
        ("less_than", "lt", _("is less than"), _("%(label)s is less than %(value)s")),
        ("at_most", "lte", _("is at most"), _("%(label)s is at most %(value)s")),
    ):
        yield Operator(name, label, "number", partial(_compared, key, lookup), says)


def _compared(key: str, lookup: str, value: object) -> Q:
    return Q(**{f"attributes__{key}__{lookup}": value})


def _days(key: str) -> Iterable[Operator]:
    """Dates are kept as ISO 8601 text, which sorts as the calendar does; relative days are UTC."""
    path = f"attributes__{key}"
    yield Operator("is", _("is"), "date", lambda day: _holds(key, day.isoformat()), IS)
    yield Operator(
        "from",
        _("on or after"),
        "date",
        lambda day: Q(**{f"{path}__gte": day.isoformat()}),
        _("%(label)s on or after %(value)s"),
    )
    yield Operator(
        "before",
        _("before"),
        "date",
        lambda day: Q(**{f"{path}__lt": day.isoformat()}),
        _("%(label)s before %(value)s"),
    )
    yield Operator(
        "in_the_last",
        _("in the last … days"),
        "days",
        lambda days: Q(**{f"{path}__gte": _day(-days), f"{path}__lte": _day(0)}),
        _("%(label)s in the last %(value)s days"),
    )
    yield Operator(
        "not_in_the_last",
        _("more than … days ago"),
        "days",
        lambda days: Q(**{f"{path}__lt": _day(-days)}),
        _("%(label)s more than %(value)s days ago"),
    )
    yield Operator(
        "in_the_next",
        _("in the next … days"),
        "days",
        lambda days: Q(**{f"{path}__gt": _day(0), f"{path}__lte": _day(days)}),
        _("%(label)s in the next %(value)s days"),
    )
    yield Operator(
        "anniversary_today",
        _("has its anniversary today"),
        "nothing",
        lambda _value: _anniversary(key, range(1)),
        _("%(label)s has its anniversary today"),
    )
    yield Operator(
        "anniversary_in_the_next",
        _("has its anniversary in the next … days"),
        "days",
        lambda days: _anniversary(key, range(1, min(days, 366) + 1)),
        _("%(label)s has its anniversary in the next %(value)s days"),
    )


def _day(distance: int) -> str:
    return (timezone.now().date() + timedelta(days=distance)).isoformat()


def _anniversary(key: str, distances: Iterable[int]) -> Q:
    """Whatever the year. Who was born on a leap day has a birthday each year: on February 28 in others."""
    days = {_day(distance) for distance in distances}
    asked = {day[5:] for day in days}
    if any(day.endswith("-02-28") and not calendar.isleap(int(day[:4])) for day in days):
        asked.add("02-29")
    return Q(In(Right(KeyTextTransform(key, "attributes"), 5), sorted(asked)))


def _yes_no(key: str) -> Iterable[Operator]:
    yield Operator("yes", _("is yes"), "nothing", lambda _: _holds(key, True), _("%(label)s: yes"))
    yield Operator("no", _("is no"), "nothing", lambda _: _holds(key, False), _("%(label)s: no"))


def _lists(key: str) -> Iterable[Operator]:
    says = _("%(label)s has %(value)s")
    yield Operator("has", _("has"), "choice", lambda item: _holds(key, [item]), says)
    yield Operator(
        "has_any_of", _("has any of"), "choices", partial(_compared, key, "has_any_keys"), says
    )
    yield Operator(
        "has_not",
        _("has not"),
        "choice",
        lambda item: ~_holds(key, [item]),
        _("%(label)s has not %(value)s"),
    )


_OPERATORS: dict[str, Callable[[str], Iterable[Operator]]] = {
    DataField.Type.TEXT: _texts,
    DataField.Type.NUMBER: _numbers,
    DataField.Type.DATE: _days,
    DataField.Type.CHOICE: _choices,
    DataField.Type.YES_NO: _yes_no,
    DataField.Type.LIST: _lists,
}
