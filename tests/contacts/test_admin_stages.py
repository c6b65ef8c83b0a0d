"""How many people are at each stage of their lifecycle, above the list of people."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from contacts import counting, stages
from contacts.models import Contact, Count
from tests import make

pytestmark = pytest.mark.django_db
LIST = reverse("admin:contacts_contact_changelist")


@pytest.fixture
def desk(client):
    staff = make.staff("nora", superuser=False)
    client.force_login(make.permit(staff, "contacts.view_contact"))
    return client


@pytest.fixture
def people():
    for stage in ("lead", "lead", "lead", "customer"):
        make.contact(lifecycle=stage)
    old, gone = make.contact(lifecycle="lead"), make.contact(lifecycle="advocate")
    month = timezone.now() - timedelta(days=31)
    Contact.objects.filter(pk=old.pk).update(created_at=month)
    Contact.objects.filter(pk=gone.pk).update(erased_at=timezone.now())


def counts(page) -> dict[str, tuple[int, int, int]]:
    lines = page.context_data["stages"]
    return {line.stage.value: (line.people, line.new, line.percent) for line in lines}


def test_it_counts_people_and_the_new_ones_by_stage(desk, people):
    assert counts(desk.get(LIST)) == {
        "lead": (4, 3, 80),
        "subscriber": (0, 0, 0),
        "customer": (1, 1, 20),
        "advocate": (0, 0, 0),
        "lapsed": (0, 0, 0),
    }


def test_it_leads_from_a_stage_to_its_people_and_back(desk, people):
    assert f"{LIST}?lifecycle__exact=customer" in desk.get(LIST).content.decode()
    page = desk.get(LIST, {"lifecycle__exact": "customer"})
    assert [each.lifecycle for each in page.context_data["cl"].result_list] == ["customer"]
    shown = page.content.decode()
    assert 'aria-current="true"' in shown
    assert f"{LIST}?lifecycle__exact=customer" not in shown
    assert counts(page)["lead"] == (4, 3, 80)


def test_it_counts_nobody_where_there_is_nobody(desk):
    assert set(counts(desk.get(LIST)).values()) == {(0, 0, 0)}


@pytest.mark.parametrize("leafed", [{"older_than": "9"}, {"newer_than": "0"}, {"q": "abcdef12"}])
def test_it_counts_nothing_for_whoever_leafs_or_looks_for_one(desk, people, leafed):
    with CaptureQueriesContext(connection) as queries:
        page = desk.get(LIST, leafed)
    assert "figure" not in page.context_data
    assert not any("GROUP BY" in query["sql"] for query in queries)


def test_it_shows_the_last_count_of_a_worker_where_counting_takes_long(desk, people):
    Count.objects.create(
        kind=stages.KIND,
        result=[["lead", 700_000, 20_000]],
        counted_at=timezone.now() - timedelta(hours=2),
        took=2 * counting.QUICK,
    )
    page = desk.get(LIST)
    assert counts(page)["lead"] == (700_000, 20_000, 100)
    assert "Counted 2\xa0hours ago" in page.content.decode()


def test_it_is_counted_by_a_worker_when_asked(desk, people):
    ask = reverse("admin:contacts_contact_ask_count")
    assert desk.post(ask, {"kind": stages.KIND, "back": LIST}).headers["Location"] == LIST
    counting.work()
    assert sorted(Count.objects.get(kind=stages.KIND).result) == [
        ["customer", 1, 1],
        ["lead", 4, 3],
    ]


def asleep(_about: str) -> list[stages.Row]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(60)")
    return []


def test_it_shows_the_list_and_a_button_where_counting_takes_long(
    desk, people, hurried, monkeypatch
):
    slow = counting.Kind(asleep, permission="contacts.view_contact")
    monkeypatch.setitem(counting._kinds, stages.KIND, slow)
    page = desk.get(LIST)
    assert page.context_data["stages"] == []
    assert "Counting so many takes a moment." in page.content.decode()
