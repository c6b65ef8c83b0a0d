"""What providers say over django-anymail's webhooks, as reports."""

from typing import Any

from anymail.signals import AnymailTrackingEvent, EventType, RejectReason

from campaigns import feedback
from campaigns.replies import status_in
from campaigns.reports import Report, What

_OF_EVENT = {
    EventType.DELIVERED: What.DELIVERED,
    EventType.BOUNCED: What.BOUNCED,
    EventType.COMPLAINED: What.COMPLAINED,
    EventType.UNSUBSCRIBED: What.UNSUBSCRIBED,
}
# What a provider calls a bad address without a word of the mail server.
_BAD_ADDRESS = "5.1.3"


def take_tracking(event: AnymailTrackingEvent, esp_name: str, **_: Any) -> None:
    """Anymail's `tracking` signal; opens, clicks, delays and sign-ups at the provider mean nothing here."""
    what = _OF_EVENT.get(event.event_type)
    if event.event_type == EventType.REJECTED and event.reject_reason == RejectReason.INVALID:
        what = What.BOUNCED
    if what is None:
        return
    words = " ".join(filter(None, (event.mta_response, event.description)))
    feedback.take(
        Report(
            what,
            message_id=str((event.metadata or {}).get("assent", "")),
            provider_id=event.message_id or "",
            recipient=event.recipient or "",
            status=_status(event, words),
            words=words,
            source=esp_name,
        )
    )


def _status(event: AnymailTrackingEvent, words: str) -> str:
    said = event.esp_event.get("status", "") if isinstance(event.esp_event, dict) else ""
    status = status_in(str(said)) or status_in(words)
    return status or (_BAD_ADDRESS if event.reject_reason == RejectReason.INVALID else "")
