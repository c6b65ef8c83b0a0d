"""Any tree of conditions finds whom a reader of its words expects, and any JSON is a rule or a sentence.

`FUZZ_EXAMPLES=5000` looks longer.
"""

import json
import os
from datetime import UTC, date, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contacts import segments
from contacts.models import Contact, DataField, Segment
from tests import make
from tests.contacts import planted as plants
from tests.contacts.planted import midnight

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "80"))
thorough = settings(max_examples=EXAMPLES, suppress_health_check=[*HealthCheck])
through_doors = settings(thorough, max_examples=max(25, EXAMPLES // 4))
Type = DataField.Type
LOST = ("withdrawn", "objected", "complained", "revoked", "expired", "invalidated")
RECEIVED = ("sent", "delivered", "complained")


pytestmark = pytest.mark.django_db


@pytest.fixture
def planted():
    return plants.plant()


# What can be asked, drawn from the plain names; campaigns and lists stand by name until they are planted.

days = st.sampled_from([1, 2, 3, 5, 10, 30, 45, 60, 500, 36_500])
moments = st.sampled_from(["1970-01-01", "2026-02-28", "9999-12-31", "0001-01-01"]) | st.builds(
    lambda ago: (timezone.now() - timedelta(days=ago)).date().isoformat(), st.integers(-2, 50)
)
links = st.sampled_from(["spring.1", "spring.2", "summer.1", "summer.2"])


CONTAINED = ["contains", "contains_not", "starts_with"]
ASKED: set[tuple[str, str]] = set()


def ask(condition, operators, values=None):
    """Leaves over one condition: each operator with a value of its own kind."""
    pairs = [(name, values) if isinstance(name, str) else name for name in operators]
    ASKED.update((condition, operator) for operator, _value in pairs)
    leaves = [
        st.fixed_dictionaries(
            {"condition": st.just(condition), "operator": st.just(operator)}
            | ({} if value is None else {"value": value})
        )
        for operator, value in pairs
    ]
    return st.one_of(leaves)


def among(condition, values, *more):
    value = st.sampled_from(values)
    several = st.lists(value, min_size=1, max_size=3)
    return ask(condition, ["is", "is_not", ("is_any_of", several), *more], value)


def leaf_of(key):
    kind, choices = plants.FIELDS[key]
    name, known = f"field.{key}", [("is_known", None), ("is_unknown", None)]
    match kind:
        case Type.TEXT:
            texts = choices or [*plants.CITIES, "Nowhere"]
            part = st.sampled_from(["LYON", "é", "%_", "\\", "'", '"', "a", "d", "_"])
            return among(name, texts, *[(each, part) for each in CONTAINED], *known)
        case Type.CHOICE:
            return among(name, choices, *known)
        case Type.NUMBER:
            compared = ["is", "more_than", "at_least", "less_than", "at_most"]
            number = st.sampled_from([*plants.NUMBERS, -2.5, 1, 40.0, 1e14])
            return ask(name, [*compared, *known], number)
        case Type.DATE:
            relative = ["in_the_last", "not_in_the_last", "in_the_next", "anniversary_in_the_next"]
            exact = moments | st.sampled_from(plants.BORN)
            more = [(each, days) for each in relative]
            return ask(
                name, ["is", "from", "before", *more, ("anniversary_today", None), *known], exact
            )
        case Type.YES_NO:
            return ask(name, [("yes", None), ("no", None), *known])
    item = st.sampled_from(choices or [*plants.LIKES, "x"])
    several = st.lists(item, min_size=1, max_size=3)
    return ask(name, ["has", "has_not", ("has_any_of", several), *known], item)


def moment_of(condition, *more):
    exact = [("from", moments), ("before", moments)]
    return ask(condition, ["in_the_last", "not_in_the_last", *exact, *more], days)


def permission_of(name):
    always = ["has", "has_not", "lost", "never_asked"]
    lately = ["since_days", "gained_in_the_last", "expires_in_the_next", "lost_in_the_last"]
    exact = [("since_from", moments), ("since_before", moments)]
    return ask(f"permission.{name}", [(each, None) for each in always] + lately + exact, days)


measured_names = st.sampled_from(["spring", "summer"])
campaign_names = st.sampled_from([*plants.CAMPAIGNS])
LEAVES = {
    "language": among("language", [*plants.LANGUAGES, "xx"]),
    "timezone": among("timezone", ["Europe/Paris", "UTC", "Nowhere"]),
    "lifecycle": among("lifecycle", [*plants.STAGES, "advocate"]),
    "created": moment_of("created"),
    "last_active": moment_of("last_active", ("is_known", None), ("is_unknown", None)),
    "tag": among("tag", plants.TAGS),
    "static_list": among("static_list", plants.LISTS),
    **{f"field.{key}": leaf_of(key) for key in plants.FIELDS},
    **{
        f"permission.{name}": permission_of(name)
        for name in ("news.email", "events.email", "measurement.data")
    },
    "campaign": ask(
        "campaign",
        ["received", "not_received", ("received_any_of", st.lists(campaign_names, min_size=1))],
        campaign_names,
    ),
    "messages": ask("messages", ["in_the_last", "not_in_the_last"], days),
    "measured_campaign": ask(
        "measured_campaign", ["clicked", "not_clicked", "opened", "not_opened"], measured_names
    ),
    "measured_link": ask("measured_link", ["clicked", "not_clicked"], links),
    "measured": ask(
        "measured",
        ["clicked_in_the_last", "not_clicked_in_the_last", "opened_in_the_last"],
        days,
    ),
}
TREES = st.recursive(
    st.one_of(*LEAVES.values()),
    lambda inner: (
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=4)})
        | st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=4)})
        | st.fixed_dictionaries({"not": inner})
    ),
    max_leaves=10,
)


