"""Which numbers are written to."""

import pytest

from consent.sms import numbers
from contacts.addresses import PhoneNumberError


@pytest.fixture(autouse=True)
def _france_and_belgium(settings):
    settings.SMS_COUNTRIES = ["FR", "BE"]


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("06 12 34 56 78", "+33612345678"),
        ("+33 6 12 34 56 78", "+33612345678"),
        ("0033612345678", "+33612345678"),
        ("+32 470 12 34 56", "+32470123456"),
    ],
)
def test_it_takes_mobile_numbers_of_the_countries_served(typed, number):
    assert numbers.normalize(typed) == number


@pytest.mark.parametrize(
    ("typed", "refusal"),
    [
        ("+44 7911 123456", numbers.CountryNotServed),
        ("+1 876 419 0123", numbers.CountryNotServed),
        ("01 42 68 53 00", numbers.NotMobile),
        ("08 99 70 12 34", numbers.NotMobile),
        ("+882 16 12345678", numbers.CountryNotServed),
        ("06 12", PhoneNumberError),
        ("ada@example.org", PhoneNumberError),
        ("", PhoneNumberError),
    ],
)
def test_it_refuses_every_other_number(typed, refusal):
    with pytest.raises(refusal):
        numbers.normalize(typed)


def test_it_takes_no_number_when_no_country_is_named(settings):
    settings.SMS_COUNTRIES = []
    with pytest.raises(numbers.CountryNotServed):
        numbers.normalize("+33612345678")
