"""A stop link of long ago: after erasure, after every key was rotated, it still stops."""

import secrets

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from consent import gate, links, services
from consent.models import Method, Suppression, Wording
from contacts import rights
from contacts import services as contacts
from contacts.models import Channel
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def rotate(settings):
    """Every ring gets one more key, and the stored fingerprints move on."""
    contacts.record_key_checks()

    def rotate(name):
        settings.ASSENT_KEYS = {
            ring: keys | {name: secrets.token_bytes(32)}
            for ring, keys in settings.ASSENT_KEYS.items()
        }
        call_command("rotate_fingerprints", verbosity=0)

    return rotate


def year_zero(contact, topic):
    return links.stop_token(
        links.Stop(
            subject=contact.subject,
            fingerprint=bytes(contact.addresses.get().fingerprint),
            generation=1,
            topic=topic.key,
            channel=Channel.EMAIL,
        )
    )


def follow(token):
    return services.stop_by_link(
        stop=links.read_stop(token), everything=False, method=Method.ONE_CLICK
    )


def reason(contact, topic):
    return gate.explain(contact=contact, topic=topic, channel=Channel.EMAIL).reason


def test_it_stops_the_person_after_every_key_was_rotated(rotate):
    topic, ada = make.topic(), make.contact("ada@example.org")
    make.granted(ada, topic)
    token = year_zero(ada, topic)
    rotate("later")
    rotate("latest")
    assert follow(token).event is not None
    assert reason(ada, topic) == "withdrawn"
    assert Suppression.objects.count() == 1


def test_it_stops_the_address_after_the_person_was_erased_and_every_key_rotated(rotate):
    topic, ada = make.topic(), make.contact("ada@example.org")
    make.granted(ada, topic)
    token = year_zero(ada, topic)
    rights.erase(contact=ada)
    rotate("later")
    rotate("latest")
    assert follow(token).event is None
    again = make.contact("ada@example.org")
    stopped = Suppression.objects.get(topic=topic)
    assert stopped.fingerprint == again.addresses.get().fingerprint
    make.given_elsewhere(again, topic)
    assert reason(again, topic) == "suppressed"


def test_it_keeps_a_stop_from_before_the_erasure_and_the_rotation(rotate):
    topic, cy = make.topic(), make.contact("cy@example.org")
    make.granted(cy, topic)
    make.withdrawn(cy, topic)
    rights.erase(contact=cy)
    rotate("later")
    again = make.contact("Cy@Example.ORG")
    make.given_elsewhere(again, topic)
    assert reason(again, topic) == "suppressed"


def test_it_opens_again_for_a_person_who_comes_back_by_themselves(rotate):
    topic, cy = make.topic(), make.contact("cy@example.org")
    token = year_zero(cy, topic)
    rights.erase(contact=cy)
    rotate("later")
    follow(token)
    again = make.contact("cy@example.org")
    services.confirm(
        contact=again, wordings=[make.wording(topic)], address=again.addresses.get(), details={}
    )
    assert reason(again, topic) == ""


@pytest.mark.parametrize("flag", ["pre_ticked", "required"])
def test_no_wording_is_ever_pre_ticked_or_required(flag):
    words = make.wording(make.topic())
    draft = Wording(topic=words.topic, channel="email", language="en", version=7, text="x" * 20)
    setattr(draft, flag, True)
    with pytest.raises(DatabaseError), transaction.atomic():
        draft.save()
    draft = Wording.objects.create(
        topic=words.topic, channel="email", language="en", version=8, text="x" * 20
    )
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE consent_wording SET {flag} = true WHERE id = %s", [draft.pk])
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO consent_wording (topic_id, channel, language, version, text, pre_ticked, required,"
            f" valid_for, is_material) VALUES (%s, 'email', 'en', 9, 'words', {flag == 'pre_ticked'},"
            f" {flag == 'required'}, interval '1 day', false)",
            [words.topic_id],
        )


@pytest.mark.parametrize(
    "column", ["text = 'Yes to everything.'", "version = 99", "language = 'fr'"]
)
def test_no_published_wording_is_ever_changed(column):
    words = make.wording(make.topic())
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE consent_wording SET {column} WHERE id = %s", [words.pk])
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM consent_wording WHERE id = %s", [words.pk])
