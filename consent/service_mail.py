"""Sends the service mail that waits in the outbox, from confirmations to renewals; texts go elsewhere.

A mail is claimed by moving its due time, in a statement of its own, so that any number of sweeps may run.
Every failure that is known is tried again for a day. A process killed between the relay's "250" and the
record of it leaves the mail due again after its lease: it is then sent a second time under the same
Message-ID, because a confirmation lost would be worse.
"""

import logging
import smtplib
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from email.utils import formataddr, parseaddr
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation

from consent import gate, links, offers
from consent.models import (
    ConsentEvent,
    Organization,
    ServiceMail,
    Suppression,
    Topic,
    Wording,
)
from contacts.models import Address, Channel, Contact, Identity

logger = logging.getLogger(__name__)

LEASE_S = 300
LONGEST_WAIT = timedelta(minutes=10)
GIVE_UP_AFTER = timedelta(days=1)
SWEEP_S = 50

CLAIM = """
    UPDATE consent_servicemail
    SET attempts = attempts + 1, due_at = clock_timestamp() + make_interval(secs => %(lease_s)s)
    WHERE id = (
        SELECT id FROM consent_servicemail
        WHERE sent_at IS NULL AND given_up_at IS NULL AND due_at <= clock_timestamp()
            AND channel = %(channel)s
        ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING id
"""


class NothingToSay(Exception):
    """There is nothing left to write about, or nobody to write to."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A service mail as it is handed over."""

    to: str
    subject: str
    text: str
    html: str


def sweep(*, patience_s: float = SWEEP_S) -> int:
    """Send what is due, at most for `patience_s` seconds; returns how many mails were handed over."""
    give_up_at = time.monotonic() + patience_s
    sent = 0
    backend: BaseEmailBackend | None = None
    try:
        for mail in claims(Channel.EMAIL):
            backend = backend or get_connection()
            sent += _send(mail, backend)
            if time.monotonic() >= give_up_at:
                break
    finally:
        if backend:
            with suppress(OSError, smtplib.SMTPException):
                backend.close()
    return sent


def claims(channel: Channel) -> Iterator[ServiceMail]:
    """What is due on a channel, one by one, each leased to whoever takes it."""
    while True:
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, {"lease_s": LEASE_S, "channel": channel.value})
            claimed = cursor.fetchone()
        if not claimed:
            return
        yield ServiceMail.objects.select_related("contact").get(pk=claimed[0])


def _send(mail: ServiceMail, backend: BaseEmailBackend) -> bool:
    try:
        message = _message(mail, letter_for(mail), backend)
        backend.open()
        message.send()
    except NothingToSay:
        give_up(mail, "nothing to say any more")
        return False
    except smtplib.SMTPRecipientsRefused as refused:
        if all(code >= 500 for code, _ in refused.recipients.values()):
            give_up(mail, "refused by the receiving side")
        else:
            try_later(mail)
        return False
    except Exception:
        # Whatever went wrong, and whatever backend it was, this mail waits and the others go on.
        logger.exception("Service mail %s was not sent, attempt %s", mail.pk, mail.attempts)
        with suppress(OSError, smtplib.SMTPException):
            backend.close()
        try_later(mail)
        return False
    mail.details.pop("token", None)
    ServiceMail.objects.filter(pk=mail.pk).update(sent_at=Now(), details=mail.details)
    return True


def try_later(mail: ServiceMail) -> None:
    """Let it wait, longer each time, and give it up after a day."""
    now = timezone.now()
    if now - mail.created_at > GIVE_UP_AFTER:
        give_up(mail, "a day has passed")
        return
    wait = min(timedelta(seconds=15) * 2 ** min(mail.attempts, 10), LONGEST_WAIT)
    ServiceMail.objects.filter(pk=mail.pk).update(due_at=now + wait)


def give_up(mail: ServiceMail, why: str) -> None:
    """Never send it; `why` names nobody."""
    logger.warning("Service mail %s was given up: %s", mail.pk, why)
    ServiceMail.objects.filter(pk=mail.pk).update(given_up_at=Now())


def _message(
    mail: ServiceMail, letter: Letter, backend: BaseEmailBackend
) -> EmailMultiAlternatives:
    organization = Organization.objects.order_by("pk").first()
    name, address = parseaddr(settings.DEFAULT_FROM_EMAIL)
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    message = EmailMultiAlternatives(
        letter.subject,
        letter.text,
        formataddr((organization.legal_name if organization else name, address)),
        [letter.to],
        headers={
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
            "Message-ID": f"<service-{mail.pk}-{mail.created_at:%Y%m%d%H%M%S%f}@{host}>",
        },
        reply_to=[organization.email] if organization else None,
        connection=backend,
    )
    message.attach_alternative(letter.html, "text/html")
    return message


def letter_for(mail: ServiceMail) -> Letter:
    """The mail in the language it was asked for in, its links made this moment; raises `NothingToSay`."""
    contact = mail.contact
    address = contact.addresses.current().filter(channel=Channel.EMAIL).first()
    # Who is reached by text alone may have asked for an address.
    is_nowhere = address is None and mail.purpose != ServiceMail.Purpose.NEW_ADDRESS
    if contact.erased_at or is_nowhere or (address and is_forbidden(address)):
        raise NothingToSay
    with translation.override(mail.language):
        context: dict[str, Any] = {
            "organization": Organization.objects.order_by("pk").first(),
            "language": mail.language,
            "public_url": settings.PUBLIC_URL,
            "to": Identity.objects.get(contact=contact).email,
        }
        if address is None:
            context |= _new_address(mail)
        else:
            context |= _WORDS[ServiceMail.Purpose(mail.purpose)](mail, contact, address)
        subject, text, html = (
            render_to_string(f"consent/mail/{mail.purpose}.{part}", context)
            for part in ("subject.txt", "txt", "html")
        )
    return Letter(str(context["to"]), " ".join(subject.split()), text, html)