# What a reader expects: nothing below knows of the database. What is not known is not so.


def holds(rule, person, planted):
    match rule:
        case {"all": parts}:
            return all(holds(part, person, planted) for part in parts)
        case {"any": parts}:
            return any(holds(part, person, planted) for part in parts)
        case {"not": part}:
            return not holds(part, person, planted)
    condition, operator, value = rule["condition"], rule["operator"], rule.get("value")
    area, _dot, name = condition.partition(".")
    match area:
        case "language" | "timezone" | "lifecycle":
            return one_of(getattr(person, area), operator, value)
        case "tag" | "static_list":
            return any_of(person.tags if area == "tag" else person.lists, operator, value)
        case "created" | "last_active":
            return moment(planted, getattr(person, area), operator, value)
        case "field":
            return attribute(person.attributes.get(name), operator, value)
        case "permission":
            standing = person.standings.get(name.partition(".")[0])
            return permission(planted, standing, operator, value)
        case "campaign":
            names = value if isinstance(value, list) else [value]
            got = any(has_received(person, each) for each in names)
            return got != (operator == "not_received")
        case "messages":
            got = any(has_received(person, each, value) for each in person.sent)
            return got == (operator == "in_the_last")
    return may_be_measured(planted, person) and measured(person, condition, operator, value)


def one_of(held, operator, value):
    if operator == "is_any_of":
        return held in value
    return (held == value) == (operator == "is")


def any_of(held, operator, value):
    if operator == "is_any_of":
        return bool(held & set(value))
    return (value in held) == (operator == "is")


def moment(planted, days_ago, operator, value):
    if operator in ("is_known", "is_unknown"):
        return (days_ago is not None) == (operator == "is_known")
    if days_ago is None:
        return False
    at = planted.ago(days_ago)
    return {
        "in_the_last": lambda: days_ago < value,
        "not_in_the_last": lambda: days_ago > value,
        "from": lambda: at >= midnight(value),
        "before": lambda: at < midnight(value),
    }[operator]()


