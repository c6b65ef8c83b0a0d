"""The public pages and service mails speak French without a gap."""

import ast
import gettext
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation
from django.utils.translation import templatize

from consent import services

ROOT = Path(settings.BASE_DIR)
TEMPLATES = [
    # The proof is a document for authorities, in the language of the ledger.
    *(p for p in ROOT.glob("templates/consent/**/*.*") if p.name != "proof.html"),
    ROOT / "templates/500.html",
    ROOT / "templates/base.html",
    ROOT / "templates/mail_base.html",
    ROOT / "templates/mail_base.txt",
]
MODULES = [
    *ROOT.glob("consent/views/*.py"),
    *(
        ROOT / f"consent/{name}.py"
        for name in ("correction", "forms", "history", "my_data", "preferences")
    ),
    ROOT / "consent/models/renewals.py",
    ROOT / "consent/admin/permissions.py",
    ROOT / "consent/admin/renewals.py",
    ROOT / "consent/services/publishing.py",
]
DESK = [
    ROOT / f"templates/admin/consent/{name}.html"
    for name in (
        "permission_links",
        "record_basis",
        "renewal_needs",
        "renewal_progress",
        "unmailable",
    )
]
CALLS = {"_", "gettext", "gettext_lazy", "ngettext", "pgettext", "pgettext_lazy", "Sentence"}


@pytest.fixture(scope="module")
def catalog():
    with (ROOT / "config/locale/fr/LC_MESSAGES/django.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def in_module(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            texts = [a.value for a in node.args if isinstance(a, ast.Constant)]
            has_context = node.func.id.startswith("p")
            if texts:
                yield texts[1 if has_context else 0], texts[0] if has_context else None


def in_template(source):
    """Django's own extraction turns a template into Python-like calls."""
    for call in re.finditer(
        r"\b(?:_|n?gettext)\((u?(['\"]).*?(?<!\\)\2)", templatize(source), re.DOTALL
    ):
        yield ast.literal_eval(call[1]), None


def test_it_has_a_french_word_for_every_english_one(catalog):
    missing = set()
    seen = 0
    for path in [*TEMPLATES, *MODULES, *DESK]:
        found = in_module if path.suffix == ".py" else in_template
        for text, context in found(path.read_text()):
            seen += 1
            key = f"{context}\x04{text}" if context else text
            if key not in catalog._catalog and (key, 1) not in catalog._catalog:
                missing.add(text)
    assert seen > 200
    assert missing == set()


def every_refusal(of=services.ConsentError):
    yield of
    for kind in of.__subclasses__():
        yield from every_refusal(kind)


@pytest.mark.parametrize("refusal", list(every_refusal()), ids=lambda refusal: refusal.__name__)
def test_it_refuses_in_french(refusal):
    with translation.override("fr"):
        assert str(refusal()) != refusal.__doc__
