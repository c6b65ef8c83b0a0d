"""What this app's tables keep about a person: exported with the words shown, erased down to the proof."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from consent import ledger
from consent.models import (
    ConsentEvidence,
    ImportBatch,
    ImportEvidence,
    Kind,
    Method,
    Permission,
    RefusedRow,
    RenewalRequest,
    ServiceMail,
    Suppression,
)
from contacts import written
from contacts.holders import Holder
from contacts.models import Address, Contact

IMPERSONAL = (
    "consent.ImportEvidence",
    "consent.InboundText",
    "consent.JournalMark",
    "consent.LedgerCheckpoint",
    "consent.LedgerEntry",
    "consent.LedgerNode",
    "consent.LedgerVerification",
    "consent.Organization",
    "consent.RenewalRound",
    "consent.ShortLink",
    "consent.Topic",
    "consent.Unsealed",
    "consent.Wording",
)


def kept() -> Mapping[str, str]:
    """How long the rows of each table are kept."""
    until_erased = _("Until the person is erased")
    days = settings.REFUSED_ROWS_DAYS
    refused = (
        ngettext("%d day after its import ended", "%d days after its import ended", days) % days
    )
    return {
        "consent.ConsentEvent": _("For good: it proves what was said, and names a pseudonym only"),
        "consent.ConsentEvidence": until_erased,
        "consent.Permission": _("For good; once the person is erased without their address"),
        "consent.Suppression": _(
            "For good: a keyed hash that keeps an address from being written to"
        ),
        "consent.ImportBatch": _(
            "An uploaded file until it is imported, a week at most; whoever is erased is taken out at once"
        ),
        "consent.RefusedRow": refused,
        "consent.RefusedAddress": refused,
        "consent.RenewalRequest": until_erased,
        "consent.ServiceMail": until_erased,
        "consent.UnwrittenNo": _("Until it stands in the journal, within minutes"),
    }


def export(contact: Contact) -> dict[str, Any]:
    return {
        "permissions": [
            {
                "topic": permission.topic.key if permission.topic else None,
                "channel": permission.channel,
                "state": permission.state,
                "since": permission.since.isoformat(),
                "valid_until": permission.valid_until.isoformat()
                if permission.valid_until
                else None,
            }
            for permission in contact.permissions.select_related("topic").order_by("pk")
        ],
        "events": [
            {
                "id": event.pk,
                "topic": event.topic_id,
                "channel": event.channel,
                "kind": event.kind,
                "method": event.method,
                "occurred_at": event.occurred_at.isoformat(),
                "recorded_at": event.recorded_at.isoformat(),
                "words": event.wording.text if event.wording else None,
                "commitment": bytes(event.commitment).hex(),
                "evidence": evidence.details
                if (evidence := getattr(event, "evidence", None))
                else None,
                "nonce": bytes(evidence.nonce).hex() if evidence else None,
            }
            for event in ledger.history_of(contact)
        ],
        "suppressions": [
            {"channel": stop.channel, "cause": stop.cause, "since": stop.since.isoformat()}
            for stop in Suppression.objects.filter(fingerprint__in=_fingerprints(contact)).order_by(
                "pk"
            )
        ],
        "service_mails": [
            {
                "channel": mail.channel,
                "purpose": mail.purpose,
                "created_at": mail.created_at.isoformat(),
                "sent_at": mail.sent_at.isoformat() if mail.sent_at else None,
                "answers_waiting": mail.details.get("answers", {}),
            }
            for mail in contact.service_mails.order_by("pk")
        ],
        "renewal_requests": [
            {"event": asked.event_id, "asked_at": asked.asked_at.isoformat()}
            for asked in RenewalRequest.objects.filter(event__subject=contact.subject).order_by(
                "pk"
            )
        ],
        "refused_import_rows": [
            {"line": row.line, "row": row.row, "reason": str(row.reason)}
            for row in RefusedRow.objects.filter(
                addresses__fingerprint__in=_fingerprints(contact)
            ).order_by("pk")
        ],
    }


def _fingerprints(contact: Contact) -> list[bytes]:
    found = contact.addresses.exclude(fingerprint=None).values_list("fingerprint", flat=True)
    return [bytes(fingerprint) for fingerprint in found if fingerprint]


def erase(contact: Contact) -> Mapping[str, int]:
    """The events stay, and each commitment can still be checked against the person's own copy."""
    written.blank(contact, ImportBatch.objects.all(), "name")
    written.blank(contact, ImportBatch.objects.all(), "source")
    written.blank(contact, ImportEvidence.objects.all(), "name")
    rows = RefusedRow.objects.filter(addresses__fingerprint__in=_fingerprints(contact))
    _all, refused = RefusedRow.objects.filter(pk__in=rows.values("pk")).delete()
    suppressed = _suppress(contact)
    files = _note_in_files()
    asked = RenewalRequest.objects.filter(event__subject=contact.subject).delete()[0]
    mails = ServiceMail.objects.filter(contact=contact).delete()[0]
    ledger.record(
        contact=contact,
        topic=None,
        channel="",
        kind=Kind.ERASED,
        method=Method.JOB,
        actor=ledger.SYSTEM,
    )
    evidence = ConsentEvidence.objects.filter(event__subject=contact.subject).delete()[0]
    Permission.objects.filter(contact=contact).update(address=None)
    return {
        **refused,
        "consent.Suppression": suppressed,
        "consent.ImportBatch": files,
        "consent.RenewalRequest": asked,
        "consent.ServiceMail": mails,
        "consent.ConsentEvidence": evidence,
    }


def _note_in_files() -> int:
    """Have the person taken out of every file that was uploaded and is not imported yet."""
    waiting = ImportBatch.objects.filter(is_upload=True).exclude(state=ImportBatch.State.FINISHED)
    locked = waiting.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True)
    return ImportBatch.objects.filter(pk__in=list(locked)).update(
        erased_since=F("erased_since") + 1
    )


def _suppress(contact: Contact) -> int:
    """Every address of the person, unless it is somebody else's by now."""
    suppressed = 0
    for address in contact.addresses.exclude(fingerprint=None):
        others = Address.objects.current().filter(
            channel=address.channel, fingerprint=address.fingerprint
        )
        if others.exclude(contact=contact).exists():
            continue
        ledger.suppress(
            channel=address.channel,
            fingerprint=bytes(address.fingerprint or b""),
            topic=None,
            cause=Suppression.Cause.ERASED,
            since=timezone.now(),
        )
        suppressed += 1
    return suppressed


HOLDER = Holder("consent", kept, export, erase)
