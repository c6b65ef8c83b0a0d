"""What a person reads of their own data, and what they ask for it, each request with its due date."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from consent import rights, services
from consent.answers import shown
from consent.models import ConsentEvent, Method
from consent.preferences import CHANNELS
from contacts import rights as requests
from contacts.models import Channel, Contact, DataField, Identity, SubjectRequest

Kind = SubjectRequest.Kind
HOW = "by a fresh link to their address"
LONGEST = 2000


@transaction.atomic
def ask(*, contact: Contact, kind: str, words: str = "") -> SubjectRequest:
    """Note a request that staff have to answer; the same one is not noted twice while it is open."""
    open_ones = SubjectRequest.objects.open().filter(contact=contact, kind=kind)
    known = None if words else open_ones.first()
    how = f"{HOW}: {words[:LONGEST]}" if words else HOW
    return known or requests.receive(contact=contact, kind=kind, how=how)


@transaction.atomic
def ask_to_be_forgotten(*, contact: Contact, details: Mapping[str, str]) -> ConsentEvent:
    """Note the request of erasure; nothing is sent any more from this moment, whenever it is carried out."""
    ask(contact=contact, kind=Kind.ERASURE)
    return services.object_to_everything(
        contact=contact, method=Method.PREFERENCES, details=details
    )


@transaction.atomic
def restrict(*, contact: Contact, details: Mapping[str, str]) -> ConsentEvent | None:
    """Keep the data and use it for nothing, done at once; None where that is so already."""
    event = rights.restrict(contact=contact, method=Method.PREFERENCES, details=details)
    if event:
        request = ask(contact=contact, kind=Kind.RESTRICTION)
        requests.settle(request=request, handler_id=None, outcome="done at once")
    return event


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its lines, each a name and a value."""

    name: str
    lines: list[tuple[str, str]]


def readable(contact: Contact) -> list[Section]:
    """What is held, for people to read; the download has everything. Empty values are left out."""
    identity = Identity.objects.get(contact=contact)
    tags = contact.tags.order_by("name").values_list("name", flat=True)
    fields = DataField.objects.in_bulk(list(contact.attributes), field_name="key")
    sections = [
        Section(
            _("Who you are"),
            _filled(
                {
                    _("First name"): identity.first_name,
                    _("Last name"): identity.last_name,
                    _("Email address"): identity.email,
                    _("Phone number"): identity.phone,
                    _("Language"): str(
                        dict(settings.LANGUAGES).get(contact.language, contact.language)
                    ),
                    _("Time zone"): contact.timezone,
                    _("With us since"): date_format(contact.created_at, "DATE_FORMAT"),
                    _("Messages paused until"): date_format(contact.paused_until, "DATE_FORMAT")
                    if contact.paused_until
                    else "",
                    _("Tags"): ", ".join(tags),
                }
            ),
        ),
        Section(
            _("What we remember about you"),
            [
                (
                    fields[key].text("label") if key in fields else key,
                    f"{shown(fields[key], value)} ({fields[key].text('purpose')})"
                    if key in fields
                    else str(value),
                )
                for key, value in sorted(contact.attributes.items())
            ],
        ),
        Section(
            _("What you permit"),
            [
                (
                    f"{p.topic.name if p.topic else _('Everything')} · {CHANNELS[Channel(p.channel)]}",
                    f"{p.get_state_display()}, {date_format(p.since, 'DATE_FORMAT')}",
                )
                for p in contact.permissions.select_related("topic").order_by("pk")
            ],
        ),
        Section(
            _("Messages about your choices"),
            [
                (mail.get_purpose_display(), date_format(mail.created_at, "DATETIME_FORMAT"))
                for mail in contact.service_mails.order_by("-pk")
            ],
        ),
    ]
    return [section for section in sections if section.lines]


def _filled(lines: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in lines.items() if value]
