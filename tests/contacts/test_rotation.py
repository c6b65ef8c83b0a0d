"""A new fingerprint key: every stored fingerprint moves on, and nothing starts on a half."""

import secrets

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import CommandError

from consent import gate, imports
from contacts import services as contacts
from contacts.models import Address, KeyCheck
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _checks():
    contacts.record_key_checks()


@pytest.fixture
def add_key(settings):
    def add(name="k2"):
        ring = settings.ASSENT_KEYS["fingerprint"] | {name: secrets.token_bytes(32)}
        settings.ASSENT_KEYS = settings.ASSENT_KEYS | {"fingerprint": ring}

    return add


def test_it_finds_people_and_stops_under_the_new_key(add_key, tmp_path):
    topic = make.topic()
    ada, cy = make.contact("ada@example.org"), make.contact("cy@example.org")
    make.granted(ada, topic)
    make.granted(cy, topic)
    make.withdrawn(cy, topic)
    contacts.change_address(contact=cy, channel="email", address="cy.new@example.org")
    (tmp_path / "x.csv").write_text("email,date\nada@example.org,3000-01-01\n")
    imports.run(imports.start(path=tmp_path / "x.csv"))
    old = {bytes(address.fingerprint) for address in Address.objects.all()}
    add_key()
    call_command("rotate_fingerprints")
    contacts.check_keys()
    assert contacts.find_contact(channel="email", address="ada@example.org") == ada
    other = make.contact("cy@example.org")
    make.given_elsewhere(other, topic)
    assert gate.explain(contact=other, topic=topic, channel="email").reason == "suppressed"
    assert not old & {bytes(address.fingerprint) for address in Address.objects.all()}


def test_it_refuses_the_start_while_ring_and_fingerprints_differ(add_key):
    make.contact()
    add_key()
    contacts.record_key_checks()
    with pytest.raises(ImproperlyConfigured, match="rotate_fingerprints"):
        contacts.check_keys()
    call_command("rotate_fingerprints")
    contacts.check_keys()
    assert KeyCheck.objects.filter(ring="fingerprint").count() == 2


def test_it_does_nothing_without_a_new_key(capsys):
    address = make.contact().addresses.get()
    call_command("rotate_fingerprints")
    assert Address.objects.get().fingerprint == address.fingerprint


def test_it_refuses_a_ring_in_another_order(add_key, settings):
    add_key("k2")
    call_command("rotate_fingerprints")
    ring = settings.ASSENT_KEYS["fingerprint"]
    settings.ASSENT_KEYS = settings.ASSENT_KEYS | {"fingerprint": dict(reversed(ring.items()))}
    with pytest.raises(ImproperlyConfigured, match="rotate_fingerprints"):
        contacts.check_keys()
    with pytest.raises(CommandError, match="has to begin with"):
        call_command("rotate_fingerprints")
