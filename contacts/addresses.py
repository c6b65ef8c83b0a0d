"""Brings addresses to one form and names them by a keyed fingerprint.

Email: Unicode NFKC, surrounding space dropped, domain to lower-case IDNA (UTS 46), local part to lower case;
dots and plus tags stay, because only the mailbox's owner knows what they mean. Phone: E.164.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256

import idna
import phonenumbers
from django.conf import settings
from django.core.validators import validate_email

from contacts.models import Channel


class AddressError(ValueError):
    """This is not an address that can be written to."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__)


class EmailAddressError(AddressError):
    """This is not a complete email address, like name@example.org."""


class PhoneNumberError(AddressError):
    """This is not a phone number with its country code, like +33612345678."""


def normalize(channel: str, address: str, *, region: str | None = None) -> str:
    """The one form of an address on a channel (`email` or `sms`); raises an `AddressError`.

    `region` is the ISO 3166 country that a phone number without a country code belongs to.
    """
    return (
        normalize_phone(address, region=region)
        if channel == Channel.SMS
        else normalize_email(address)
    )


def normalize_email(address: str) -> str:
    if not address.isascii():
        address = unicodedata.normalize("NFKC", address)
    local, _, domain = address.strip().rpartition("@")
    normalized = f"{local.lower()}@{_normalize_domain(domain)}"
    if len(normalized) > 254 or not _is_local_part(local):
        raise EmailAddressError
    return normalized


# A list of people has few different domains.
@lru_cache(maxsize=65_536)
def _normalize_domain(domain: str) -> str:
    normalized = domain.lower()
    if not domain.isascii() or "--" in domain or not domain:
        try:
            normalized = idna.encode(domain, uts46=True).decode("ascii").lower()
        except (idna.IDNAError, UnicodeError):
            raise EmailAddressError from None
    is_allowed = normalized in validate_email.domain_allowlist
    if not is_allowed and not validate_email.validate_domain_part(normalized):
        raise EmailAddressError
    return normalized


def _is_local_part(local: str) -> bool:
    """By Django's validator, with letters beyond ASCII allowed (RFC 6531)."""
    if not local.isascii():
        if not local.isprintable():
            return False
        local = "".join(letter if letter.isascii() else "x" for letter in local)
    return _LOCAL_PART.match(local) is not None


# Compiled here: Django's own is looked up anew for each address.
_LOCAL_PART = re.compile(validate_email.user_regex.pattern, validate_email.user_regex.flags)


def normalize_phone(number: str, *, region: str | None = None) -> str:
    try:
        parsed = phonenumbers.parse(unicodedata.normalize("NFKC", number).strip(), region)
    except phonenumbers.NumberParseException:
        raise PhoneNumberError from None
    if not phonenumbers.is_valid_number(parsed):
        raise PhoneNumberError
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def domain_of(channel: str, normalized: str) -> str:
    """The receiving domain of an email address, kept in clear for deliverability; empty for phones."""
    return normalized.rpartition("@")[2] if channel == Channel.EMAIL else ""


def fingerprint(normalized: str) -> bytes:
    """The 32 bytes that stand for a normalized address outside the vault."""
    return advance(normalized.encode(), settings.ASSENT_KEYS["fingerprint"].values())


def fingerprinter() -> Callable[[str], bytes]:
    """`fingerprint` with the key ring as it is now, for many addresses."""
    keys = list(settings.ASSENT_KEYS["fingerprint"].values())
    return lambda normalized: advance(normalized.encode(), keys)


def advance(value: bytes, keys: Iterable[bytes]) -> bytes:
    """Chain HMAC-SHA256 over more keys: a rotated fingerprint needs no address in clear."""
    for key in keys:
        inner, outer = _padded(key)
        value = sha256(outer + sha256(inner + value).digest()).digest()
    return value


@lru_cache(maxsize=64)
def _padded(key: bytes) -> tuple[bytes, bytes]:
    """What HMAC (RFC 2104) puts before the text, and before the hash of that.

    Written out, because the library's function costs twice as much for texts this short.
    """
    block = (sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


_BLOCK = 64


def mask(channel: str, normalized: str) -> str:
    """What staff without `view_identity` and the public pages see: a***@e***.org, +33***78."""
    if not normalized:
        return ""
    if channel == Channel.SMS:
        return f"{normalized[:3]}***{normalized[-2:]}"
    local, _, domain = normalized.rpartition("@")
    name, dot, suffix = domain.rpartition(".")
    return f"{local[:1]}***@{name[:1]}***{dot}{suffix}"