def attribute(held, operator, value):
    if operator in ("is_known", "is_unknown"):
        return (held is not None) == (operator == "is_known")
    if held is None:
        return operator in ("is_not", "has_not", "contains_not")
    today = timezone.now().astimezone(UTC).date()
    return {
        "is": lambda: held == value,
        "is_not": lambda: held != value,
        "is_any_of": lambda: held in value,
        "contains": lambda: value.casefold() in held.casefold(),
        "contains_not": lambda: value.casefold() not in held.casefold(),
        "starts_with": lambda: held.casefold().startswith(value.casefold()),
        "more_than": lambda: held > value,
        "at_least": lambda: held >= value,
        "less_than": lambda: held < value,
        "at_most": lambda: held <= value,
        "from": lambda: date.fromisoformat(held) >= date.fromisoformat(value),
        "before": lambda: date.fromisoformat(held) < date.fromisoformat(value),
        "in_the_last": lambda: 0 <= (today - date.fromisoformat(held)).days <= value,
        "not_in_the_last": lambda: (today - date.fromisoformat(held)).days > value,
        "anniversary_today": lambda: anniversary(held, today),
        "anniversary_in_the_next": lambda: any(
            anniversary(held, today + timedelta(days=ahead))
            for ahead in range(1, min(value, 366) + 1)
        ),
        "in_the_next": lambda: 0 < (date.fromisoformat(held) - today).days <= value,
        "yes": lambda: held is True,
        "no": lambda: held is False,
        "has": lambda: value in held,
        "has_not": lambda: value not in held,
        "has_any_of": lambda: bool(set(value) & set(held)),
    }[operator]()


def anniversary(held, day):
    """Those of a leap day have theirs each year, on the last of February in others."""
    month_and_day = date.fromisoformat(held).timetuple()[1:3]
    tomorrow = day + timedelta(days=1)
    is_moved = month_and_day == (2, 29) and (day.month, tomorrow.month) == (2, 3)
    return month_and_day == (day.month, day.day) or is_moved


def permission(planted, standing, operator, value):
    if standing is None:
        return operator in ("has_not", "never_asked")
    left = standing.valid_for
    has = standing.state == "granted" and (left is None or left > 0)
    lost = standing.state in LOST
    return {
        "has": lambda: has,
        "has_not": lambda: not has,
        "since_days": lambda: has and standing.days_ago > value,
        "gained_in_the_last": lambda: has and standing.days_ago < value,
        "expires_in_the_next": lambda: has and left is not None and left < value,
        "since_from": lambda: has and planted.ago(standing.days_ago) >= midnight(value),
        "since_before": lambda: has and planted.ago(standing.days_ago) < midnight(value),
        "lost": lambda: lost,
        "lost_in_the_last": lambda: lost and standing.days_ago < value,
        "never_asked": lambda: False,
    }[operator]()


def has_received(person, campaign, days=10**9, *, is_measured=False):
    sent = person.sent.get(campaign)
    if not sent or sent.state not in RECEIVED or sent.days_ago >= days:
        return False
    return sent.is_measured or not is_measured


def may_be_measured(planted, person):
    standing = person.standings.get("measurement")
    return not person.is_restricted and permission(planted, standing, "has", None)


def measured(person, condition, operator, value):
    """Of one who is measured; whoever clicked has opened."""
    if condition == "measured":
        hits = [hit for name in person.sent for hit in person.sent[name].hits.items()]
        clicked = any(link and ago < value for link, ago in hits)
        got = any(has_received(person, name, value, is_measured=True) for name in person.sent)
        return {
            "clicked_in_the_last": clicked,
            "opened_in_the_last": any(ago < value for _link, ago in hits),
            "not_clicked_in_the_last": got and not clicked,
        }[operator]
    name, _dot, number = value.partition(".")
    hits = person.sent[name].hits if name in person.sent else {}
    if number:
        did = int(number) in hits
    elif operator.endswith("opened"):
        did = bool(hits)
    else:
        did = any(hits)
    if operator.startswith("not"):
        return has_received(person, name, is_measured=True) and not did
    return did


def with_keys(rule, planted):
    """The rule as it is kept: lists and campaigns by their keys."""
    match rule:
        case {"not": part}:
            return {"not": with_keys(part, planted)}
        case {"all": parts} | {"any": parts}:
            return {next(iter(rule)): [with_keys(part, planted) for part in parts]}
        case {"condition": "static_list" | "campaign" | "measured_campaign" | "measured_link"}:
            value = rule["value"]
            keys = planted.lists | planted.campaigns

            def key(name):
                first, dot, number = name.partition(".")
                return keys[first] + dot + number

            return rule | {"value": [*map(key, value)] if isinstance(value, list) else key(value)}
    return rule


def found(rule):
    return set(segments.matching(rule).values_list("pk", flat=True))


