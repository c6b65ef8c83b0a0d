"""Who gets data to carry campaigns: the relay or provider behind each sender."""

from collections.abc import Iterator

from django.conf import settings
from django.utils.translation import gettext as _

from campaigns.models import Sender
from consent import parties
from contacts.models import Contact
from contacts.parties import Recipient

RELAY = "smtp"


def recipients(contact: Contact | None) -> Iterator[Recipient]:
    """Behind every sender; of one person, behind those whose messages were handed over."""
    senders = Sender.objects.order_by("name")
    if contact is not None:
        handed_over = contact.deliveries.exclude(handed_over_at=None)
        senders = senders.filter(pk__in=handed_over.values("campaign__sender"))
    for transport in dict.fromkeys(senders.values_list("transport", flat=True)):
        yield Recipient(
            name=settings.EMAIL_HOST if transport == RELAY else parties.provider(transport),
            service=_("Carries messages"),
            receives=_("Address and message"),
        )
