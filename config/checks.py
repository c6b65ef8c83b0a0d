"""What `manage.py check --deploy` asks of a production start; with `--database default` of its data too."""

from collections.abc import Iterable, Sequence
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from campaigns.models import Sender
from consent.models import Organization, Topic
from contacts import services

HERE = frozenset({"localhost", "127.0.0.1", "::1"})
UNSENT = ("console", "dummy", "filebased", "locmem")

Apps = Sequence[AppConfig] | None


@register(Tags.security, deploy=True)
def keys_are_distinct(app_configs: Apps, **_: Any) -> Iterable[CheckMessage]:
    keys = [key for ring in settings.ASSENT_KEYS.values() for key in ring.values()]
    if len(set(keys)) < len(keys):
        yield Error(
            "A key stands in two places of the key rings.",
            hint="`manage.py make_keys` prints fresh ones; each ring needs its own.",
            id="assent.E001",
        )
    if settings.DEVELOPMENT:
        yield Error(
            "DATABASE_URL is not set: this is a development start, with keys and engines below var/.",
            id="assent.E002",
        )


@register(Tags.security, deploy=True)
def address_is_safe(app_configs: Apps, **_: Any) -> Iterable[CheckMessage]:
    parts = urlsplit(settings.PUBLIC_URL)
    if parts.scheme != "https":
        yield Error(
            "PUBLIC_URL does not start with https://.",
            hint="One-click unsubscribe (RFC 8058) and the cookies of staff need it.",
            id="assent.E003",
        )
    if parts.hostname in HERE:
        yield Error("PUBLIC_URL is an address that nobody outside reaches.", id="assent.E004")


@register(Tags.security, deploy=True)
def staff_need_a_second_factor(app_configs: Apps, **_: Any) -> Iterable[CheckMessage]:
    if not settings.STAFF_MFA_REQUIRED:
        yield Error("STAFF_MFA_REQUIRED is off: a password alone opens the desk.", id="assent.E005")


@register(Tags.security, deploy=True)
def mail_is_carried_safely(app_configs: Apps, **_: Any) -> Iterable[CheckMessage]:
    is_smtp = settings.EMAIL_BACKEND == "django.core.mail.backends.smtp.EmailBackend"
    is_open = not (settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL)
    if is_smtp and is_open and settings.EMAIL_HOST not in HERE:
        yield Error(
            "EMAIL_URL hands messages over in the clear.",
            hint="Write smtp+starttls:// or smtps://.",
            id="assent.E006",
        )
    if any(f".{word}." in settings.EMAIL_BACKEND for word in UNSENT) or settings.ASSENT_MAILBOX:
        yield Error(
            "EMAIL_BACKEND or ASSENT_MAILBOX keeps mail here: nobody gets it.", id="assent.E007"
        )
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    if not domain or domain in HERE:
        yield checks.Warning("DEFAULT_FROM_EMAIL is at no domain of yours.", id="assent.W008")


@register(Tags.security, deploy=True)
def texts_are_carried_safely(app_configs: Apps, **_: Any) -> Iterable[CheckMessage]:
    parts = urlsplit(settings.SMS_GATEWAY_URL)
    if parts.scheme == "http" and parts.hostname not in HERE:
        yield Error(
            "SMS_URL hands texts and the account's token over in the clear.", id="assent.E013"
        )


@register(Tags.database, deploy=True)
def data_is_ready(
    app_configs: Apps, databases: Sequence[str] | None = None, **_: Any
) -> Iterable[CheckMessage]:
    """Only with `--database default`, where the tables are."""
    if "default" not in (databases or ()):
        return
    try:
        services.check_keys()
        if not Organization.objects.exists():
            yield checks.Warning(
                "No organization is named: sign-up pages cannot say who asks.", id="assent.W009"
            )
        if not Sender.objects.exists():
            yield checks.Warning("No sender exists: no campaign can be sent.", id="assent.W010")
        if not settings.SMS_GATEWAY_URL and Topic.objects.published().filter(offers_sms=True):
            yield checks.Warning(
                "A topic is offered by text message, and no gateway is configured: the pages leave it out.",
                hint="Set SMS_URL, or take the channel off the topic.",
                id="assent.W012",
            )
    except (ImproperlyConfigured, DatabaseError) as trouble:
        yield Error(str(trouble), id="assent.E011")
