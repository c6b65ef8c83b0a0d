"""What the tests of the public pages share: a stranger's browser, and links out of the mailbox."""

import re
import time

from django.core import mail
from django.core.signing import TimestampSigner, b62_encode
from django.test import Client

from consent import links, service_mail
from consent.sms import service_texts
from contacts.models import Channel, Contact
from tests.gateway import TextGateway


def stranger(**headers: str) -> Client:
    """A browser that never saw us; CSRF checks are on, as outside of tests."""
    return Client(enforce_csrf_checks=True, headers=headers)


def stamp(*, seconds_ago: float = 60) -> str:
    """The note of a form that was shown a while ago."""
    signer = TimestampSigner(salt="consent.form")
    signer.timestamp = lambda: _base62(time.time() - seconds_ago)  # type: ignore[method-assign]
    return signer.sign("shown")


def _base62(moment: float) -> str:
    return b62_encode(int(moment))


def mailed(pattern: str) -> list[str]:
    """Send what waits, and return every path in the mails' text that matches."""
    service_mail.sweep()
    return [
        match
        for message in mail.outbox
        for match in re.findall(rf"http://[^/\s]+(/{pattern}/\S+/)", message.body)
    ]


def stop_link(
    contact: Contact, topic_key: str, *, channel: str = Channel.EMAIL, message: int = 7
) -> str:
    address = contact.addresses.current().get(channel=channel)
    return links.stop_token(
        links.Stop(contact.subject, bytes(address.fingerprint), 1, topic_key, channel, message)
    )


def manage_link(contact: Contact, **kwargs: int) -> str:
    address = contact.addresses.current().get(channel=Channel.EMAIL)
    return links.manage_token("manage", address=address.pk, **{"lifetime_s": 3600} | kwargs)


def texted(gateway: TextGateway, *, to: str) -> list[str]:
    """Send the texts that wait, and return the path of the link in each that went to a number."""
    service_texts.sweep()
    return [text_link(body) for body in gateway.bodies(to)]


def text_link(body: str) -> str:
    """The path of the short link in a text."""
    found = re.search(r"http://[^/\s]+(/s/\w+)", body)
    assert found, body
    return found[1]
