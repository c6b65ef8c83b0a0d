"""The pages of consent: what people are asked, what they said, and the proof of it."""

from consent.admin import (
    imports,
    ledger,
    organization,
    panels,
    requests,
    service_mail,
    splits,
    suppression,
    topics,
)

__all__ = [
    "imports",
    "ledger",
    "organization",
    "panels",
    "requests",
    "service_mail",
    "splits",
    "suppression",
    "topics",
]
