"""The door of contacts: people, their identity and their addresses."""

import hmac
import re
import uuid
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext

from contacts import addresses, fields, pseudonyms, retention
from contacts.models import (
    Address,
    Channel,
    Contact,
    DataField,
    Export,
    Identity,
    IdentityView,
    KeyCheck,
    StaticList,
    Tag,
)

FINGERPRINTS = "fingerprint"
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,4})?")  # BCP 47, as far as it fits


class ContactError(Exception):
    """The contact cannot be changed this way."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or gettext(self.__doc__ or ""))


class ContactErased(ContactError):
    """This contact was erased; nothing can be added to it."""


class UseNotPermitted(ContactError):
    """This person has not permitted this use of data; the field stays empty."""


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


class UnknownTimeZone(ContactError):
    """There is no such time zone: they are called like Europe/Paris."""


class UnknownLanguage(ContactError):
    """A language is written as its code, like fr."""


@cache
def time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def check_profile(profile: Mapping[str, Any]) -> None:
    """Raise `UnknownTimeZone` or `UnknownLanguage` for a `timezone` or `language` that is none."""
    if (zone := profile.get("timezone")) and zone not in time_zones():
        raise UnknownTimeZone
    if "language" in profile and not _LANGUAGE.fullmatch(profile["language"]):
        raise UnknownLanguage


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

    `profile` takes `timezone`, `lifecycle` and `attributes` (registered ones: else a `FieldError`, and a
    `UseNotPermitted` where one depends on a permission). It grants nothing: that is a matter of consent
    events.
    """
    check_profile(profile | {"language": language})
    if "attributes" in profile:
        profile["attributes"] = fields.clean_attributes(profile["attributes"])
    contact = Contact.objects.create(language=language, **profile)
    if contact.attributes:
        _check_permitted(contact, contact.attributes)
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
    lock_living(contact.pk)
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
def take_number(*, contact: Contact, phone: str) -> Address:
    """Give a contact the number that its owner has just shown to be theirs.

    Numbers pass from one person to the next: whoever was reached there before is not any more. Raises
    `ContactErased` and `AddressError`.
    """
    normalized = addresses.normalize_phone(phone)
    former = Address.objects.current().filter(
        channel=Channel.SMS, fingerprint=addresses.fingerprint(normalized)
    )
    for address in former.exclude(contact=contact).select_for_update():
        Address.objects.filter(pk=address.pk).update(retired_at=Now())
        Identity.objects.filter(contact=address.contact_id).update(phone="")
    return change_address(contact=contact, channel=Channel.SMS, address=normalized)


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

    `profile` takes `language`, `timezone`, `lifecycle` and `attributes` (those given change, None removes
    one). Raises `ContactErased`, `AddressTaken`, `AddressError`, `FieldError` and `UseNotPermitted`.
    """
    locked = lock_living(contact.pk)
    if attributes := profile.pop("attributes", None):
        _change_attributes(locked, attributes)
    for channel, address in ((Channel.EMAIL, email), (Channel.SMS, phone)):
        if address:
            change_address(contact=contact, channel=channel, address=address)
    names = {"first_name": first_name, "last_name": last_name}
    if changed := {field: name for field, name in names.items() if name is not None}:
        Identity.objects.filter(contact=contact).update(**changed)
    if tags is not None:
        contact.tags.set(tags)
    if profile:
        check_profile(profile)
        Contact.objects.filter(pk=contact.pk).update(**profile)
    contact.refresh_from_db()
    return contact


def _change_attributes(locked: Contact, given: Mapping[str, object]) -> None:
    cleaned = fields.clean_attributes(given)
    _check_permitted(locked, cleaned)
    locked.attributes = {
        key: value
        for key, value in (locked.attributes | cleaned).items()
        if given.get(key, value) is not None
    }
    locked.save(update_fields=["attributes"])


@transaction.atomic
def keep_only_name(*, contact: Contact) -> None:
    """Forget what is noted beside a name and is not needed to know: useful fields, tags, lists.

    A hold keeps it, as it keeps a person from being erased.
    """
    locked = lock(contact.pk)
    if locked.holds.standing().exists():
        return
    needed = DataField.objects.in_use().filter(need=DataField.Need.NEED_TO_KNOW)
    keys = set(needed.values_list("key", flat=True))
    locked.attributes = {key: value for key, value in locked.attributes.items() if key in keys}
    locked.save(update_fields=["attributes"])
    locked.tags.clear()
    StaticList.contacts.through.objects.filter(contact=locked).delete()


def _check_permitted(contact: Contact, attributes: Mapping[str, object]) -> None:
    for field in DataField.objects.in_use().exclude(topic_key="").filter(key__in=list(attributes)):
        permitted = retention.permitting(field)
        if permitted is None or not permitted.filter(pk=contact.pk).exists():
            raise UseNotPermitted


def forget_unpermitted(contact: Contact) -> None:
    """Erase the values of a person that depend on a permission which has ended, unless a hold keeps them."""
    retention.forget_unpermitted(contact)


def forget_all_unpermitted() -> None:
    """The same for everybody."""
    retention.forget_all_unpermitted()


def kept_by_use(topic_key: str) -> list[tuple[DataField, int]]:
    """The fields that are kept by this use of data alone, each with the people whose value ends with it."""
    return retention.depending_on(topic_key)


@transaction.atomic
def find_or_create_contact(
    *, email: str = "", phone: str = "", language: str
) -> tuple[Contact, bool]:
    """The contact at an email address or else at a number, made where there is none.

    Never at both: what one person typed does not show that both are theirs. Safe when two requests race.
    """
    channel, address = (Channel.EMAIL, email) if email else (Channel.SMS, phone)
    if known := find_contact(channel=channel, address=address):
        return known, False
    reached = {"email": address} if email else {"phone": address}
    try:
        with transaction.atomic():
            return create_contact(**reached, language=language), True
    except AddressTaken:
        known = find_contact(channel=channel, address=address)
        if known is None:
            raise
        return known, False


def note_identity_view(
    *,
    staff_id: int | None,
    contact: Contact | None,
    reason: str,
    people: int = 1,
    export: Export | None = None,
) -> None:
    """Note that staff looked at, or took out, identities, and why; `contact=None` is a file of many."""
    IdentityView.objects.create(
        staff_id=staff_id, contact=contact, reason=reason, people=people, export=export
    )


def note_identity_views(*, staff_id: int | None, contacts: Iterable[Contact], reason: str) -> None:
    """Note that staff looked at the identity of each of these people, and why."""
    IdentityView.objects.bulk_create(
        [IdentityView(staff_id=staff_id, contact=contact, reason=reason) for contact in contacts]
    )


def find_by_pseudonym(text: str) -> list[Contact]:
    """Up to two contacts whose pseudonym is this or begins so: with two it has to be said more exactly."""
    bounds = pseudonyms.bounds(text)
    return list(Contact.objects.filter(subject__range=bounds)[:2]) if bounds else []


def lock(contact_id: int) -> Contact:
    """Take the per-person lock: acts of consent of one person follow each other. Needs a transaction."""
    return Contact.objects.select_for_update(no_key=True).get(pk=contact_id)


def lock_living(contact_id: int) -> Contact:
    """`lock`, and raise `ContactErased` where an erasure came first: nothing is added to what it left."""
    contact = lock(contact_id)
    if contact.erased_at:
        raise ContactErased
    return contact


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
    """Remember what each new key computes; called after migrations, before anything is keyed.

    A new fingerprint key is remembered by the rotation, once every stored fingerprint has advanced to it.
    """
    known = set(KeyCheck.objects.values_list("ring", "key_id"))
    rings_in_use = {ring for ring, _key_id in known}
    KeyCheck.objects.bulk_create(
        [
            KeyCheck(
                ring=ring, key_id=key_id, check_value=check_value(ring, key), position=position
            )
            for ring, keys in settings.ASSENT_KEYS.items()
            if ring != FINGERPRINTS or ring not in rings_in_use
            for position, (key_id, key) in enumerate(keys.items())
            if (ring, key_id) not in known
        ],
        ignore_conflicts=True,
    )


def check_keys() -> None:
    """Raise `ImproperlyConfigured` with a sentence where a key is not the one the data was made with."""
    if KeyCheck._meta.db_table not in connection.introspection.table_names():
        raise ImproperlyConfigured("The database has no tables yet; run `manage.py migrate`.")
    checks = list(KeyCheck.objects.order_by("ring", "position"))
    for check in checks:
        keys = settings.ASSENT_KEYS.get(check.ring, {})
        if check.key_id not in keys:
            raise ImproperlyConfigured(
                f"The {check.ring} key {check.key_id!r} is missing; data was made with it."
            )
        if not hmac.compare_digest(check_value(check.ring, keys[check.key_id]), check.check_value):
            raise ImproperlyConfigured(
                f"The {check.ring} key {check.key_id!r} is not the one the data was made with."
            )
    stored = [check.key_id for check in checks if check.ring == FINGERPRINTS]
    if stored and stored != list(settings.ASSENT_KEYS[FINGERPRINTS]):
        raise ImproperlyConfigured(
            "The fingerprint ring is not the one the addresses are stored under;"
            " stop everything and run `manage.py rotate_fingerprints`."
        )


def check_value(ring: str, key: bytes) -> bytes:
    return hmac.digest(key, f"assent key check: {ring}".encode(), "sha256")
