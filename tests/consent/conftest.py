import pytest


@pytest.fixture(autouse=True)
def _answer_at_once(monkeypatch):
    """Answers that take an even time would make a slow suite; the test of it sets its own."""
    monkeypatch.setattr("consent.views.public.EVEN_S", 0.0)
