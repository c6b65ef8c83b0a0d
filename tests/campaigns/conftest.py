from collections.abc import Iterator

import pytest
from django.conf import LazySettings

from tests.campaigns import engine
from tests.sink import Sink


@pytest.fixture(scope="session")
def _relay() -> Iterator[Sink]:
    with Sink(keep=True) as started:
        yield started


@pytest.fixture
def sink(_relay: Sink, settings: LazySettings) -> Sink:
    """A relay that takes everything and keeps it."""
    _relay.forget()
    engine.use(_relay, settings)
    return _relay
