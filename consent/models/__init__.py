"""What each person permits: topics and wording, the ledger, permissions, suppression."""

from consent.models.imports import ImportBatch, ImportEvidence, RefusedAddress, RefusedRow
from consent.models.ledger import (
    ActorRole,
    Basis,
    ConsentEvent,
    ConsentEvidence,
    Kind,
    LedgerCheckpoint,
    LedgerEntry,
    LedgerNode,
    Method,
    Unsealed,
)
from consent.models.noes import JournalMark, UnwrittenNo
from consent.models.permissions import Permission, Suppression
from consent.models.renewals import RenewalRequest, RenewalRound
from consent.models.service_mail import ServiceMail
from consent.models.texts import InboundText, ShortLink
from consent.models.topics import Organization, Topic, Wording
from consent.models.verification import LedgerVerification

__all__ = [
    "ActorRole",
    "Basis",
    "ConsentEvent",
    "ConsentEvidence",
    "ImportBatch",
    "ImportEvidence",
    "InboundText",
    "JournalMark",
    "Kind",
    "LedgerCheckpoint",
    "LedgerEntry",
    "LedgerNode",
    "LedgerVerification",
    "Method",
    "Organization",
    "Permission",
    "RefusedAddress",
    "RefusedRow",
    "RenewalRequest",
    "RenewalRound",
    "ServiceMail",
    "ShortLink",
    "Suppression",
    "Topic",
    "Unsealed",
    "UnwrittenNo",
    "Wording",
]
