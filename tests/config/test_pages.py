"""Every page of the admin: it opens, and neither asks more nor reads more because there is more."""

import hashlib
import itertools
import re
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.conf import LazySettings
from django.contrib.auth.models import Group
from django.db import connection, models, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from campaigns.models import Campaign, Delivery, Image, Sender
from config.models import ApiToken, AuditEntry
from consent import sealing
from consent.models import (
    ConsentEvent,
    ImportBatch,
    LedgerCheckpoint,
    LedgerEntry,
    LedgerVerification,
    Permission,
    RefusedRow,
    RenewalRound,
    ServiceMail,
    Suppression,
    Wording,
)
from contacts.models import (
    Address,
    Contact,
    DataField,
    Export,
    Hold,
    Identity,
    IdentityView,
    Processor,
    Segment,
    StaticList,
    SubjectRequest,
    Tag,
)
from tests import make, pages
from tests.benchmarks import admin as bench

pytestmark = pytest.mark.django_db
SENT = "2026-01-02T00:00Z"
_number = itertools.count(1)


@pytest.fixture
def client(client: Client, settings: LazySettings) -> Client:
    """Something of everything, as a superuser sees it where a second person is asked for."""
    settings.CAMPAIGN_NEEDS_APPROVAL = settings.EXPORT_NEEDS_SECOND_PERSON = True
    client.force_login(pages.exhibit())
    return client


def unlike(model: type[models.Model], number: int) -> dict[str, Any]:
    """Values for what may stand once only, another for each number."""
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    values: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        if field.primary_key or not field.unique or field.is_relation:
            continue
        if isinstance(field, models.UUIDField):
            values[field.attname] = uuid.uuid4()
        elif isinstance(field, models.IntegerField):
            values[field.attname] = number + 1000
        elif isinstance(field, models.CharField):
            values[field.attname] = (
                digest if field.max_length == 64 else f"n{digest}"[: field.max_length]
            )
    return values


def more(thing: models.Model, count: int, **fields: Any) -> None:
    """So many copies of a row beside it; a field that is a function gets the number of the copy."""
    model = type(thing)
    kept = {
        field.attname: getattr(thing, field.attname)
        for field in model._meta.concrete_fields
        if not field.primary_key
    }
    for number in (next(_number) for _ in range(count)):
        own = {name: value(number) if callable(value) else value for name, value in fields.items()}
        model._default_manager.create(**kept | unlike(model, number) | own)


def grow(count: int) -> None:
    """So many more of everything, around the very objects that the pages show."""
    topic, ada = make.topic(), Contact.objects.order_by("pk")[0]
    people = [make.contact() for _ in range(count)]
    for person in people:
        make.granted(person, topic)
    for _ in range(count):
        make.granted(ada, make.topic(f"topic-{next(_number)}"))
    for state in pages.STATES:
        first = Campaign.objects.filter(state=state).earliest("pk")
        more(first, count)
        if first.deliveries.exists():
            one = first.deliveries.filter(contact=ada).get()
            ids = iter([person.pk for person in people])
            more(one, count, contact_id=lambda _number, ids=ids: next(ids))
    sent = Campaign.objects.filter(state="sent").earliest("pk").deliveries.get(contact=ada)
    copies = Campaign.objects.filter(state="sent").order_by("-pk")[:count]
    for campaign in copies:
        more(sent, 1, campaign_id=campaign.pk)
    for model in (
        Sender, Segment, StaticList, Tag, DataField, Processor, Export, SubjectRequest,
        IdentityView, ServiceMail, ImportBatch, AuditEntry, ApiToken, Image, LedgerVerification, Group,
    ):  # fmt: skip
        more(model._default_manager.latest("pk"), count)
    more(Suppression.objects.latest("pk"), count, fingerprint=lambda n: n.to_bytes(32))
    more(Hold.objects.latest("pk"), count, lifted_at="2026-01-01T00:00Z")
    more(RefusedRow.objects.latest("pk"), count, line=lambda n: n + 3)
    more(
        Wording.objects.filter(channel="sms").latest("pk"),
        count,
        version=lambda n: n + 10,
        digest=None,
    )
    order = RenewalRound.objects.latest("pk")
    more(order, count, stopped_at="2026-01-01T00:00Z")
    for _ in range(count):
        further_staff = make.staff(f"staff{next(_number)}")
        more(Authenticator.objects.latest("pk"), 1, user_id=further_staff.pk)
    StaticList.objects.earliest("pk").contacts.add(*people)
    ada.tags.add(*Tag.objects.all())
    first = Campaign.objects.filter(state="draft").earliest("pk")
    first.segments.add(*Segment.objects.all())
    ledger_size = LedgerCheckpoint.objects.latest("pk")
    more(ledger_size, count, size=lambda n: ledger_size.size + n + 1)
    sealing.seal()


