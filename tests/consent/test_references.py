"""What foreign keys would hold, held by triggers: what is named is there, and stays."""

import pgtrigger
import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from consent.models import Topic, Wording
from contacts.models import Address, Contact
from tests import make

pytestmark = pytest.mark.django_db

_EVENT = """INSERT INTO consent_consentevent (subject, topic_key, channel, kind, basis, method,
    wording_digest, actor_role, actor, undoes_id, commitment) SELECT subject, {}, channel, kind, basis,
    method, {}, actor_role, actor, {}, commitment FROM consent_consentevent WHERE kind = 'given'"""
_PERMISSION = """INSERT INTO consent_permission (contact_id, topic_id, channel, state, stopped, since,
    basis, wording_id, address_id, event_id) SELECT {}, {}, 'sms', state, stopped, since, basis, {}, {}, {}
    FROM consent_permission WHERE state = 'granted'"""
_DRAFT = "(SELECT id FROM consent_wording WHERE published_at IS NULL)"


@pytest.fixture(autouse=True)
def _somebody():
    topic = make.topic()
    make.granted(make.contact(), topic)
    words = make.wording(topic)
    Wording.objects.create(
        topic=topic, channel="email", language="en", version=words.version + 1, text=words.text
    )


def run(statement):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.rowcount


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO contacts_identity VALUES (0, '', '', '', '')",
        "INSERT INTO contacts_address (contact_id, channel, fingerprint, domain) VALUES (0, 'sms', 'x', '')",
        _EVENT.format("'nothing'", "wording_digest", "NULL"),
        _EVENT.format("topic_key", "repeat('a', 64)", "NULL"),
        _EVENT.format("topic_key", "wording_digest", "0"),
        "INSERT INTO consent_consentevidence (event_id, nonce, details) VALUES (0, '', '{}')",
        _PERMISSION.format("0", "topic_id", "wording_id", "address_id", "event_id"),
        _PERMISSION.format("contact_id", "0", "wording_id", "address_id", "event_id"),
        _PERMISSION.format("contact_id", "topic_id", "0", "address_id", "event_id"),
        _PERMISSION.format("contact_id", "topic_id", _DRAFT, "address_id", "event_id"),
        _PERMISSION.format("contact_id", "topic_id", "wording_id", "0", "event_id"),
        _PERMISSION.format("contact_id", "topic_id", "wording_id", "address_id", "0"),
        "UPDATE consent_permission SET contact_id = 0",
        "UPDATE consent_permission SET topic_id = 0",
        "UPDATE consent_permission SET wording_id = 0",
        f"UPDATE consent_permission SET wording_id = {_DRAFT}",
        "UPDATE consent_permission SET address_id = 0",
        "UPDATE consent_permission SET event_id = 0",
        "UPDATE contacts_identity SET contact_id = 0",
        "UPDATE contacts_address SET contact_id = 0",
    ],
)
def test_it_refuses_a_row_that_names_what_is_not_there(statement):
    with pgtrigger.ignore(), pytest.raises(IntegrityError):
        run(statement)


def test_it_takes_the_same_rows_when_what_they_name_is_there():
    assert run(_EVENT.format("topic_key", "wording_digest", "id")) == 1
    assert (
        run(_PERMISSION.format("contact_id", "topic_id", "wording_id", "address_id", "event_id"))
        == 1
    )


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM contacts_contact",
        "DELETE FROM contacts_address",
        "DELETE FROM consent_topic",
        "DELETE FROM consent_wording WHERE published_at IS NOT NULL",
        "TRUNCATE contacts_contact CASCADE",
        "TRUNCATE contacts_address CASCADE",
        "TRUNCATE consent_topic CASCADE",
        "UPDATE contacts_contact SET id = id + 1000000",
        "UPDATE contacts_address SET id = id + 1000000",
        "UPDATE consent_topic SET id = id + 1000000",
        "UPDATE consent_topic SET key = 'another'",
        "UPDATE consent_wording SET digest = repeat('a', 64) WHERE published_at IS NOT NULL",
    ],
)
def test_it_keeps_what_others_may_name(statement):
    with pytest.raises(DatabaseError):
        run(statement)


@pytest.mark.parametrize("model", [Contact, Address, Topic])
def test_it_keeps_what_nobody_names_yet_too(model):
    """Whoever names it may be about to: without a lock, only what is never deleted is safe to name."""
    make.topic("unused")
    alone = make.contact(email="alone@example.org")
    alone.identity.delete()
    with pytest.raises(IntegrityError):
        run(f"DELETE FROM {model._meta.db_table} WHERE id = {model.objects.latest('pk').pk}")


def test_it_deletes_words_that_were_never_published():
    assert run("DELETE FROM consent_wording WHERE published_at IS NULL") == 1
