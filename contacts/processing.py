"""The record of processing activities (GDPR art. 30), generated from what is registered."""

import io
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from typing import Any

from defusedcsv import csv
from django.apps import apps
from django.conf import settings
from django.db.models import Model
from django.utils.translation import gettext as _

from contacts import countries, holders, parties
from contacts.models import DataField, Lifecycle
from contacts.parties import Controller, Recipient

COLUMNS = (
    "category",
    "purpose",
    "legal_basis",
    "necessity",
    "justification",
    "owner",
    "kept",
    "depends_on_permission",
    "review_on",
)
# What the record says of all kinds of data alike stands in each row of the table.
SHARED = (
    "controller",
    "joint_controllers",
    "representative",
    "data_protection_officer",
    "people",
    "recipients",
    "transfers",
    "measures",
)


def record() -> list[dict[str, Any]]:
    """One row per kind of data that is kept, with the columns above; dates as ISO 8601 text."""
    others = (row for holder in holders.registered() for row in holder.record())
    return [
        *_vault(),
        *(dict.fromkeys(COLUMNS, "") | dict(row) for row in others),
        *(_row(field) for field in DataField.objects.in_use().order_by("key")),
    ]


def whole() -> dict[str, Any]:
    """The whole record as JSON values: who answers for it, whose data, what, who gets it, and how safe."""
    who = parties.controller()
    return {
        "controller": asdict(who) if who else None,
        "people": [str(stage.label) for stage in Lifecycle],
        "processing": record(),
        "retention": retention(),
        "recipients": [asdict(recipient) for recipient in parties.recipients()],
        "measures": measures(),
    }


def csv_table() -> str:
    """The record as CSV: a row for each kind of data, complete in itself; no cell is a formula."""
    shared = _shared()
    text = io.StringIO()
    table = csv.DictWriter(text, (*COLUMNS, *SHARED), lineterminator="\n")
    table.writeheader()
    table.writerows(row | shared for row in record())
    return text.getvalue()


def _shared() -> dict[str, str]:
    who = parties.controller()
    recipients = parties.recipients()
    leaving = [each for each in recipients if each.is_outside]
    return {
        "controller": _who(who) if who else "",
        "joint_controllers": who.joint_controllers if who else "",
        "representative": who.representative if who else "",
        "data_protection_officer": who.data_protection_officer if who else "",
        "people": "; ".join(str(stage.label) for stage in Lifecycle),
        "recipients": "; ".join(f"{each.name} ({each.service})" for each in recipients),
        "transfers": "; ".join(f"{each.name} ({each.place})" for each in leaving),
        "measures": " ".join(measures()),
    }


def _who(controller: Controller) -> str:
    said = (controller.name, controller.address, controller.contact, controller.email)
    return ", ".join(line for part in said for line in part.splitlines() if line)


def missing() -> list[str]:
    """What the article asks for and nobody has written yet, a sentence each."""
    return [
        *_missing_of(parties.controller()),
        *(said for each in parties.recipients() if (said := _missing_of_recipient(each))),
    ]


def _missing_of(who: Controller | None) -> Iterator[str]:
    if who is None:
        return
    if not who.data_protection_officer:
        yield _(
            "The organization names no data protection officer: where it needs none (art. 37), write so"
            " there."
        )
    if countries.is_outside(who.country) and not who.representative:
        yield _(
            "The organization is outside the European Economic Area and names no representative in the"
            " Union (art. 27)."
        )


def _missing_of_recipient(each: Recipient) -> str:
    if not each.country:
        return _(
            "Nobody wrote in which country %(name)s keeps the data: register it as a processor by this"
            " name."
        ) % {"name": each.name}
    if each.is_outside and not each.safeguard:
        return _(
            "%(name)s gets data in %(country)s, outside the European Economic Area: write what protects"
            " it there (art. 45 to 49)."
        ) % {"name": each.name, "country": each.country}
    return ""


def retention() -> list[dict[str, str]]:
    """How long each table with personal data keeps it: `table` (its label), `name` and `kept` in words."""
    return [
        {"table": table, "name": _name(apps.get_model(table)), "kept": kept}
        for holder in holders.registered()
        for table, kept in holder.kept().items()
    ]


def _name(model: type[Model]) -> str:
    """In words; a table between two others is called after what it gives to the first of them."""
    for owner in apps.get_models():
        for given in owner._meta.many_to_many:
            if given.remote_field.through is model and model._meta.auto_created:
                return f"{owner._meta.verbose_name_plural} · {given.verbose_name}"
    return str(model._meta.verbose_name_plural)


def measures() -> list[str]:
    """How the data is kept safe (GDPR art. 30(1)(g)), as this installation is set up."""
    return [
        _(
            "Names and addresses are kept apart from profiles, and shown person by person after a reason."
        ),
        _("Staff sign in with a second factor.")
        if settings.STAFF_MFA_REQUIRED
        else _("Staff sign in with a password only: a second factor is not required here."),
        _("Six roles with the least each needs; what staff do is in a trail that only grows."),
        _("Files of people ask for a reason, hold %d people at most and are noted.")
        % settings.EXPORT_ROWS,
        _("Consent is kept in a ledger that is sealed and signed, so that a change is found."),
        _(
            "Links in messages are encrypted and name nobody; passwords and tokens are kept as hashes."
        ),
    ]


def _row(field: DataField) -> dict[str, Any]:
    return {
        "category": field.label,
        "purpose": field.purpose,
        "legal_basis": field.get_basis_display(),
        "necessity": field.get_need_display(),
        "justification": field.justification,
        "owner": field.owner,
        "kept": _("%d days after the last sign of life") % field.retention_days,
        "depends_on_permission": field.topic_key,
        "review_on": field.review_on.isoformat() if isinstance(field.review_on, date) else "",
    }


def _vault() -> list[dict[str, Any]]:
    """What every contact has, whatever is registered."""
    need = str(DataField.Need.NEED_TO_KNOW.label)
    kept = (
        (
            _("Email address and phone number"),
            _("Write to people who said yes"),
            _("consent"),
            _("Without an address nothing can be sent, and no stop can be kept."),
            _("Until the person is erased"),
        ),
        (
            _("First and last name"),
            _("Greet people, and recognize them when they ask for their rights"),
            _("legitimate interest"),
            _("A letter greets its reader; a request is answered to the right person."),
            _("Until the person is erased"),
        ),
        (
            _("Language, time zone, stage, dates of sign-up and activity"),
            _("Write in the reader's language, at a fitting time, and stop keeping what is unused"),
            _("legitimate interest"),
            _("Without them letters come in the wrong language, and nothing ever expires."),
            _("Until the person is erased"),
        ),
        (
            _("Consent events, their evidence, and suppressed addresses (as keyed hashes)"),
            _("Prove consent, and never write to somebody who said no"),
            _("legal obligation"),
            _("GDPR art. 7(1) asks the sender to show that the person said yes."),
            _("Evidence until the person is erased; events without it and blocked hashes for good"),
        ),
    )
    return [
        dict.fromkeys(COLUMNS, "")
        | {
            "category": category,
            "purpose": purpose,
            "legal_basis": basis,
            "necessity": need,
            "justification": justification,
            "kept": how_long,
        }
        for category, purpose, basis, justification, how_long in kept
    ]
