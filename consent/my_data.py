"""What a person reads of their own data: what is held, why, for how long, and what they asked for."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from consent import ledger
from consent.models import ConsentEvent, Organization
from consent.preferences import CHANNELS
from contacts import fields, holders, parties
from contacts import rights as requests
from contacts.holders import Line, Section
from contacts.models import Channel, Contact, DataField, Identity, SubjectRequest

MOST_TOLD = 20
YEAR = 365


def export(contact: Contact) -> dict[str, Any]:
    """Everything as plain values (GDPR art. 15 and 20), with how it is used in front."""
    used = {line.name: line.value for line in processing(contact).lines}
    return {"processing": used, **requests.export(contact=contact)}


def readable(contact: Contact) -> list[Section]:
    """What is held, for people to read; the download has everything. Empty values are left out."""
    told = [section for holder in holders.registered() for section in holder.tell(contact)]
    sections = [
        Section(_("Who you are"), _filled(_profile(contact))),
        Section(_("What we remember about you"), list(_remembered(contact))),
        Section(_("What you permit"), list(_permitted(contact))),
        *told,
        Section(
            _("Messages about your choices"),
            [
                Line(
                    date_format(mail.created_at, "DATE_FORMAT"),
                    str(mail.get_purpose_display()).capitalize(),
                )
                for mail in contact.service_mails.order_by("-pk")[:MOST_TOLD]
            ],
        ),
        Section(_("What you asked of us"), list(_asked(contact))),
        processing(contact),
    ]
    return [section for section in sections if section.lines]


def _profile(contact: Contact) -> dict[str, str]:
    identity = Identity.objects.get(contact=contact)
    paused = contact.paused_until
    return {
        _("First name"): identity.first_name,
        _("Last name"): identity.last_name,
        _("Email address"): identity.email,
        _("Phone number"): identity.phone,
        _("Language"): str(dict(settings.LANGUAGES).get(contact.language, contact.language)),
        _("Time zone"): contact.timezone,
        _("With us since"): date_format(contact.created_at, "DATE_FORMAT"),
        _("Messages paused until"): date_format(paused, "DATE_FORMAT") if paused else "",
        _("Tags"): ", ".join(contact.tags.order_by("name").values_list("name", flat=True)),
    }


def _remembered(contact: Contact) -> Iterator[Line]:
    registered = DataField.objects.in_bulk(list(contact.attributes), field_name="key")
    for key, value in sorted(contact.attributes.items()):
        if field := registered.get(key):
            note = f"{field.text('purpose').rstrip('.')}. {_kept_for(field.retention_days)}"
            yield Line(field.text("label"), fields.shown(field, value), note)
        else:
            yield Line(key, str(value))


def _kept_for(days: int) -> str:
    years, rest = divmod(days, YEAR)
    if years and not rest:
        said = ngettext(
            "Kept for %d year after your last sign of life.",
            "Kept for %d years after your last sign of life.",
            years,
        )
        return said % years
    said = ngettext(
        "Kept for %d day after your last sign of life.",
        "Kept for %d days after your last sign of life.",
        days,
    )
    return said % days


def _permitted(contact: Contact) -> Iterator[Line]:
    for permission in contact.permissions.select_related("topic").order_by("pk"):
        topic = permission.topic.name if permission.topic else _("Everything")
        state = str(permission.get_state_display()).capitalize()
        since = date_format(permission.since, "DATE_FORMAT")
        yield Line(
            f"{topic} · {CHANNELS[Channel(permission.channel)]}",
            state,
            _("Since %(date)s") % {"date": since},
        )


def _asked(contact: Contact) -> Iterator[Line]:
    for request in contact.requests.order_by("-received_at", "-pk")[:MOST_TOLD]:
        asked_on = date_format(request.received_at, "DATE_FORMAT")
        yield Line(
            str(request.get_kind_display()).capitalize(),
            _answer_to(request),
            _("Asked on %(date)s") % {"date": asked_on},
        )


def _answer_to(request: SubjectRequest) -> str:
    if request.settled_at is None:
        date = date_format(request.due_at, "DATE_FORMAT")
        promised = _("You will have our answer by %(date)s.") % {"date": date}
        if request.extended_because:
            why = _("It takes longer, because: %(reason)s") % {"reason": request.extended_because}
            return f"{promised} {why}"
        return promised
    date = date_format(request.settled_at, "DATE_FORMAT")
    if request.state == SubjectRequest.State.REFUSED:
        return _("Refused on %(date)s: %(reason)s") % {"date": date, "reason": request.outcome}
    return _("Done on %(date)s") % {"date": date}


def processing(contact: Contact) -> Section:
    """What a person must be told of the use of their data (GDPR art. 15(1)), in plain words."""
    asking = Organization.objects.order_by("pk").first()
    lines = {
        **(_responsible(asking) if asking else {}),
        _("What for"): _(
            "To send you the messages you said yes to, and to prove that you did. Each further fact"
            " is for what stands beside it."
        ),
        _("On which ground"): _("Your consent; for the proof of it, our duty to show it."),
        _("Where it came from"): _source(contact),
        _("Who receives it"): _recipients(contact),
        _("How long"): _(
            "Until you erase it here. After that the bare record of your choices stays, without your"
            " name, and a keyed trace of your address, so that nobody writes to it again."
        ),
        _("Decided by a machine alone"): _("Nothing that has a legal effect on you."),
        _("Where to complain"): asking.authority if asking else "",
    }
    return Section(_("How we use it"), _filled(lines))


def _responsible(asking: Organization) -> dict[str, str]:
    return {
        _("Who is responsible"): f"{asking.legal_name}, {asking.email}",
        _("Who decides with us"): _in_one_line(asking.joint_controllers),
        _("Who represents us in the Union"): _in_one_line(asking.representative),
        _("Data protection officer"): _in_one_line(asking.data_protection_officer),
    }


def _in_one_line(text: str) -> str:
    return ", ".join(filter(None, map(str.strip, text.splitlines())))


def _recipients(contact: Contact) -> str:
    """By name: who got data of this very person (GDPR art. 15(1)(c); CJEU C-154/21)."""
    named = [
        f"{each.name} ({', '.join(filter(None, [each.service, each.place]))})"
        for each in parties.recipients(contact)
    ]
    return ", ".join(named) or _("Nobody but us.")


def _source(contact: Contact) -> str:
    """How the first thing that is known of them came here."""
    history = ledger.history_of(contact)
    first = history[0] if history else None
    if first is None:
        return ""
    said = [str(first.get_method_display()).capitalize(), _named_source(first)]
    return ", ".join([*filter(None, said), date_format(first.recorded_at, "DATE_FORMAT")])


def _named_source(event: ConsentEvent) -> str:
    evidence = getattr(event, "evidence", None)
    return str(evidence.details.get("source", "")) if evidence else ""


def _filled(lines: Mapping[str, str]) -> list[Line]:
    return [Line(name, value) for name, value in lines.items() if value]
