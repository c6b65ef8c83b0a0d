"""What names a row is looked up by its key, whatever the planner believes of the table."""

import pytest
from django.db import IntegrityError, connection, transaction

from contacts.models import Contact, Identity
from contacts.models.people import OF_CONTACT

pytestmark = pytest.mark.django_db


@pytest.fixture
def believed_empty():
    """A thousand people in a table that was looked at when nobody in it was written for good."""
    with connection.cursor() as cursor:
        before = transaction.savepoint()
        _write_people()
        transaction.savepoint_rollback(before)
        cursor.execute("ANALYZE contacts_contact")
        _write_people()
        cursor.execute(
            "SELECT relpages > 0, reltuples FROM pg_class WHERE oid = 'contacts_contact'::regclass"
        )
        assert cursor.fetchone() == (True, 0)


def _write_people():
    Contact.objects.bulk_create(Contact() for _ in range(1000))


def is_lost():
    """What the check says of all people, and the indexes it read."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE fresh ON COMMIT DROP AS SELECT id AS contact_id FROM contacts_contact"
        )
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"SELECT {OF_CONTACT.is_lost()}")
        [found] = cursor.fetchone()
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) SELECT {OF_CONTACT.is_lost()}")
        [plan] = cursor.fetchone()
    return found, {
        node["Index Name"]
        for node in nodes(plan[0]["Plan"])
        if node["Actual Loops"] and "Index Name" in node
    }


def nodes(plan):
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def test_it_reads_no_other_index_of_a_table_that_is_believed_empty(believed_empty):
    assert is_lost() == (False, {"contacts_contact_pkey", "pg_class_oid_index"})


def test_it_reads_the_same_of_one_that_is_known(believed_empty):
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE contacts_contact")
    assert is_lost() == (False, {"contacts_contact_pkey", "pg_class_oid_index"})


def test_it_refuses_what_names_nothing(believed_empty):
    with pytest.raises(IntegrityError, match="contact_id names nothing"), transaction.atomic():
        Identity.objects.create(contact_id=Contact.objects.latest("pk").pk + 1)
