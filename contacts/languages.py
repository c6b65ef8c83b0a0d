"""Languages by name: those that this house writes in, and those that people read."""

import re

from django.conf import settings
from django.conf.locale import LANG_INFO
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

_PRIMARY = re.compile("[a-z]{2,3}")
# Django knows the kinds of these alone.
_NAMES = {"no": _("Norwegian"), "zh": _("Chinese")} | {
    code: known["name"]
    for code, known in LANG_INFO.items()
    if _PRIMARY.fullmatch(code) and "name" in known
}


def name_of(code: str) -> str:
    """What a language is called; its code where this house does not write in it any more."""
    return capfirst(str(dict(settings.LANGUAGES).get(code, code)))


def read_by_people() -> list[tuple[str, str]]:
    """Code and name of the languages that a contact may have: first our own, then all with a name."""
    own = [(code, name_of(code)) for code, _name in settings.LANGUAGES]
    others = [(code, capfirst(gettext(name))) for code, name in _NAMES.items()]
    return own + sorted(set(others) - set(own), key=lambda named: named[1])


def without_name(code: str) -> str | None:
    """The code of a language that has no name here, as it is; None where it is no code of one."""
    return code if _PRIMARY.fullmatch(code) else None
