"""Puts service mail in the outbox, and nudges the queue that sends it."""

from collections.abc import Callable, Iterable, Mapping

from celery import current_app
from django.db import transaction

from consent.models import ConsentEvent, Kind, ServiceMail
from contacts.models import Channel, Contact


def queue_service_mail(
    *,
    contact: Contact,
    purpose: ServiceMail.Purpose,
    language: str,
    details: Mapping[str, object],
    channel: str = Channel.EMAIL,
) -> ServiceMail:
    """Put a service mail or text in the outbox, and nudge its queue once the transaction is committed."""
    mail = ServiceMail.objects.create(
        contact=contact,
        channel=channel,
        purpose=purpose,
        language=language,
        details=dict(details),
    )
    is_text = channel == Channel.SMS
    task = "consent.send_service_texts" if is_text else "consent.send_service_mail"
    transaction.on_commit(nudge(task), robust=True)
    return mail


def send_receipt(contact: Contact, events: Iterable[ConsentEvent]) -> None:
    """A yes is answered with a receipt; after a no nothing is written to the person unasked.

    Whoever is reached by text alone finds theirs on the preference page.
    """
    given = [event.pk for event in events if event.kind in (Kind.GIVEN, Kind.RENEWED)]
    if given and contact.addresses.current().filter(channel=Channel.EMAIL).exists():
        queue_service_mail(
            contact=contact,
            purpose=ServiceMail.Purpose.RECEIPT,
            language=contact.language,
            details={"events": given},
        )


def nudge(task: str, **ids: int) -> Callable[[], None]:
    """A task by name with ids: lost, it costs seconds, because a sweep does the same."""

    def send() -> None:
        current_app.send_task(task, kwargs=ids, retry=False)

    return send
