"""The record of processing activities (GDPR art. 30), generated from what is registered."""

from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from contacts.models import DataField

COLUMNS = (
    "category",
    "purpose",
    "legal_basis",
    "necessity",
    "justification",
    "owner",
    "retention_days",
    "depends_on_permission",
    "review_on",
)


def record() -> list[dict[str, Any]]:
    """One row per kind of data that is kept, with the columns above; dates as ISO 8601 text."""
    return [*_vault(), *(_row(field) for field in DataField.objects.in_use().order_by("key"))]


def _row(field: DataField) -> dict[str, Any]:
    return {
        "category": field.label,
        "purpose": field.purpose,
        "legal_basis": field.get_basis_display(),
        "necessity": field.get_need_display(),
        "justification": field.justification,
        "owner": field.owner,
        "retention_days": field.retention_days,
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
        ),
        (
            _("First and last name"),
            _("Greet people, and recognize them when they ask for their rights"),
            _("legitimate interest"),
            _("A letter greets its reader; a request is answered to the right person."),
        ),
        (
            _("Language, time zone, stage, dates of sign-up and activity"),
            _("Write in the reader's language, at a fitting time, and stop keeping what is unused"),
            _("legitimate interest"),
            _("Without them letters come in the wrong language, and nothing ever expires."),
        ),
        (
            _("Consent events, their evidence, and suppressed addresses (as keyed hashes)"),
            _("Prove consent, and never write to somebody who said no"),
            _("legal obligation"),
            _("GDPR art. 7(1) asks the sender to show that the person said yes."),
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
        }
        for category, purpose, basis, justification in kept
    ]
