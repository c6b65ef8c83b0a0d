"""Names deliveries in Message-IDs and return addresses, so that a report finds its delivery.

A report comes by mail, from anybody: the tag shows that whoever wrote it has seen the message.
"""

import re
from base64 import b32encode
from hashlib import blake2b
from secrets import compare_digest

from django.conf import settings

_FORM = re.compile(r"assent\.(\d{1,18})\.(\d{1,18})\.([a-z2-7]{16})@")
# Eighty bits: sixteen characters in base32.
_TAG_BYTES = 10
_PURPOSE = b"message-id"
_LONGEST_LOCAL_PART = 64


def spell(campaign_id: int, delivery_id: int, *, domain: str, key: bytes) -> str:
    """The Message-ID of a delivery (RFC 5322 §3.6.4), in angle brackets."""
    return f"<assent.{campaign_id}.{delivery_id}.{_tag(campaign_id, delivery_id, key)}@{domain}>"


def return_path(bounces_to: str, message_id: str) -> str:
    """A return address that names the message itself: a bounce is told apart, whatever it returns (VERP).

    Plain where the two are longer together than a local part may be (RFC 5321 §4.5.3.1.1).
    """
    mailbox, _at, domain = bounces_to.rpartition("@")
    named = f"{mailbox}+{message_id.strip('<>').rpartition('@')[0]}"
    return f"{named}@{domain}" if len(named) <= _LONGEST_LOCAL_PART else bounces_to


def current_key() -> bytes:
    """What new tags are made with: tags live as long as stop links, and are kept apart from them."""
    return next(reversed(settings.ASSENT_KEYS["stop"].values()))


def read(text: str) -> int | None:
    """The delivery that a Message-ID or a return address names; None where it is not one of ours."""
    found = _FORM.search(text)
    if found is None:
        return None
    campaign_id, delivery_id = int(found[1]), int(found[2])
    tags = [_tag(campaign_id, delivery_id, key) for key in settings.ASSENT_KEYS["stop"].values()]
    return delivery_id if any(compare_digest(tag, found[3]) for tag in tags) else None


def _tag(campaign_id: int, delivery_id: int, key: bytes) -> str:
    named = b"%d.%d" % (campaign_id, delivery_id)
    digest = blake2b(named, key=key, digest_size=_TAG_BYTES, person=_PURPOSE).digest()
    return b32encode(digest).decode().lower()
