"""Rules over people: what they find, what they say, and what they refuse."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from contacts import segments
from contacts.models import Channel, Contact, DataField, Segment, StaticList, Tag
from tests import make

pytestmark = pytest.mark.django_db


def found(rule):
    return set(segments.matching(rule).values_list("pk", flat=True))


def asked(condition, operator, value=None):
    return {"condition": condition, "operator": operator} | (
        {} if value is None else {"value": value}
    )


@pytest.fixture
def plan():
    return make.field("plan", DataField.Type.CHOICE, choices=["free", "pro"])


@pytest.fixture
def age():
    return make.field("age", DataField.Type.NUMBER)


def test_it_finds_everybody_living_when_the_rule_is_empty():
    ada, gone = make.contact(), make.contact()
    type(gone).objects.filter(pk=gone.pk).update(erased_at=timezone.now())
    assert found({}) == {ada.pk}


def test_it_joins_all_any_and_not(plan, age):
    ada = make.contact(language="fr", attributes={"plan": "pro", "age": 44})
    bo = make.contact(language="en", attributes={"plan": "pro", "age": 30})
    cy = make.contact(language="fr", attributes={"plan": "free"})
    pro, older = asked("field.plan", "is", "pro"), asked("field.age", "more_than", 40)
    french = asked("language", "is", "fr")
    assert found({"all": [pro, older]}) == {ada.pk}
    assert found({"any": [older, french]}) == {ada.pk, cy.pk}
    assert found({"not": older}) == {bo.pk, cy.pk}
    assert found({"not": {"any": [{"not": french}, older]}}) == {cy.pk}


def test_it_counts_people_without_a_value_as_not_matching_on_either_side(age):
    unknown = make.contact()
    assert found(asked("field.age", "less_than", 40)) == set()
    assert found({"not": asked("field.age", "less_than", 40)}) == {unknown.pk}
    assert found({"not": {"not": asked("field.age", "less_than", 40)}}) == set()


def test_it_asks_dates_also_relative_to_now():
    new, old = make.contact(), make.contact()
    type(old).objects.filter(pk=old.pk).update(created_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert found(asked("created", "in_the_last", 30)) == {new.pk}
    assert found(asked("created", "not_in_the_last", 30)) == {old.pk}
    assert found(asked("created", "before", "2020-01-02")) == {old.pk}
    assert found(asked("created", "from", "2020-01-02")) == {new.pk}
    assert found(asked("last_active", "is_known")) == set()
    assert found({"not": asked("last_active", "in_the_last", 30)}) == {new.pk, old.pk}


def test_it_asks_tags_and_static_lists():
    ada, bo = make.contact(), make.contact()
    ada.tags.add(Tag.objects.create(name="vip"), Tag.objects.create(name="press"))
    guests = StaticList.objects.create(name="Guests")
    guests.contacts.add(bo)
    assert found(asked("tag", "is_any_of", ["vip", "press"])) == {ada.pk}
    assert found(asked("tag", "is_not", "vip")) == {bo.pk}
    assert found(asked("static_list", "is", str(guests.pk))) == {bo.pk}


def test_it_asks_registered_fields_of_every_type(plan):
    make.field("city", DataField.Type.TEXT)
    make.field("birthday", DataField.Type.DATE)
    make.field("works", DataField.Type.YES_NO)
    make.field("interests", DataField.Type.LIST)
    today = timezone.now().date()
    ada = make.contact(
        attributes={
            "plan": "pro",
            "city": "Lyon 3e",
            "birthday": (today + timedelta(days=3)).isoformat(),
            "works": True,
            "interests": ["maps", "poetry"],
        }
    )
    make.contact(attributes={"city": "100 %_Paris", "works": False})
    for rule in (
        asked("field.plan", "is_any_of", ["pro"]),
        asked("field.city", "contains", "lyon"),
        asked("field.birthday", "in_the_next", 7),
        asked("field.works", "yes"),
        asked("field.interests", "has", "poetry"),
        asked("field.interests", "is_known"),
        {"not": asked("field.city", "contains", "%_")},
    ):
        assert found(rule) == {ada.pk}, rule


@pytest.mark.parametrize(
    ("today", "days", "born"),
    [
        ("2026-02-27", 1, {"1980-02-28", "1996-02-29"}),
        ("2028-02-27", 2, {"1980-02-28", "1996-02-29"}),
        ("2028-02-28", 1, {"1996-02-29"}),
        ("2026-12-30", 2, {"1977-12-31", "2001-01-01"}),
        ("2026-06-01", 900, {"1980-02-28", "1996-02-29", "1977-12-31", "2001-01-01"}),
    ],
)
def test_it_finds_an_anniversary_whatever_the_year(monkeypatch, today, days, born):
    make.field("born", DataField.Type.DATE)
    for day in ("1980-02-28", "1996-02-29", "1977-12-31", "2001-01-01"):
        make.contact(attributes={"born": day})
    monkeypatch.setattr("django.utils.timezone.now", lambda: datetime.fromisoformat(f"{today}T09Z"))
    people = segments.matching(asked("field.born", "anniversary_in_the_next", days))
    assert {person.attributes["born"] for person in people} == born
    people = segments.matching(asked("field.born", "anniversary_today"))
    assert {person.attributes["born"][5:] for person in people} == {today[5:]} & {"02-28"}


def test_it_asks_since_when_somebody_permits():
    topic = make.topic()
    ada, bo, cy = make.contact(), make.contact(), make.contact()
    for person, since in ((ada, "2024-05-24T23:59Z"), (bo, "2024-05-25T00:00Z")):
        make.granted(person, topic)
        person.permissions.update(since=since)
    make.withdrawn(cy, topic)
    name = f"permission.{topic.key}.{Channel.EMAIL}"
    assert found(asked(name, "since_before", "2024-05-25")) == {ada.pk}
    assert found(asked(name, "since_from", "2024-05-25")) == {bo.pk}


def test_it_asks_for_permission():
    topic = make.topic()
    ada, cy, never = make.contact(), make.contact(), make.contact()
    make.granted(ada, topic)
    make.granted(cy, topic)
    make.withdrawn(cy, topic)
    name = f"permission.{topic.key}.{Channel.EMAIL}"
    assert found(asked(name, "has")) == {ada.pk}
    assert found(asked(name, "lost")) == {cy.pk}
    assert found(asked(name, "never_asked")) == {never.pk}
    assert found(asked(name, "has_not")) == {cy.pk, never.pk}
    assert found(asked(name, "gained_in_the_last", 1)) == {ada.pk}
    assert found(asked(name, "since_days", 1)) == set()


def test_it_compiles_to_one_query(plan, age, django_assert_num_queries):
    rule = {"all": [asked("field.plan", "is", "pro"), asked("field.age", "more_than", 40)]}
    people = segments.matching({"not": rule})
    with django_assert_num_queries(1):
        assert people.count() == 0


CROWD = 20_000


@pytest.fixture
def crowd():
    """So many people that a list of them does not fit into the memory of a statement; all are guests."""
    guests, vip = StaticList.objects.create(name="Guests"), Tag.objects.create(name="vip")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO contacts_contact (subject, language, timezone, lifecycle, attributes)"
            " SELECT gen_random_uuid(), 'en', '', 'lead', '{}' FROM generate_series(1, %s)",
            [CROWD],
        )
        for table, column, key in (
            ("contacts_staticlist_contacts", "staticlist_id", guests.pk),
            ("contacts_contact_tags", "tag_id", vip.pk),
        ):
            cursor.execute(
                f"INSERT INTO {table} ({column}, contact_id) SELECT %s, id FROM contacts_contact",
                [key],
            )
        cursor.execute(
            "ANALYZE contacts_contact, contacts_staticlist_contacts, contacts_contact_tags"
        )
        cursor.execute("SET LOCAL work_mem = '64kB'")
    return asked("static_list", "is", str(guests.pk)), asked("tag", "is", "vip")


def cost_of(sql):
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (FORMAT JSON) " + sql)
        return cursor.fetchone()[0][0]["Plan"]["Total Cost"]


def test_it_compares_nobody_with_everybody_whatever_is_denied(crowd):
    guest, vip = crowd
    for rule in (
        {"not": guest},
        {"not": {"any": [guest, vip]}},
        {"any": [guest, {"not": vip}]},
        {"all": [{"not": {"all": [guest, vip]}}, vip]},
        guest | {"operator": "is_not"},
    ):
        with CaptureQueriesContext(connection) as queries:
            people = segments.matching(rule).count()
        assert people in (0, CROWD)
        assert cost_of(queries[-1]["sql"]) < 50 * CROWD, rule


def test_it_asks_of_one_person_without_reading_others(crowd):
    ada = Contact.objects.latest("pk")
    among = [
        Segment(pk=number, rule=rule)
        for number, rule in enumerate(
            [crowd[0], {"not": crowd[1]}, {"any": [{"not": crowd[0]}, crowd[1]]}]
        )
    ]
    with CaptureQueriesContext(connection) as queries:
        assert segments.segments_of(ada, among=among) == [among[0], among[2]]
    assert cost_of(queries[-1]["sql"]) < 1_000


def test_it_says_a_rule_in_plain_words(plan, age):
    rule = {
        "all": [
            asked("field.plan", "is", "pro"),
            {"any": [asked("field.age", "more_than", 40), asked("language", "is", "fr")]},
            {"not": asked("created", "in_the_last", 30)},
        ]
    }
    assert segments.describe(rule) == (
        "Plan is pro and (Age is more than 40 or language is French)"
        " and not (sign-up in the last 30 days)"
    )
    assert segments.describe({}) == "everybody"
    assert segments.fields_of(rule) == {"plan", "age"}


def test_it_finds_the_members_of_a_saved_segment(plan):
    ada = make.contact(attributes={"plan": "pro"})
    segment = Segment.objects.create(name="Pro", rule=asked("field.plan", "is", "pro"))
    assert list(segments.members(segment)) == [ada]


def test_it_refuses_a_segment_when_its_field_is_retired(plan):
    segment = Segment.objects.create(name="Pro", rule=asked("field.plan", "is", "pro"))
    DataField.objects.update(retired_at=timezone.now())
    with pytest.raises(segments.RuleError, match=r"There is no condition “field\.plan”"):
        segments.members(segment)


deep = asked("language", "is", "fr")
for _ in range(12):
    deep = {"not": deep}


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ([], "A rule is a tree"),
        ({"all": []}, "needs at least one condition"),
        ({"all": {"condition": "language"}}, "needs at least one condition"),
        ({"every": []}, "A part of a rule is"),
        ({"all": ["x"]}, "“x” is not a condition"),
        ({"condition": ["language"]}, "There is no condition"),
        (asked("shoe_size", "is", "44"), "There is no condition “shoe_size”"),
        (asked("field.secret", "is", "x"), "There is no condition “field.secret”"),
        (asked("language", "matches", "fr"), "cannot be asked with “matches”"),
        (asked("lifecycle", "is", "king"), "“king” is no value"),
        (asked("lifecycle", "is_any_of", []), "“lifecycle stage is any of” needs a value"),
        (asked("lifecycle", "is"), "“lifecycle stage is” needs a value"),
        (asked("lifecycle", "is", ""), "“lifecycle stage is” needs a value"),
        (asked("created", "in_the_last", 0), "is no value"),
        (asked("created", "in_the_last", True), "is no value"),
        (asked("created", "from", "2024-02-30"), "is no value"),
        (asked("language", "is", "x\x00"), "is no value"),
        (asked("language", "is", "\ud800"), "is no value"),
        (asked("language", "is", "fr") | {"sql": "1=1"}, "A condition has no “sql”"),
        (deep, "nests at most"),
        ({"any": [asked("language", "is", "fr")] * 300}, "at most 200 conditions"),
    ],
)
def test_it_refuses_with_a_sentence_what_cannot_be_read(rule, sentence):
    with pytest.raises(segments.RuleError, match=sentence):
        segments.validate(rule)


@pytest.mark.parametrize("key", ["a__b", "age_", "_age", "Age", "9", "âge"])
def test_it_keeps_no_field_by_a_key_that_a_query_would_read_as_a_path(key):
    with pytest.raises(ValidationError, match="words joined by one _"):
        DataField(key=key).clean_fields(exclude=["type", "purpose", "owner"])
    with pytest.raises(IntegrityError, match="field_key_is_a_name"):
        make.field(key)
