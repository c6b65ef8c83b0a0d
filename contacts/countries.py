"""Countries as ISO 3166 names them, and where the GDPR itself holds: the European Economic Area."""

import phonenumbers
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

ECONOMIC_AREA = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK".split()
)


def check(code: str) -> None:
    """Raises `ValidationError` where this is not the code of a country."""
    if code not in phonenumbers.SUPPORTED_REGIONS:
        raise ValidationError(_("Write a country as two capital letters: FR for France."))


def is_outside(code: str) -> bool:
    """Whether data that goes there leaves the area; False where no country is known."""
    return bool(code) and code not in ECONOMIC_AREA
