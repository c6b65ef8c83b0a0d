from collections.abc import Iterator

import pytest
from django.conf import LazySettings

from tests.campaigns import engine
from tests.sink import Sink


@pytest.fixture
def sink(settings: LazySettings) -> Iterator[Sink]:
    """A relay that takes everything and keeps it."""
    with Sink(keep=True) as started:
        engine.use(started, settings)
        yield started
