"""Var folders for the tests of the embedded engines."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.config.holders import data_folder, give, var_folder


@pytest.fixture(scope="session")
def data() -> Iterator[Path]:
    with data_folder() as folder:
        yield folder


@pytest.fixture
def bare() -> Iterator[Path]:
    """A var folder with nothing in it."""
    with var_folder() as folder:
        yield folder


@pytest.fixture
def var(data: Path, bare: Path) -> Path:
    """A var folder in which engines ran before."""
    give(data, bare)
    return bare
