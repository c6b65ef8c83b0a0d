"""Reads the environment once, for settings; a bad value stops the start with a sentence."""

import base64
import binascii
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import phonenumbers
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(__file__).resolve().parent.parent


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def boolean(name: str, *, default: bool) -> bool:
    value = text(name)
    if not value:
        return default
    if value.lower() in {"1", "true", "yes", "on"}:
        return True
    if value.lower() in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} is {value!r}; write True or False.")


def integer(name: str, *, default: int, least: int = 0) -> int:
    value = text(name)
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {value!r}; write a whole number.") from None
    if number < least:
        raise ImproperlyConfigured(f"{name} is {number}; the least is {least}.")
    return number


def words(name: str) -> list[str]:
    return [word.strip() for word in text(name).split(",") if word.strip()]


def options(name: str) -> dict[str, Any]:
    """A JSON object of keyword arguments."""
    value = text(name)
    if not value:
        return {}
    try:
        given = json.loads(value)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise ImproperlyConfigured(f'{name} is no JSON object such as {{"bucket_name": "images"}}.')
    return given


def var() -> Path:
    """The folder of this installation's own files: embedded engines, development keys, mailbox."""
    return Path(text("ASSENT_VAR") or ROOT / "var").resolve()


def journal(below: Path) -> Path:
    """The folder of what a restored backup must not undo."""
    return Path(text("ASSENT_JOURNAL") or below / "journal").resolve()


def url(name: str, value: str, schemes: set[str]) -> str:
    if urlsplit(value).scheme not in schemes:
        raise ImproperlyConfigured(
            f"{name} must start with {' or '.join(f'{scheme}://' for scheme in sorted(schemes))}."
        )
    return value


def database(value: str) -> dict[str, Any]:
    """Django's DATABASES entry of a `postgresql://user:password@host:port/name?option=…` address."""
    parts = urlsplit(url("DATABASE_URL", value, {"postgres", "postgresql"}))
    options: dict[str, Any] = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    try:
        port = parts.port
    except ValueError:
        raise ImproperlyConfigured("DATABASE_URL has a port that is no number.") from None
    name = unquote(parts.path.lstrip("/"))
    if not name:
        raise ImproperlyConfigured("DATABASE_URL names no database (…/name).")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or "") or options.pop("user", ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", "") or unquote(parts.hostname or ""),
        "PORT": str(port or ""),
        "OPTIONS": options,
    }


def broker(value: str) -> str:
    """Celery's spelling of a Redis address: that of a socket has a name of its own."""
    if not value.startswith("unix://"):
        return value
    path, _, query = value.removeprefix("unix").partition("?")
    return f"redis+socket{path}" + (f"?{query.replace('db=', 'virtual_host=')}" if query else "")


def email(value: str) -> dict[str, Any]:
    """Django's SMTP settings of `smtp://`, `smtp+starttls://` or `smtps://user:password@host:port`."""
    parts = urlsplit(url("EMAIL_URL", value, {"smtp", "smtp+starttls", "smtps"}))
    try:
        port = parts.port
    except ValueError:
        raise ImproperlyConfigured("EMAIL_URL has a port that is no number.") from None
    if not parts.hostname:
        raise ImproperlyConfigured("EMAIL_URL names no host.")
    return {
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": port or {"smtp": 25, "smtp+starttls": 587, "smtps": 465}[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme == "smtp+starttls",
        "EMAIL_USE_SSL": parts.scheme == "smtps",
    }


def sms(value: str) -> dict[str, str]:
    """The gateway of `https://account:token@host/path`; empty values where there is none."""
    if not value:
        return {"SMS_GATEWAY_URL": "", "SMS_ACCOUNT": "", "SMS_AUTH_TOKEN": ""}
    parts = urlsplit(url("SMS_URL", value, {"http", "https"}))
    if not (parts.hostname and parts.username and parts.password):
        raise ImproperlyConfigured(
            "SMS_URL needs account, token and host: https://account:token@host"
        )
    place = parts.netloc.rpartition("@")[2]
    return {
        "SMS_GATEWAY_URL": f"{parts.scheme}://{place}{parts.path.rstrip('/')}",
        "SMS_ACCOUNT": unquote(parts.username),
        "SMS_AUTH_TOKEN": unquote(parts.password),
    }


def countries(name: str) -> list[str]:
    """ISO 3166 codes of countries, like FR,BE."""
    named = [word.upper() for word in words(name)]
    for each in named:
        if each not in phonenumbers.SUPPORTED_REGIONS:
            raise ImproperlyConfigured(f"{name} names {each!r}; write codes like FR,BE.")
    return named


def ring(name: str, value: str) -> dict[str, bytes]:
    """A key ring of `id:base64,id:base64`: 32-byte keys by id, the last one is current."""
    keys: dict[str, bytes] = {}
    for item in filter(None, (part.strip() for part in value.split(","))):
        key_id, _, encoded = item.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise ImproperlyConfigured(f"{name} holds a key that is not base64.") from None
        if len(key) != 32:
            raise ImproperlyConfigured(f"{name} holds a key of {len(key)} bytes; 32 are needed.")
        if not key_id.isalnum() or not key_id.isascii() or len(key_id) > 16 or key_id in keys:
            raise ImproperlyConfigured(
                f"{name} needs ids of up to 16 letters and digits, each used once."
            )
        keys[key_id] = key
    if not keys:
        raise ImproperlyConfigured(f"{name} is empty; write id:base64.")
    return keys
