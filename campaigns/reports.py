"""Reads what comes back by mail: delivery status notifications and feedback reports. Writes nothing."""

from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from enum import StrEnum
from typing import NamedTuple

from campaigns import message_ids
from campaigns.replies import status_in


class What(StrEnum):
    """What a report says became of a message."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"


class Report(NamedTuple):
    """One report about one message to one recipient.

    It names the message by `message_id` (ours, RFC 5322, or its return address) or by the provider's own
    id together with the recipient. `status` is the enhanced status code (RFC 3463), empty where none was
    said.
    """

    what: What
    message_id: str = ""
    provider_id: str = ""
    recipient: str = ""
    status: str = ""
    words: str = ""
    source: str = ""


# RFC 3463: the mailbox, its domain or its syntax is wrong, it has moved, it takes no mail by its own DNS
# (RFC 7505), or it is switched off. 5.7.x judges us, 5.4.x the way there, 4.x.x the moment.
_CONDEMNING = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
_COMPLAINTS = frozenset({"abuse", "fraud"})
_CAME_TO = ("To", "X-Original-To", "Delivered-To", "Envelope-To")
_OF_ACTION = {
    "delivered": What.DELIVERED,
    "relayed": What.DELIVERED,
    "expanded": What.DELIVERED,
    "failed": What.BOUNCED,
}


def condemns(status: str) -> bool:
    """Whether this status says that the address itself is of no use."""
    return status in _CONDEMNING


def read_mail(octets: bytes) -> list[Report]:
    """The reports in a message: RFC 3464 (delivery status) or RFC 5965 (feedback).

    Empty where it is neither, where it says nothing final, or where neither the message that it is about
    is with it nor the address it came to names that message.
    """
    message = message_from_bytes(octets)
    if message.get_content_type() != "multipart/report" or not message.is_multipart():
        return []
    parts = [part for part in message.get_payload() if isinstance(part, Message)]
    message_id = next(filter(None, map(_message_id, parts)), "") or _return_address(message)
    if not message_id:
        return []
    for part in parts:
        match part.get_content_type():
            case "message/delivery-status" | "message/global-delivery-status":
                return list(_of_status(part, message_id))
            case "message/feedback-report":
                return list(_of_feedback(part, message_id))
    return []


def _message_id(part: Message) -> str:
    """The Message-ID of the message that was returned, or of its headers."""
    match part.get_content_type():
        case "message/rfc822" | "message/global":
            inner = part.get_payload()
            returned = inner[0] if isinstance(inner, list) and inner else None
        case "text/rfc822-headers" | "message/global-headers":
            payload = part.get_payload(decode=True)
            returned = message_from_bytes(payload) if isinstance(payload, bytes) else _inner(part)
        case _:
            return ""
    return str(returned.get("Message-ID", "")).strip() if isinstance(returned, Message) else ""


def _return_address(report: Message) -> str:
    """The address of ours that the report was sent to, as far as the servers on its way say it."""
    said = (str(report.get(name, "")) for name in _CAME_TO)
    return next((address for address in said if message_ids.read(address) is not None), "")


def _inner(part: Message) -> Message | None:
    """What the parser made of a `message/…` part: a message of its own."""
    inner = part.get_payload()
    return inner[0] if isinstance(inner, list) and isinstance(inner[0], Message) else None


def _of_status(part: Message, message_id: str) -> Iterator[Report]:
    groups = part.get_payload()
    for group in groups if isinstance(groups, list) else []:
        if not isinstance(group, Message):
            continue
        what = _OF_ACTION.get(str(group.get("Action", "")).strip().lower())
        if what is None:
            continue
        words = " ".join(str(group.get("Diagnostic-Code", "")).split())
        yield Report(
            what,
            message_id=message_id,
            recipient=_address(group, "Original-Recipient") or _address(group, "Final-Recipient"),
            status=status_in(str(group.get("Status", ""))),
            words=words,
            source="delivery status notification",
        )


def _of_feedback(part: Message, message_id: str) -> Iterator[Report]:
    said = _inner(part)
    if said is None:
        return
    kind = str(said.get("Feedback-Type", "")).strip().lower()
    if kind in _COMPLAINTS or kind == "opt-out":
        yield Report(
            What.COMPLAINED if kind in _COMPLAINTS else What.UNSUBSCRIBED,
            message_id=message_id,
            recipient=str(said.get("Original-Rcpt-To", "")).strip().strip("<>"),
            words=kind,
            source="feedback report",
        )


def _address(group: Message, name: str) -> str:
    """The address of a field in the form `rfc822;someone@example.org`."""
    _, found, address = str(group.get(name, "")).partition(";")
    return address.strip().strip("<>") if found else ""
