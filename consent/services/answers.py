"""Answers of a sign-up wait in the outbox row of its confirmation, and are kept once the person confirms."""

from datetime import datetime, timedelta

from consent import links
from consent.models import ServiceMail
from contacts import services as contacts
from contacts.fields import FieldError
from contacts.models import Contact


def keep_answers(*, contact: Contact, mail_id: int) -> None:
    """Keep what the confirmed sign-up was sent with, as far as it still fits its field and is permitted."""
    mail = ServiceMail.objects.filter(pk=mail_id, contact=contact).first()
    if mail is None:
        return
    for key, value in mail.details.pop("answers", {}).items():
        try:
            contacts.update_contact(contact=contact, attributes={key: value})
        except (FieldError, contacts.UseNotPermitted):
            continue
    mail.save(update_fields=["details"])


def forget_answers(*, now: datetime) -> int:
    """Drop the answers whose confirmation never came, once its link is over; returns how many sign-ups."""
    over = ServiceMail.objects.filter(
        purpose=ServiceMail.Purpose.CONFIRMATION,
        created_at__lt=now - timedelta(seconds=links.CONFIRM_LIFETIME_S, days=1),
        details__has_key="answers",
    )
    for mail in over:
        mail.details.pop("answers")
        mail.save(update_fields=["details"])
    return len(over)