def differs(rule, planted):
    kept = with_keys(rule, planted)
    expected = {person.pk for person in planted.people if holds(rule, person, planted)}
    everybody = {person.pk for person in planted.people}
    return (
        found(kept) != expected
        or found({"not": kept}) != everybody - expected
        or any(differs_for(person, kept, expected) for person in planted.people[:3])
    )


def differs_for(person, kept, expected):
    """Whether a person's own page would say otherwise of this rule and of its opposite."""
    both = [Segment(pk=1, rule=kept), Segment(pk=2, rule={"not": kept})]
    belongs = segments.segments_of(Contact(pk=person.pk), among=both)
    return belongs != [both[0] if person.pk in expected else both[1]]


@given(rule=TREES)
@thorough
def test_it_finds_whom_a_reader_of_the_rule_expects(planted, rule):
    assert not differs(rule, planted), with_keys(rule, planted)


def test_it_finds_them_by_every_condition_that_there_is(planted):
    for leaves in LEAVES.values():

        @given(rule=leaves)
        @settings(thorough, max_examples=max(4, EXAMPLES // 12))
        def check(rule):
            assert not differs(rule, planted), with_keys(rule, planted)

        check()
    offered = {
        (name, operator)
        for name, condition in segments.known().items()
        for operator in condition.operators
        if not name.startswith("permission.base.")
    }
    assert offered == ASKED


# Anything at all, and what nearly is a rule.

WORDS = ["all", "any", "not", "condition", "operator", "value", "sql", ""]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(
        [10**400, -(10**4000), 1e308, "x" * 5000, "\x00", "\ud800", "%(label)s", "\uff11"]
    ),
    st.text(max_size=8),
    st.sampled_from([*LEAVES, *sorted({operator for _name, operator in ASKED})]),
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
nearly = st.builds(
    lambda pair, value: {"condition": pair[0], "operator": pair[1], "value": value},
    st.sampled_from(sorted(ASKED)),
    anything | moments | st.sampled_from([["1"], "1", "1.1", "0001-01-01", 36_500, "fr"]),
)
ANY_TREE = st.recursive(
    nearly | anything,
    lambda inner: st.dictionaries(
        st.sampled_from(WORDS), inner | st.lists(inner, max_size=3), min_size=1, max_size=2
    ),
    max_leaves=6,
)


def nested(depth, how="not"):
    inner = "{}"
    return f'{{"{how}":' * depth + inner + "}" * depth


RAW = (
    st.builds(json.dumps, ANY_TREE)
    | st.text()
    | st.sampled_from([nested(9), nested(300), nested(900), nested(6_000), "[" * 900 + "]" * 900])
    | st.sampled_from(["NaN", "-Infinity", '{"all": [1e999]}', "9" * 5000, '"\\ud800"', "null"])
)


@given(rule=ANY_TREE)
@example(rule={"condition": "field.age", "operator": "is", "value": 10**400})
@example(rule={"condition": "static_list", "operator": "is", "value": 10**5000})
@example(rule={"condition": "created", "operator": "from", "value": "0001-01-01"})
@thorough
def test_it_finds_people_or_refuses_with_a_sentence(planted, rule):
    for names in (segments.conditions_of, segments.fields_of, segments.lists_of):
        assert isinstance(names(rule), set)
    try:
        people = segments.matching(rule)
    except segments.RuleError:
        return
    people.count()
    assert segments.describe(rule)


@given(raw=RAW)
@example(raw=nested(6_000))
@example(raw="9" * 5000)
@example(raw='"\\ud800"')
@through_doors
def test_it_answers_whatever_is_posted_to_the_builder(admin, raw):
    raw = raw.encode("utf-8", "replace").decode()
    answer = admin.post(reverse("admin:contacts_segment_count"), {"rule": raw})
    assert answer.status_code == 200
    assert answer.context_data.keys() & {"problem", "words"}
    answer = admin.post(reverse("admin:contacts_segment_add"), {"name": "Any", "rule": raw})
    if answer.status_code == 200:
        assert answer.context_data["adminform"].form.errors["rule"]
    else:
        assert answer.status_code == 302
        assert admin.get(reverse("admin:contacts_segment_changelist")).status_code == 200
        Segment.objects.all().delete()


@pytest.fixture
def admin(planted):
    client = Client()
    client.force_login(make.staff())
    return client
