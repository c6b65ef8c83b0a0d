"""Imports: whenever they are killed, and whatever happens beside them."""

import os
import signal
import subprocess
import sys
import threading
import time
from base64 import b64encode

import pytest
from django.conf import settings as product
from django.db import connection

from config import keys
from consent import imports, replay, services
from consent.models import (
    ConsentEvent,
    ImportBatch,
    Permission,
)
from contacts.models import Contact
from tests import make
from tests.beside import elsewhere, wait_until
from tests.consent.importing import YES

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def topic():
    return make.topic()


def many(count):
    return [YES.format(email=f"person{number}@example.org") for number in range(count)]


@pytest.mark.django_db(transaction=True)
def test_it_goes_on_without_doubling_when_it_was_killed(file, topic):
    batch = imports.start(path=file(*many(5000), "broken"))
    code = (
        "import django; django.setup()\n"
        "from consent import imports; from consent.models import ImportBatch\n"
        f"imports.run(ImportBatch.objects.get(pk={batch.pk}), batch_rows=50,\n"
        "    progress=lambda b: print(b.rows, flush=True))"
    )
    environment = os.environ | _environment()
    child = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
    for _line in range(10):
        child.stdout.readline()
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    batch.refresh_from_db()
    assert batch.state == "running"
    assert 500 <= batch.rows < 5001
    assert Contact.objects.count() == batch.rows
    _wait_until_lock_is_free(batch)
    imports.run(batch)
    assert (batch.rows, batch.contacts, batch.grants, batch.refused) == (5001, 5000, 5000, 1)
    assert Contact.objects.count() == ConsentEvent.objects.count() == 5000


def _environment():
    """This test's database and keys, for a process of its own."""
    at = connection.settings_dict
    login = f"{at['USER']}:{at['PASSWORD']}@:{at['PORT'] or 5432}"
    rings = {
        keys.RINGS[ring]: ",".join(
            f"{name}:{b64encode(key).decode()}" for name, key in held.items()
        )
        for ring, held in product.ASSENT_KEYS.items()
    }
    return rings | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": f"postgresql://{login}/{at['NAME']}?host={at['HOST'].replace('/', '%2F')}",
        "SECRET_KEY": "of a test",
    }


def _wait_until_lock_is_free(batch):
    def is_free():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s",
                [batch.pk],
            )
            return cursor.fetchone() == (0,)

    wait_until(is_free, "the end of the lock")


@pytest.mark.django_db(transaction=True)
def test_it_takes_everybody_once_when_two_imports_and_sign_ups_race(file, topic):
    lines = many(600)
    batches = [
        imports.start(path=file(*lines, name="1.csv")),
        imports.start(path=file(*reversed(lines), name="2.csv")),
    ]
    failures = []

    def work(act):
        try:
            act()
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    def sign_up():
        words = make.wording(topic)
        for number in range(0, 600, 20):
            services.request_consent(
                email=f"person{number}@example.org", wordings=[words], language="en"
            )

    make.wording(topic)
    threads = [
        threading.Thread(target=work, args=(act,))
        for act in (
            lambda: imports.run(batches[0], batch_rows=100),
            lambda: imports.run(batches[1], batch_rows=70),
            sign_up,
        )
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert Contact.objects.count() == 600
    assert list(replay.differences()) == []


@pytest.mark.django_db(transaction=True)
def test_it_lets_no_withdrawal_wait_for_its_end(file, topic, monkeypatch):
    monkeypatch.setattr(imports, "TRANSACTION_S", 0.05)
    people = [make.contact(f"person{number}@example.org") for number in range(0, 4000, 100)]
    for contact in people:
        make.given_elsewhere(contact, topic)
    batch = imports.start(path=file(*many(4000)))

    began = time.monotonic()
    took, waits = [], []

    def import_all():
        imports.run(batch)
        took.append(time.monotonic() - began)

    thread = elsewhere(import_all)
    for contact in people:
        asked = time.monotonic()
        make.withdrawn(contact, topic)
        waits.append(time.monotonic() - asked)
    thread.join()
    assert max(waits) < took[0] / 2
    assert Permission.objects.filter(state="withdrawn").count() == len(people)
    assert list(replay.differences()) == []


@pytest.mark.django_db(transaction=True)
def test_it_runs_once_at_a_time(file):
    batch = imports.start(path=file("a@example.org", "b@example.org", header="email"))
    refused = []

    def again(_batch):
        def run():
            try:
                imports.run(ImportBatch.objects.get(pk=batch.pk))
            except imports.ImportRunning as error:
                refused.append(error)
            finally:
                connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()

    imports.run(batch, progress=again)
    assert len(refused) == 1
    assert Contact.objects.count() == 2
