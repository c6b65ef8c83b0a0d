"""Campaigns speak French without a gap: on the desk, in messages and in every refusal."""

from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation

from campaigns import images, services
from campaigns.reencoding import ImageError
from tests.consent.test_french import catalog, in_module, in_template

__all__ = ["catalog"]

ROOT = Path(settings.BASE_DIR)
SOURCES = [
    *(path for path in ROOT.glob("campaigns/**/*.py") if "migrations" not in path.parts),
    *ROOT.glob("templates/admin/campaigns/*.html"),
    *ROOT.glob("templates/admin/desk/*.html"),
    *ROOT.glob("templates/campaigns/**/*.*"),
    *ROOT.glob("templates/admin/*.html"),
]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_has_a_french_word_for_every_english_one(path, catalog):
    found = in_module if path.suffix == ".py" else in_template
    keys = {
        f"{context}\x04{text}" if context else text for text, context in found(path.read_text())
    }
    assert {key for key in keys if not {key, (key, 1)} & set(catalog._catalog)} == set()


def refusals(root):
    for error in root.__subclasses__():
        yield error
        yield from refusals(error)


@pytest.mark.parametrize(
    "error",
    [*refusals(services.CampaignError), *refusals(ImageError), images.StillUsed],
    ids=lambda error: error.__name__,
)
def test_it_refuses_in_french(error):
    with translation.override("fr"):
        assert str(error()) != error.__doc__
