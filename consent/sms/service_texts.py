"""Sends the service texts that wait in the outbox: confirmations, manage links and checks of a new number.

The same outbox and the same rules as for service mail, but for one: a text of which nobody knows whether it
went out is not sent again. It would be paid again, and whoever misses it can ask for another one.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from consent import links
from consent.models import Organization, ServiceMail
from consent.service_mail import (
    SWEEP_S,
    NothingToSay,
    claims,
    give_up,
    is_forbidden,
    try_later,
    unconfirmed,
)
from consent.sms import gsm, numbers, short_links
from consent.sms.gateway import Answer, Gateway, GatewayDown
from contacts.addresses import AddressError
from contacts.models import Address, Channel, Contact, Identity

logger = logging.getLogger(__name__)

LONGEST_NAME = 30


@dataclass(frozen=True, slots=True)
class Text:
    """A service text as it is handed over; its link works once it is kept."""

    to: str
    body: str
    link: short_links.Minted


def sweep(*, patience_s: float = SWEEP_S) -> int:
    """Send what is due, at most for `patience_s` seconds; returns how many texts were handed over."""
    give_up_at = time.monotonic() + patience_s
    sent = 0
    gateway: Gateway | None = None
    try:
        for mail in claims(Channel.SMS):
            try:
                gateway = gateway or Gateway()
                sent += _send(mail, gateway)
            except GatewayDown as down:
                logger.warning("Service texts wait: %s", down)
                try_later(mail)
                break
            except Exception:
                logger.exception("Service text %s was not sent, attempt %s", mail.pk, mail.attempts)
                try_later(mail)
            if time.monotonic() >= give_up_at:
                break
    finally:
        if gateway:
            gateway.close()
    return sent


def _send(mail: ServiceMail, gateway: Gateway) -> bool:
    try:
        text = text_for(mail)
        numbers.check(text.to)
    except NothingToSay:
        give_up(mail, "nothing to say any more")
        return False
    except AddressError:
        give_up(mail, "a number that is not written to")
        return False
    short_links.keep([text.link])
    handed = gateway.send(to=text.to, text=text.body, sender=settings.SMS_FROM)
    match handed.answer:
        case Answer.REFUSED:
            give_up(mail, f"refused by the gateway, {handed.code}")
        case Answer.UNKNOWN:
            give_up(mail, "no answer from the gateway; it may have arrived")
        case Answer.DEFERRED:
            try_later(mail)
        case Answer.ACCEPTED:
            mail.details.pop("token", None)
            ServiceMail.objects.filter(pk=mail.pk).update(sent_at=Now(), details=mail.details)
            return True
    return False


def text_for(mail: ServiceMail) -> Text:
    """The text in the language it was asked for in, with a link made this moment; raises `NothingToSay`."""
    contact = mail.contact
    if contact.erased_at:
        raise NothingToSay
    with translation.override(mail.language):
        return _WORDS[ServiceMail.Purpose(mail.purpose)](mail, contact)


def _confirmation(mail: ServiceMail, contact: Contact) -> Text:
    address = _current(contact)
    asked = unconfirmed(mail, contact)
    token = links.manage_token(
        "confirm",
        lifetime_s=links.CONFIRM_LIFETIME_S,
        address=address.pk,
        wordings=[wording.pk for wording in asked],
        mail=mail.pk,
    )
    link = _mint("confirm", token, links.CONFIRM_LIFETIME_S)
    if asked:
        words = _(
            "%(name)s: to get our texts, confirm your number here: %(url)s Not you? Do nothing."
        )
    else:
        words = _("%(name)s: shall we keep what was told about you? %(url)s Not you? Do nothing.")
    return Text(_number(contact), _filled(words, link), link)


def _manage_link(_mail: ServiceMail, contact: Contact) -> Text:
    address = _current(contact)
    lifetime_s = links.MANAGE_LIFETIME_S
    token = links.manage_token("manage", lifetime_s=lifetime_s, address=address.pk)
    link = _mint("preferences", token, lifetime_s)
    words = _("%(name)s: see and change your choices, for one hour: %(url)s Do not pass it on.")
    return Text(_number(contact), _filled(words, link), link)


def _new_number(mail: ServiceMail, contact: Contact) -> Text:
    token = mail.details["token"]
    try:
        asked = links.read_manage("new_number", token)
    except links.LinkError:
        raise NothingToSay from None
    link = _mint("new_number", token, links.NEW_ADDRESS_LIFETIME_S)
    words = _("%(name)s: confirm that this is your number: %(url)s Not you? Do nothing.")
    return Text(asked["phone"], _filled(words, link), link)


def _current(contact: Contact) -> Address:
    """The number that a text goes to; raises `NothingToSay`."""
    address = contact.addresses.current().filter(channel=Channel.SMS).first()
    if address is None or is_forbidden(address):
        raise NothingToSay
    return address


def _number(contact: Contact) -> str:
    return Identity.objects.get(contact=contact).phone


def _mint(page: str, token: str, lifetime_s: int) -> short_links.Minted:
    ends_at = timezone.now() + timedelta(seconds=lifetime_s, days=1)
    return short_links.mint(page, token, ends_at=ends_at)


def _filled(words: str, link: short_links.Minted) -> str:
    organization = Organization.objects.order_by("pk").first()
    name = organization.legal_name if organization else "Assent"
    return gsm.plain(words % {"name": name[:LONGEST_NAME].strip(), "url": link.url})


_WORDS: dict[str, Callable[[ServiceMail, Contact], Text]] = {
    ServiceMail.Purpose.CONFIRMATION: _confirmation,
    ServiceMail.Purpose.MANAGE_LINK: _manage_link,
    ServiceMail.Purpose.NEW_NUMBER: _new_number,
}
