"""What consent knows of who decides about the data, and who gets it: the organization, the mail relay."""

from collections.abc import Iterator

from django.conf import settings
from django.utils.translation import gettext as _

from consent.models import Organization
from contacts.models import Contact
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
    )


def recipients(contact: Contact | None) -> Iterator[Recipient]:
    """The relay that carries confirmations, links and receipts."""
    if contact is None or contact.service_mails.exclude(sent_at=None).exists():
        yield Recipient(
            name=relay(),
            service=_("Carries messages"),
            receives=_("Address and message"),
        )


def relay() -> str:
    """The server, or the provider's backend, that Django's own mail goes to."""
    if settings.EMAIL_BACKEND.endswith(".smtp.EmailBackend"):
        return str(settings.EMAIL_HOST)
    return provider(settings.EMAIL_BACKEND)


def provider(backend: str) -> str:
    """The module of an email backend, which is named for its provider: `mailgun`."""
    return backend.split(".")[-2] if "." in backend else backend
