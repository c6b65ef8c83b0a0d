"""Counts that take too long for a page: a worker does them, and a page shows them with their age."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.urls import reverse

from contacts import counting, tasks
from contacts.models import Count
from tests import make

pytestmark = pytest.mark.django_db
ASK = reverse("admin:contacts_contact_ask_count")


@pytest.fixture
def kinds(monkeypatch):
    monkeypatch.setattr("contacts.counting._kinds", {})
    counting.register("words", lambda about: len(about.split()), permission="contacts.view_contact")
    return counting._kinds


@pytest.fixture
def slow(kinds, hurried):
    """A count that no page waits for."""

    def asleep(about):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.05)")
        return 7

    counting.register("slow", asleep, permission="contacts.view_contact")


def test_it_counts_live_where_that_is_quick(kinds):
    figure = counting.look("words", "one two")
    assert (figure.result, figure.at, figure.is_waiting) == (2, None, False)
    assert not Count.objects.exists()


def test_it_shows_a_worker_s_count_with_its_age_where_counting_takes_long(slow):
    assert not counting.look("slow").is_counted
    assert not Count.objects.exists()
    counting.ask("slow")
    assert counting.look("slow").is_waiting
    tasks.count_asked()
    figure = counting.look("slow")
    assert (figure.result, figure.is_waiting) == (7, False)
    assert figure.at is not None


def test_it_shows_the_last_count_while_a_new_one_is_made(slow):
    counting.ask("slow")
    counting.work()
    counting.ask("slow")
    figure = counting.look("slow")
    assert (figure.result, figure.is_waiting) == (7, True)


def test_it_lets_the_limit_end_with_the_count(kinds):
    counting.look("words")
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


def test_it_ends_a_statement_at_the_limit():
    limit = counting.at_most(timedelta(milliseconds=5))
    with pytest.raises(OperationalError), limit, connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(5)")


def test_it_keeps_waiting_who_asked_while_it_was_counted(kinds):
    counting.register(
        "busy", lambda _about: counting.ask("busy") or 1, permission="contacts.view_contact"
    )
    Count.objects.create(kind="busy", asked_at="2026-01-01T00:00Z")
    counting.work()
    assert Count.objects.get().asked_at is not None
    assert Count.objects.get().result == 1


def test_it_gives_up_a_count_that_ended_three_workers(kinds, caplog):
    def die(about):
        raise KeyboardInterrupt

    counting.register("deadly", die, permission="contacts.view_contact")
    counting.ask("deadly")
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            counting.work()
    counting.work()
    assert Count.objects.get().asked_at is None
    assert "given up" in caplog.text


@pytest.mark.parametrize("about", ["not a number", "404"])
def test_it_forgets_a_count_of_what_is_gone(about):
    counting.ask("audience", about)
    counting.work()
    assert not Count.objects.exists()


def test_it_forgets_what_nobody_asked_for_in_a_month(kinds):
    Count.objects.create(kind="words", about="old", counted_at="2026-01-01T00:00Z", result=1)
    counting.ask("words", "new")
    counting.work()
    assert [count.about for count in Count.objects.all()] == ["new"]


def test_it_leaves_a_count_to_the_worker_that_is_at_it(kinds, django_db_blocker):
    counting.ask("words", "one")
    pk = Count.objects.get().pk
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [counting._LOCK_SPACE, pk])
            counting.work()
            assert Count.objects.get().asked_at is not None
            # Closing alone leaves the lock until the server notices.
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [counting._LOCK_SPACE, pk])
    finally:
        other.close()
    counting.work()
    assert Count.objects.get().result == 1


def test_it_takes_a_question_from_whoever_may_see_the_answer(client, kinds):
    staff = make.staff("nora", superuser=False)
    client.force_login(staff)
    asked = {"kind": "words", "about": "one two", "back": "/admin/contacts/contact/"}
    assert client.post(ASK, asked).status_code == 403
    assert not Count.objects.exists()
    make.permit(staff, "contacts.view_contact")
    assert client.post(ASK, asked).headers["Location"] == "/admin/contacts/contact/"
    assert Count.objects.get().about == "one two"
    assert client.get(ASK).status_code == 405


def test_it_refuses_a_kind_that_nobody_counts(client, kinds):
    client.force_login(make.staff())
    assert client.post(ASK, {"kind": "stars"}).status_code == 403
    with pytest.raises(counting.UnknownKind):
        counting.look("stars")


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example/", "evil", ""])
def test_it_leads_back_to_pages_of_our_own_only(client, kinds, back):
    client.force_login(make.staff())
    answer = client.post(ASK, {"kind": "words", "back": back})
    assert answer.headers["Location"] == reverse("admin:index")
