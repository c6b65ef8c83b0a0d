"""What consent knows of who decides about the data, and who gets it: the organization, the mail relay."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from consent.models import Organization, ServiceMail
from contacts.models import Channel, Contact
from contacts.parties import Controller, Recipient


def controller() -> Controller | None:
    organization = Organization.objects.order_by("pk").first()
    if organization is None:
        return None
    return Controller(
        name=organization.legal_name,
        address=organization.postal_address,
        contact=organization.contact_name,
        email=organization.email,
        phone=organization.phone,
        website=organization.website,
        authority=organization.authority,
        country=organization.country,
        joint_controllers=organization.joint_controllers,
        representative=organization.representative,
        data_protection_officer=organization.data_protection_officer,
    )


def recipients(contact: Contact | None) -> Iterator[Recipient]:
    """The relay that carries confirmations, links and receipts, and the gateway that carries texts."""
    mails = ServiceMail.objects.filter(channel=Channel.EMAIL).exclude(sent_at=None)
    if contact is None or mails.filter(contact=contact).exists():
        yield Recipient(
            name=relay(),
            service=_("Carries messages"),
            receives=_("Address and message"),
        )
    if settings.SMS_GATEWAY_URL and (contact is None or _was_texted(contact)):
        yield Recipient(
            name=urlsplit(settings.SMS_GATEWAY_URL).hostname or "",
            service=_("Carries text messages"),
            receives=_("Number and message"),
        )


def _was_texted(contact: Contact) -> bool:
    return contact.addresses.filter(channel=Channel.SMS).exists()


def relay() -> str:
    """The server, or the provider's backend, that Django's own mail goes to."""
    if settings.EMAIL_BACKEND.endswith(".smtp.EmailBackend"):
        return str(settings.EMAIL_HOST)
    return provider(settings.EMAIL_BACKEND)


def provider(backend: str) -> str:
    """The module of an email backend, which is named for its provider: `mailgun`."""
    return backend.split(".")[-2] if "." in backend else backend
