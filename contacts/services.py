"""The door of contacts: people, their identity and their addresses."""

import hmac
import uuid
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from contacts import addresses
from contacts.models import Address, Channel, Contact, Identity, KeyCheck, Tag


class ContactError(Exception):
    """The contact cannot be changed this way."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__)


class ContactErased(ContactError):
    """This contact was erased; nothing can be added to it."""


class AddressTaken(ContactError):
    """Another contact is reached at this address."""


def find_contact(*, channel: str, address: str) -> Contact | None:
    """The contact that is currently reached at an address; raises `AddressError` for a malformed one."""
    current = (
        Address.objects.current()
        .filter(
            channel=channel,
            fingerprint=addresses.fingerprint(addresses.normalize(channel, address)),
        )
        .select_related("contact")
        .first()
    )
    return current.contact if current else None


@transaction.atomic
def create_contact(
    *,
    email: str = "",
    phone: str = "",
    first_name: str = "",
    last_name: str = "",
    language: str = "en",
    **profile: Any,
) -> Contact:
    """Create a contact with its identity and addresses; raises `AddressTaken` where one is known.

    `profile` takes `timezone`, `lifecycle` and `attributes`. It grants nothing: permission is a matter of
    consent events.
    """
    contact = Contact.objects.create(language=language, **profile)
    Identity.objects.create(contact=contact, first_name=first_name, last_name=last_name)
    if email:
        change_address(contact=contact, channel=Channel.EMAIL, address=email)
    if phone:
        change_address(contact=contact, channel=Channel.SMS, address=phone)
    return contact


@transaction.atomic
def change_address(*, contact: Contact, channel: str, address: str) -> Address:
    """Give a contact another current address; permissions stay with the address they were given for.

    Returns the current one untouched where nothing changes.
    """
    if contact.erased_at:
        raise ContactErased
    normalized = addresses.normalize(channel, address)
    fingerprint = addresses.fingerprint(normalized)
    current = contact.addresses.current().filter(channel=channel).select_for_update().first()
    if current and current.fingerprint == fingerprint:
        return current
    if current:
        current.retired_at = Now()
        current.save(update_fields=["retired_at"])
    try:
        with transaction.atomic():
            created = Address.objects.create(
                contact=contact,
                channel=channel,
                fingerprint=fingerprint,
                domain=addresses.domain_of(channel, normalized),
            )
    except IntegrityError:
        raise AddressTaken from None
    field = "phone" if channel == Channel.SMS else "email"
    Identity.objects.filter(contact=contact).update(**{field: normalized})
    return created


@transaction.atomic
def update_contact(
    *,
    contact: Contact,
    email: str = "",
    phone: str = "",
    first_name: str | None = None,
    last_name: str | None = None,
    tags: Iterable[Tag] | None = None,
    **profile: Any,
) -> Contact:
    """Change what is known of a person; an address is changed, never removed, by being given.

    `profile` takes `language`, `timezone` and `lifecycle`. Raises `ContactErased`, `AddressTaken` and
    `AddressError`.
    """
    if contact.erased_at:
        raise ContactErased
    for channel, address in ((Channel.EMAIL, email), (Channel.SMS, phone)):
        if address:
            change_address(contact=contact, channel=channel, address=address)
    names = {"first_name": first_name, "last_name": last_name}
    if changed := {field: name for field, name in names.items() if name is not None}:
        Identity.objects.filter(contact=contact).update(**changed)
    if tags is not None:
        contact.tags.set(tags)
    if profile:
        Contact.objects.filter(pk=contact.pk).update(**profile)
    contact.refresh_from_db()
    return contact


@transaction.atomic
def find_or_create_contact(*, email: str, language: str) -> tuple[Contact, bool]:
    """The contact at an email address, made where there is none; safe when two requests race."""
    if known := find_contact(channel=Channel.EMAIL, address=email):
        return known, False
    try:
        with transaction.atomic():
            return create_contact(email=email, language=language), True
    except AddressTaken:
        known = find_contact(channel=Channel.EMAIL, address=email)
        if known is None:
            raise
        return known, False


def lock(contact_id: int) -> Contact:
    """Take the per-person lock: acts of consent of one person follow each other. Needs a transaction."""
    return Contact.objects.select_for_update(no_key=True).get(pk=contact_id)


def contact_of_subject(subject: uuid.UUID) -> Contact | None:
    return Contact.objects.filter(subject=subject).first()


def verify_address(*, address: Address) -> None:
    """The person acted on a message to this address: it is theirs, and it works."""
    Address.objects.filter(pk=address.pk, retired_at=None).update(
        verified_at=Now(), undeliverable_at=None
    )


def mark_undeliverable(*, address: Address) -> None:
    """The receiving side says that this address does not exist."""
    Address.objects.filter(pk=address.pk, undeliverable_at=None).update(undeliverable_at=Now())


def record_key_checks() -> None:
    """Remember what each new key computes; called after migrations, before anything is keyed."""
    for ring, keys in settings.ASSENT_KEYS.items():
        for position, (key_id, key) in enumerate(keys.items()):
            KeyCheck.objects.get_or_create(
                ring=ring,
                key_id=key_id,
                defaults={"check_value": _check_value(ring, key), "position": position},
            )


def check_keys() -> None:
    """Raise `ImproperlyConfigured` with a sentence where a key is not the one the data was made with."""
    if KeyCheck._meta.db_table not in connection.introspection.table_names():
        raise ImproperlyConfigured("The database has no tables yet; run `manage.py migrate`.")
    for check in KeyCheck.objects.order_by("ring", "position"):
        keys = settings.ASSENT_KEYS.get(check.ring, {})
        if check.key_id not in keys:
            raise ImproperlyConfigured(
                f"The {check.ring} key {check.key_id!r} is missing; data was made with it."
            )
        if not hmac.compare_digest(_check_value(check.ring, keys[check.key_id]), check.check_value):
            raise ImproperlyConfigured(
                f"The {check.ring} key {check.key_id!r} is not the one the data was made with."
            )


def _check_value(ring: str, key: bytes) -> bytes:
    return hmac.digest(key, f"assent key check: {ring}".encode(), "sha256")
