"""The door and the pages of access speak French without a gap."""

import ast
import calendar
import gettext
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import django
import pytest
import unfold
from django.utils import translation
from django.utils.formats import date_format

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
SAME = {
    "API",
    "Contacts",
    "Dates",
    "Exports",
    "Images",
    "Imports",
    "Permissions",
    "permission",
    "Segments",
}


def said(path: Path) -> Iterator[str]:
    if path.suffix == ".html":
        yield from (text for text, _context in in_template(path.read_text()))
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            texts = node.args[node.func.id.startswith("p") :]  # a context comes first
            yield from (str(each.value) for each in texts if isinstance(each, ast.Constant))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_it_has_a_french_word_for_every_english_one(path):
    with translation.override("fr"):
        missing = {text for text in said(path) if translation.gettext(text) == text}
    assert missing <= SAME


@pytest.mark.parametrize("error", tokens.TokenError.__subclasses__())
def test_it_refuses_in_french(error):
    with translation.override("fr"):
        assert str(error()) != error.__doc__


# The parts of Unfold's pages that this desk shows; the rest belongs to what is not installed.
UNFOLD = [
    path
    for folder in ("admin", "unfold/helpers", "unfold/layouts", "unfold/components")
    for path in (Path(unfold.__file__).parent / "templates" / folder).rglob("*.html")
    if path.name not in {"command_results.html"}
]


@pytest.mark.parametrize("path", UNFOLD, ids=lambda path: path.name)
def test_it_has_a_french_word_for_what_unfold_says(path):
    with translation.override("fr"):
        missing = {
            text
            for text, _context in in_template(path.read_text())
            if translation.gettext(text) == text
        }
    assert missing <= {"Action", "Documentation"}


def french() -> Iterator[str]:
    with (ROOT / "config/locale/fr/LC_MESSAGES/django.mo").open("rb") as file:
        words = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    yield from (text for key, text in words.items() if key)


# Orthotypographie: a thin space before ; ? !, a whole one before a colon and inside guillemets, none of
# them where a line may break. A filter of Liquid keeps its own spelling.
LOOSE = re.compile(
    r"((?<=\S)(?<![\u202f(])|[ \u00a0])[;?!](?=[\s”»]|$)"
    r"|((?<=\w)(?<!\| default)|[ \u202f]):(?=[\s”»]|$)"
    r"|«(?!\u00a0)|(?<!\u00a0)»"
)


def test_it_sets_french_as_typography_asks():
    loose = {text for text in french() if LOOSE.search(text)}
    assert loose == set()


def test_it_says_one_french_word_for_one_thing():
    """A consent event is an « acte », a hold a « gel », a suppression a « blocage »."""
    assert {text for text in french() if re.search(r"[ée]vénement", text, re.IGNORECASE)} == set()


@pytest.mark.parametrize("month", range(1, 13))
def test_it_leaves_the_months_their_names(month):
    """A word of the desk that is spelled like a month has a context of its own, or takes its place."""
    own = gettext.translation("django", str(Path(django.__file__).parent / "conf/locale"), ["fr"])
    with translation.override("fr"):
        assert date_format(date(2025, month, 19), "F") == own.gettext(calendar.month_name[month])
