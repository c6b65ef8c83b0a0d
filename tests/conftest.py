"""What every test stands on: real transactions may empty the ledger, and budgets start full."""

import itertools
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import hypothesis
import pytest
from django.conf import LazySettings
from django.core.cache import cache
from django.db import connection
from django.utils import translation
from pytest_django import DjangoDbBlocker

from tests import emptying, gateway

_journals = itertools.count()

# Started in the background, a run would hand an ignored Ctrl-C on to every process it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is slow, not wrong: also where an example takes long.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones first, then the large modules: processes that share the work end at the same time."""
    counts = Counter(item.path for item in items)

    def place(item: pytest.Item) -> tuple[bool, int]:
        is_slow = any(item.iter_markers("browser")) or any(item.iter_markers("faults"))
        return not is_slow, -counts[item.path]

    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=place)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """What a killed worker had asked the server may outlive it, and keep the database from being dropped."""
    with ExitStack() as emptied:
        with django_db_blocker.unblock():
            emptied.enter_context(emptying.quickly())
        yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )


@pytest.fixture(autouse=True)
def _own_journal(settings: LazySettings, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What one test wrote down is not missing in the database of the next; made only where it is needed."""
    number = next(_journals)
    settings.ASSENT_JOURNAL = tmp_path_factory.getbasetemp() / f"journal-{number}"


@pytest.fixture(autouse=True)
def _fresh_budgets() -> None:
    """Budgets of the public doors count per test: within ten minutes by the clock, or an hour, or a day."""
    cache.clear()
    left_s = 600 - time.time() % 600
    if left_s < 3:
        time.sleep(left_s)


@pytest.fixture(autouse=True)
def _default_language() -> None:
    """A page read in French leaves French behind in its thread."""
    translation.deactivate()


@pytest.fixture(autouse=True)
def _patient_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page counts live where that is quick is counted, however long it takes."""
    monkeypatch.setattr("contacts.counting.QUICK", timedelta(minutes=1))


@pytest.fixture
def hurried(_patient_pages: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages wait for no count that takes longer than a moment."""
    monkeypatch.setattr("contacts.counting.QUICK", timedelta(milliseconds=10))


@pytest.fixture
def texts(settings: LazySettings) -> Iterator[gateway.TextGateway]:
    """An SMS gateway that takes every text to France and Belgium."""
    with gateway.TextGateway() as texts:
        gateway.use(texts, settings)
        yield texts
