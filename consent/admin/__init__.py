"""The pages of consent: what people are asked, what they said, and the proof of it."""

from consent.admin import (
    as_of,
    imports,
    ledger,
    organization,
    panels,
    permissions,
    proving,
    renewals,
    requests,
    service_mail,
    splits,
    suppression,
    timeline,
    topics,
)

__all__ = [
    "as_of",
    "imports",
    "ledger",
    "organization",
    "panels",
    "permissions",
    "proving",
    "renewals",
    "requests",
    "service_mail",
    "splits",
    "suppression",
    "timeline",
    "topics",
]
