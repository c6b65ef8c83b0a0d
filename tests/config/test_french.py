"""The door and the pages of access speak French without a gap."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import translation

from config import environment
from config.access import tokens
from tests.consent.test_french import CALLS, in_template

ROOT = environment.ROOT
SOURCES = [
    *ROOT.glob("config/access/*.py"),
    *ROOT.glob("config/admin/*.py"),
    *ROOT.glob("config/api/*.py"),
    *ROOT.glob("config/models/*.py"),
    ROOT / "config/settings.py",
    ROOT / "templates/account/login.html",
    ROOT / "templates/allauth/layouts/base.html",
]
# The same word in both languages.
SAME = {"Contacts", "Images", "Imports", "Permissions", "Segments"}


def said(path: Path) -> Iterator[str]:
    if path.suffix == ".html":
        yield from (text for text, _context in in_template(path.read_text()))
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            yield from (str(each.value) for each in node.args if isinstance(each, ast.Constant))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_it_has_a_french_word_for_every_english_one(path):
    with translation.override("fr"):
        missing = {text for text in said(path) if translation.gettext(text) == text}
    assert missing <= SAME


@pytest.mark.parametrize("error", tokens.TokenError.__subclasses__())
def test_it_refuses_in_french(error):
    with translation.override("fr"):
        assert str(error()) != error.__doc__
