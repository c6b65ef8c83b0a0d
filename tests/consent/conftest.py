import pytest

from tests.consent.importing import HEADER


@pytest.fixture(autouse=True)
def _answer_at_once(monkeypatch):
    """Answers that take an even time would make a slow suite; the test of it sets its own."""
    monkeypatch.setattr("consent.views.public.EVEN_S", 0.0)


@pytest.fixture
def file(tmp_path):
    def write(*lines, header=HEADER, encoding="utf-8", name="people.csv"):
        path = tmp_path / name
        path.write_bytes("\n".join([header, *lines, ""]).encode(encoding))
        return path

    return write
