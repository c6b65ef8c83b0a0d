"""What must never be readable in a log."""

import logging

import pytest

from config.logs import WithoutSecrets
from consent import links


def logged(message: str, *values: object) -> str:
    record = logging.LogRecord("assent", logging.INFO, "", 0, message, values, None)
    return WithoutSecrets("%(message)s").format(record)


def test_it_masks_the_token_of_a_link():
    token = links.manage_token("confirm", lifetime_s=60, address=7)
    line = logged('"%s" %d', f"GET /confirm/{token}/ HTTP/1.1", 200)
    assert line == '"GET /confirm/…/ HTTP/1.1" 200'


@pytest.mark.parametrize("address", ["ada@example.org", "o'brien+x@mail.example.co.uk"])
def test_it_masks_addresses(address):
    assert address not in logged("refused <%s>", address)


def test_it_keeps_ids_and_times():
    assert logged("campaign 12 unit 0b7b6a0e-7c42-4e0f-9d2f-4b1f2f9d7c11") == (
        "campaign 12 unit 0b7b6a0e-7c42-4e0f-9d2f-4b1f2f9d7c11"
    )


def test_it_masks_every_line_that_the_product_logs():
    formatters = {type(handler.formatter) for handler in logging.getLogger("").handlers}
    assert WithoutSecrets in formatters
    for name in ("django", "django.server", "django.request"):
        assert not logging.getLogger(name).handlers
