"""Which numbers a text message may go to: mobile ones, of the countries that the settings name.

Premium-rate and other numbers that earn somebody money are the prize of SMS pumping; none is ever written to.
"""

import phonenumbers
from django.conf import settings
from phonenumbers import PhoneNumberType

from contacts import addresses
from contacts.addresses import AddressError

MOBILE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})


class NotMobile(AddressError):
    """This is not a mobile number: text messages do not reach it."""


class CountryNotServed(AddressError):
    """Text messages are not sent to numbers of this country."""


def normalize(number: str) -> str:
    """The E.164 form of a number that may be written to; raises an `AddressError`."""
    home = settings.SMS_COUNTRIES[0] if settings.SMS_COUNTRIES else None
    normalized = addresses.normalize_phone(number, region=home)
    check(normalized)
    return normalized


def check(normalized: str) -> None:
    """Raise `CountryNotServed` or `NotMobile` for a number that is not written to."""
    parsed = phonenumbers.parse(normalized)
    if phonenumbers.region_code_for_number(parsed) not in settings.SMS_COUNTRIES:
        raise CountryNotServed
    if phonenumbers.number_type(parsed) not in MOBILE:
        raise NotMobile


def example() -> str:
    """A number as people of the first country write it abroad, like +33 6 12 34 56 78."""
    home = settings.SMS_COUNTRIES[0]
    number = phonenumbers.example_number_for_type(home, PhoneNumberType.MOBILE)
    if number is None:
        return calling_codes()[0]
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def calling_codes() -> list[str]:
    """How the numbers that may be written to begin: +33, +32."""
    codes = map(phonenumbers.country_code_for_region, settings.SMS_COUNTRIES)
    return list(dict.fromkeys(f"+{code}" for code in codes))
