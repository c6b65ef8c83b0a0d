"""Plain builders: each returns one valid saved object. The cast: Ada granted, Bo pending, Cy withdrew."""

import itertools
from datetime import UTC, date, datetime
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group, User
from django.contrib.auth.models import Permission as StaffPermission

from campaigns.models import Campaign, CampaignContent, Sender
from consent import ledger
from consent import services as consent
from consent.models import ConsentEvent, Method, Organization, Topic, Wording
from contacts import services as contacts
from contacts.models import Channel, Contact, DataField

_number = itertools.count(1)
LONG_AGO = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)


def organization() -> Organization:
    return Organization.objects.get_or_create(
        legal_name="Lumen Books SARL",
        defaults={
            "postal_address": "12 rue des Lilas\n75011 Paris\nFrance",
            "country": "FR",
            "contact_name": "Claire Martin",
            "email": "privacy@lumen.example",
            "phone": "+33 1 23 45 67 89",
            "website": "https://lumen.example",
            "privacy_page": "https://lumen.example/privacy",
            "authority": "CNIL",
        },
    )[0]


def topic(key: str = "product-news", **fields: Any) -> Topic:
    defaults = {
        "status": Topic.Status.PUBLISHED,
        "public_name": key.replace("-", " ").capitalize(),
        "description": "What is new in our books and tools.",
        "frequency": "Once a month",
        "translations": {
            "fr": {
                "public_name": "Nouveautés",
                "description": "Ce qui change dans nos livres et nos outils.",
                "frequency": "Une fois par mois",
            }
        },
        "offers_sms": True,
    }
    return Topic.objects.get_or_create(key=key, defaults=defaults | fields)[0]


def wording(
    topic: Topic, channel: str = Channel.EMAIL, language: str = "en", **fields: Any
) -> Wording:
    """The current published words of a box, made where there are none."""
    known = (
        Wording.objects.current().filter(topic=topic, channel=channel, language=language).first()
    )
    if known and not fields:
        return known
    version = (known.version if known else 0) + 1
    draft = Wording.objects.create(
        topic=topic,
        channel=channel,
        language=language,
        version=version,
        text=f"Yes, send me {topic.public_name} by {channel}. I can stop at any time. (v{version})",
        **fields,
    )
    return consent.publish_wording(wording=draft, publisher_id=None)


def contact(email: str | None = None, **fields: Any) -> Contact:
    email = f"person{next(_number)}@example.org" if email is None else email
    return contacts.create_contact(email=email, **fields)


def field(key: str, kind: str = DataField.Type.TEXT, **fields: Any) -> DataField:
    """A registered field with the case for keeping it."""
    defaults = {
        "label": key.replace("_", " ").capitalize(),
        "type": kind,
        "need": DataField.Need.USEFUL,
        "purpose": "Choose the news that fits the reader",
        "basis": DataField.Basis.LEGITIMATE_INTEREST,
        "justification": "The editors choose the books of each letter by it; without it all get the same.",
        "owner": "Editorial office",
        "retention_days": 730,
        "review_on": date(2100, 1, 1),
    }
    return DataField.objects.create(key=key, **defaults | fields)


def granted(
    contact: Contact, topic: Topic, channel: str = Channel.EMAIL, **fields: Any
) -> ConsentEvent:
    """A yes by the person, confirmed from the address."""
    address = contact.addresses.current().get(channel=channel)
    consent.confirm(
        contact=contact, wordings=[wording(topic, channel)], address=address, details={}, **fields
    )
    return contact.permissions.get(topic=topic, channel=channel).event


def given_elsewhere(contact: Contact, topic: Topic, channel: str = Channel.EMAIL) -> ConsentEvent:
    return consent.give_with_evidence(
        contact=contact,
        topic=topic,
        channel=channel,
        occurred_at=LONG_AGO,
        source="Paper form, book fair 2025",
        actor=ledger.staff(None),
    )


def withdrawn(contact: Contact, topic: Topic, channel: str = Channel.EMAIL) -> ConsentEvent:
    return consent.withdraw(contact=contact, topic=topic, channel=channel, method=Method.STOP_PAGE)


def sender(**fields: Any) -> Sender:
    defaults = {
        "from_name": "Lumen Books",
        "from_email": "news@lumen.example",
        "sms_from": "+33700000001",
    }
    return Sender.objects.get_or_create(
        name=fields.pop("name", "Lumen"), defaults=defaults | fields
    )[0]


def campaign(topic: Topic, **fields: Any) -> Campaign:
    made = Campaign.objects.create(
        **{"name": "Monthly letter", "topic": topic, "sender": sender()} | fields
    )
    CampaignContent.objects.create(
        campaign=made,
        language="en",
        subject="New this month",
        body="Hello {{ contact.first_name | default: 'reader' }},\n\nThree [new books](https://lumen.example/new).",
    )
    return made


def permit(user: User, *names: str) -> User:
    """Let staff do exactly what these permissions say, as `app.codename`, on top of what they may."""
    for name in names:
        app, _, codename = name.partition(".")
        held = StaffPermission.objects.get(content_type__app_label=app, codename=codename)
        user.user_permissions.add(held)
    return user


def staff_of(role: str, username: str = "nora") -> User:
    """Somebody with this role, and no more."""
    user = staff(username, superuser=False)
    user.groups.add(Group.objects.get(name=role))
    return user


def officer(username: str = "olga") -> User:
    return staff_of("Privacy officer", username)


def text_campaign(
    topic: Topic, body: str = "Three new books this month.", **fields: Any
) -> Campaign:
    """A campaign by text message."""
    made = Campaign.objects.create(
        **{"name": "Monthly text", "topic": topic, "sender": sender(), "channel": Channel.SMS}
        | fields
    )
    CampaignContent.objects.create(campaign=made, language="en", body=body)
    return made


def staff(username: str = "marketer", *, superuser: bool = True) -> User:
    user = User.objects.create_user(
        username,
        f"{username}@lumen.example",
        "a long enough password",
        is_staff=True,
        is_superuser=superuser,
    )
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user
