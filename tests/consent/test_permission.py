"""Acts of consent through the door, and what the gate says after each."""

import pgtrigger
import pytest
from django.db import DatabaseError, connection, transaction

from consent import gate, leaf, services
from consent.models import ConsentEvent, Kind, Method, ServiceMail, Suppression
from contacts import services as contacts
from contacts.models import Channel
from tests import make

pytestmark = pytest.mark.django_db


def reason(contact, topic, channel=Channel.EMAIL):
    return gate.explain(contact=contact, topic=topic, channel=channel).reason


def test_it_denies_a_person_who_was_never_asked():
    assert reason(make.contact(), make.topic()) == "never_asked"


def test_it_waits_for_the_confirmation_when_the_topic_wants_double_opt_in():
    topic = make.topic()
    bo = services.request_consent(
        email="bo@example.org", wordings=[make.wording(topic)], language="en"
    )
    assert reason(bo, topic) == "pending"
    assert ServiceMail.objects.get().purpose == "confirmation"


def test_it_allows_after_the_confirmation_and_names_the_event():
    topic = make.topic()
    ada = make.contact()
    event = make.granted(ada, topic)
    decision = gate.explain(contact=ada, topic=topic, channel=Channel.EMAIL)
    assert decision.is_allowed
    assert decision.event_id == event.pk


def test_it_denies_from_the_moment_of_the_withdrawal():
    topic = make.topic()
    cy = make.contact()
    make.granted(cy, topic)
    make.withdrawn(cy, topic)
    assert reason(cy, topic) == "withdrawn"


def test_it_refuses_evidence_from_elsewhere_after_a_no():
    topic = make.topic()
    cy = make.contact()
    make.granted(cy, topic)
    make.withdrawn(cy, topic)
    with pytest.raises(services.PersonSaidNo):
        make.given_elsewhere(cy, topic)
    assert reason(cy, topic) == "withdrawn"


def test_it_opens_again_by_a_fresh_act_of_the_person():
    topic = make.topic()
    cy = make.contact()
    make.granted(cy, topic)
    make.withdrawn(cy, topic)
    services.request_consent(email="x@example.org", wordings=[make.wording(topic)], language="en")
    cy_email = cy.identity.__class__.objects.get(contact=cy).email
    services.request_consent(email=cy_email, wordings=[make.wording(topic)], language="en")
    assert reason(cy, topic) in ("suppressed", "pending")
    make.granted(cy, topic)
    assert reason(cy, topic) == ""


def test_it_ignores_a_confirmation_link_from_before_the_no():
    topic = make.topic()
    cy = make.contact()
    make.granted(cy, topic)
    make.withdrawn(cy, topic)
    make.granted(cy, topic)
    assert reason(cy, topic) == "withdrawn"


def test_it_stops_every_topic_when_a_person_objects():
    news, offers = make.topic(), make.topic("offers")
    cy = make.contact()
    make.granted(cy, news)
    services.object_to_everything(contact=cy, channel=Channel.EMAIL, method=Method.STOP_PAGE)
    assert reason(cy, news) == "objected"
    assert reason(cy, offers) == "objected"
    with pytest.raises(services.PersonSaidNo):
        make.given_elsewhere(cy, offers)


def test_it_keeps_an_address_suppressed_when_another_contact_gets_it():
    topic = make.topic()
    cy = make.contact("cy@example.org")
    make.granted(cy, topic)
    make.withdrawn(cy, topic)
    contacts.change_address(contact=cy, channel=Channel.EMAIL, address="new@example.org")
    other = make.contact("cy@example.org")
    make.given_elsewhere(other, topic)
    assert reason(other, topic) == "suppressed"


def test_it_does_not_move_a_permission_to_a_new_address():
    topic = make.topic()
    ada = make.contact()
    make.granted(ada, topic)
    contacts.change_address(contact=ada, channel=Channel.EMAIL, address="ada.new@example.org")
    assert reason(ada, topic) == "other_address"


def test_it_undoes_a_withdrawal():
    topic = make.topic()
    ada = make.contact()
    make.granted(ada, topic)
    event = make.withdrawn(ada, topic)
    services.undo_withdrawal(event=event, contact=ada)
    assert reason(ada, topic) == ""


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE consent_consentevent SET kind = 'given'",
        "DELETE FROM consent_consentevent",
        "TRUNCATE consent_consentevent CASCADE",
        "UPDATE consent_consentevidence SET details = '{}'",
        "UPDATE consent_permission SET event_id = 0",
        "INSERT INTO consent_consentevidence (event_id, nonce, details) VALUES (0, '', '{}')",
        """INSERT INTO consent_permission (contact_id, topic_id, channel, state, stopped, since, basis,
        event_id) SELECT contact_id, topic_id, 'sms', state, stopped, since, basis, 0
        FROM consent_permission""",
    ],
)
def test_it_refuses_to_change_the_ledger_by_sql(statement):
    topic = make.topic()
    make.granted(make.contact(), topic)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_it_computes_the_leaf_in_the_database_as_the_verifier_does():
    topic = make.topic()
    with pgtrigger.ignore():
        make.granted(make.contact(), topic)
    event = ConsentEvent.objects.get(kind=Kind.GIVEN)
    fields = leaf.EventFields(
        event.pk,
        str(event.subject),
        event.topic_id,
        event.channel,
        event.kind,
        event.basis,
        event.method,
        leaf.microseconds(event.occurred_at),
        leaf.microseconds(event.recorded_at),
        event.wording_id,
        event.actor_role,
        event.actor,
        event.undoes_id,
        bytes(event.commitment),
    )
    assert bytes(event.leaf) == fields.leaf()
    assert Suppression.objects.count() == 0
