"""The languages that this house writes in, by name."""

from django.conf import settings
from django.utils.text import capfirst


def name_of(code: str) -> str:
    """What a language is called; its code where this house does not write in it any more."""
    return capfirst(str(dict(settings.LANGUAGES).get(code, code)))