def is_forbidden(address: Address) -> bool:
    """Whether a legal order forbids to write there, whatever for."""
    return Suppression.objects.filter(
        channel=address.channel,
        fingerprint=address.fingerprint,
        topic=None,
        cause=Suppression.Cause.LEGAL,
    ).exists()


def unconfirmed(mail: ServiceMail, contact: Contact) -> list[Wording]:
    """The words of a confirmation that are not confirmed yet; raises `NothingToSay` where there are none."""
    asked = [
        wording
        for wording in Wording.objects.published()
        .filter(digest__in=mail.details["wordings"])
        .select_related("topic")
        .order_by("topic__position", "topic", "channel")
        if offers.is_unconfirmed(contact=contact, wording=wording)
    ]
    is_about_answers = not mail.details["wordings"] and bool(mail.details.get("answers"))
    if not asked and not is_about_answers:
        raise NothingToSay
    return asked


def _confirmation(mail: ServiceMail, contact: Contact, address: Address) -> dict[str, Any]:
    asked = unconfirmed(mail, contact)
    token = links.manage_token(
        "confirm",
        lifetime_s=links.CONFIRM_LIFETIME_S,
        address=address.pk,
        wordings=[wording.pk for wording in asked],
        mail=mail.pk,
    )
    return {
        "wordings": asked,
        "url": _absolute("confirm", token),
        "days": links.CONFIRM_LIFETIME_S // 86_400,
    }


def _manage_link(_mail: ServiceMail, _contact: Contact, address: Address) -> dict[str, Any]:
    token = links.manage_token("manage", lifetime_s=links.MANAGE_LIFETIME_S, address=address.pk)
    return {
        "url": _absolute("preferences", token),
        "minutes": links.MANAGE_LIFETIME_S // 60,
    }


def _receipt(mail: ServiceMail, contact: Contact, address: Address) -> dict[str, Any]:
    events = list(
        ConsentEvent.objects.filter(pk__in=mail.details["events"], subject=contact.subject)
        .select_related("topic", "wording")
        .order_by("pk")
    )
    if not events:
        raise NothingToSay
    return {
        "events": events,
        "stops": [
            {"topic": event.topic, "url": stop_url(address, event.topic, event.channel)}
            for event in events
            if event.topic and event.channel == Channel.EMAIL
        ],
        "preferences_url": f"{settings.PUBLIC_URL}{reverse('consent:ask_for_link')}",
    }


def _new_address(
    mail: ServiceMail, _contact: Contact | None = None, _address: Address | None = None
) -> dict[str, Any]:
    token = mail.details["token"]
    try:
        asked = links.read_manage("new_address", token)
    except links.LinkError:
        raise NothingToSay from None
    return {
        "to": asked["email"],
        "url": _absolute("new_address", token),
        "hours": links.NEW_ADDRESS_LIFETIME_S // 3600,
    }


def _renewal(mail: ServiceMail, contact: Contact, address: Address) -> dict[str, Any]:
    """Nothing to say where the person answered meanwhile, said no, or has no yes any more."""
    permission = (
        contact.permissions.granted()
        .filter(event=mail.details["event"])
        .select_related("topic", "wording")
        .first()
    )
    if permission is None or permission.topic is None:
        raise NothingToSay
    topic, channel = permission.topic, permission.channel
    decision = gate.explain(contact=contact, topic=topic, channel=channel)
    wording = offers.current_words(topic=topic, channel=channel, language=mail.language)
    if decision.reason not in ("", gate.Reason.NEEDS_RENEWAL) or wording is None:
        raise NothingToSay
    token = links.manage_token(
        "renew",
        lifetime_s=links.RENEWAL_LIFETIME_S,
        address=address.pk,
        event=permission.event_id,
    )
    return {
        "permission": permission,
        "wording": wording,
        "is_changed": decision.reason == gate.Reason.NEEDS_RENEWAL,
        "url": _absolute("renew", token),
        "stop_url": stop_url(address, topic, channel),
    }


def stop_url(address: Address, topic: Topic, channel: str) -> str:
    """A link that takes back one topic on one channel, for ever."""
    return _absolute(
        "stop",
        links.stop_token(
            links.Stop(
                subject=address.contact.subject,
                fingerprint=bytes(address.fingerprint or b""),
                generation=len(settings.ASSENT_KEYS["fingerprint"]),
                topic=topic.key,
                channel=channel,
            )
        ),
    )


def _absolute(name: str, token: str) -> str:
    return f"{settings.PUBLIC_URL}{reverse(f'consent:{name}', args=[token])}"


_WORDS: dict[str, Callable[[ServiceMail, Contact, Address], dict[str, Any]]] = {
    ServiceMail.Purpose.CONFIRMATION: _confirmation,
    ServiceMail.Purpose.MANAGE_LINK: _manage_link,
    ServiceMail.Purpose.RECEIPT: _receipt,
    ServiceMail.Purpose.NEW_ADDRESS: _new_address,
    ServiceMail.Purpose.RENEWAL: _renewal,
}