def seen(client: Client) -> Iterator[tuple[pages.Page, Any, list[str]]]:
    """Every page with its answer and the queries behind it."""
    for page in pages.pages():
        # A filter or another page of a list shows the rows of the list no otherwise.
        if " where " in page.name or " in the " in page.name or " back " in page.name:
            continue
        with CaptureQueriesContext(connection) as queries:
            answer = page.ask(client)
        yield page, answer, [query["sql"] for query in queries]


def test_it_knows_every_page_of_the_admin(client):
    shown: dict[str, set[int]] = {}
    for page in pages.pages():
        name = page.name.partition(" ")[0]
        shown.setdefault(name, set()).add(page.ask(client).status_code)
    assert {name: codes for name, codes in shown.items() if codes - {200, 302, 403}} == {}
    unseen = {
        name
        for name, _route in pages.routes()
        if 200 not in shown.get(name, set())
        and not all(pages.is_closed(name, code) for code in shown.get(name, {0}))
    }
    assert unseen - pages.NOT_MEASURED.keys() == set()
    assert pages.NOT_MEASURED.keys() - {name for name, _route in pages.routes()} == set()


def test_it_asks_no_more_because_there_is_more(client):
    grow(2)
    asked = {page.name: (page, code, queries) for page, code, queries in seen(client)}
    grow(12)
    grown = {}
    for name, (page, answer, before) in asked.items():
        with CaptureQueriesContext(connection) as queries:
            assert page.ask(client).status_code == answer.status_code, name
        if len(queries) > len(before):
            grown[name] = (len(before), len(queries), repeated(query["sql"] for query in queries))
    assert grown == {}


def repeated(queries: Iterable[str]) -> str:
    """The query that was asked most often, whatever for."""
    shapes = Counter(re.sub(r"\d+|'[^']*'", "?", sql)[:160] for sql in queries)
    return f"{shapes.most_common(1)[0]}"


BIG = {
    Contact, Address, Identity, Permission, ConsentEvent, LedgerEntry, Suppression, Delivery,
}  # fmt: skip
PEOPLE, READ_AT_MOST = 20_000, 2_000
# Pages that walk a table once, each with the reason.
WALKS = {
    "consent_topic_retire": "counts once whose values end with a use of data, before it is retired",
    "contacts_datafield_replace_choice": "counts once how many hold each choice, before one is replaced",
    "consent_wording_delete": "a draft that nobody can have said yes to; an index for it would cost each yes",
}


@pytest.mark.django_db(transaction=True)
def test_it_reads_no_more_because_there_are_more_people(monkeypatch):
    """No page reads a tenth of a large table, but to count for a moment that is over before long.

    A filter that few rows pass is another matter: it walks the table, and the benchmark holds it to half a
    second.
    """
    monkeypatch.setattr("campaigns.audience.WINDOW", 500)
    bench.prepare(PEOPLE)
    client = Client()
    client.force_login(make.staff())
    tables = {model._meta.db_table for model in BIG}
    known, greedy = set(), {}
    for page, _answer, queries in seen(client):
        if " ? " in page.name:
            continue
        for plans, sql in unhurried(queries):
            shape = re.sub(r"\d+|'[^']*'", "?", sql)
            if shape in known or not any(table in sql for table in tables):
                continue
            known.add(shape)
            if (rows := rows_read(sql, tables, plans)) > READ_AT_MOST and page.name not in WALKS:
                greedy[page.name] = (rows, shape[:300])
    assert greedy == {}


def unhurried(queries: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The questions that nothing ends but their answer, each behind what was set for its plan."""
    is_limited, plans = False, ""
    for sql in queries:
        if "LOCAL statement_timeout = " in sql:
            is_limited = "DEFAULT" not in sql
        elif sql.startswith("SET LOCAL enable_"):
            plans = sql
        elif sql.startswith(("COMMIT", "ROLLBACK", "RELEASE")):
            is_limited, plans = False, ""
        elif not is_limited and sql.lstrip().startswith(("SELECT", "WITH")):
            yield plans, sql


def rows_read(sql: str, tables: set[str], settings: str) -> int:
    """How many rows of these tables PostgreSQL looks at to answer."""
    with transaction.atomic(), connection.cursor() as cursor:
        if settings:
            cursor.execute(settings)
        cursor.execute("EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF, FORMAT JSON) " + sql)
        plans = [cursor.fetchone()[0][0]["Plan"]]
    read = 0
    for plan in plans:
        plans += plan.get("Plans", [])
        if plan.get("Relation Name") in tables:
            looked_at = sum(plan.get(kind, 0) for kind in LOOKED_AT)
            read += int(looked_at * plan["Actual Loops"])
    return read


LOOKED_AT = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
