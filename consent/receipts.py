"""The receipt a person keeps: Kantara Consent Receipt v1.1 with the proof inside.

Built from plain values, and only while a consent stands, since the form knows no other state; the
whole history is `consent.dpv`.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consent import proof as proofs
from consent import signing
from consent.leaf import EventFields, Words
from consent.proof import Proof

VERSION = "KI-CR-v1.1.0"


class NothingSaidError(Exception):
    """This person said nothing about this topic yet: there is no history to give."""


class NoConsentStandsError(Exception):
    """No consent stands, and a Kantara receipt can say nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationFacts:
    """Who asked; `country` is an ISO 3166-1 alpha-2 code."""

    legal_name: str
    postal_address: str
    country: str
    contact_name: str
    email: str
    phone: str
    website: str
    privacy_page: str
    authority: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicFacts:
    """What was asked for, and what is done with which data for it.

    `purpose` is a DPV term, `personal_data` maps DPV terms to plain words, `retention` and
    `validity` are ISO 8601 durations, `storage_countries` ISO 3166-1 alpha-2 codes.
    """

    key: str
    channel: str
    name: str
    description: str
    validity: str
    retention: str
    withdrawal_url: str
    storage_countries: tuple[str, ...]
    recipients: tuple[str, ...] = ()
    purpose: str = "dpv:DirectMarketing"
    purpose_category: str = "6 - Marketing"
    personal_data: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One event of the history, how it was made, and the words that were shown."""

    event: EventFields
    how: str
    words: Words | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Everything between one person and one topic on one channel, acts in the order recorded.

    `standing` is the act the present permission rests on, None while none stands.
    """

    organization: OrganizationFacts
    topic: TopicFacts
    acts: tuple[Act, ...]
    standing: Act | None


def kantara(record: Record, proof: Proof, *, public_keys: Mapping[str, bytes]) -> dict[str, Any]:
    """The receipt for the consent that stands, as Kantara Consent Receipt v1.1 with our proof.

    Valid by `kantara_schema.json`. `publicKey` shows the key that signed the checkpoint as `ID:BASE64`,
    to compare with the published one. Raises NoConsentStandsError, MalformedCheckpoint, ValueError
    for the proof of another event.
    """
    act = record.standing
    if (
        act is None
        or act.event.kind not in proofs.CONSENTING
        or act.event.basis not in ("", "consent")
    ):
        raise NoConsentStandsError(NoConsentStandsError.__doc__)
    if proof.event != act.event:
        raise ValueError("The proof is of another event than the standing consent.")
    organization, topic, event = record.organization, record.topic, act.event
    receipt: dict[str, Any] = {
        "version": VERSION,
        "jurisdiction": organization.country,
        "consentTimestamp": event.occurred_us // 1_000_000,
        "collectionMethod": act.how,
        "consentReceiptID": proofs.receipt_id(event),
        "piiPrincipalId": event.subject,
        "piiControllers": [
            {
                "piiController": organization.legal_name,
                "contact": organization.contact_name,
                "address": {
                    "streetAddress": organization.postal_address,
                    "addressCountry": organization.country,
                },
                "email": organization.email,
                "phone": organization.phone,
                "piiControllerUrl": organization.website,
            }
        ],
        "policyUrl": organization.privacy_page,
        "services": [{"service": topic.name, "purposes": [_kantara_purpose(topic)]}],
        "sensitive": False,
        "spiCat": [],
        proofs.MEMBER: proof.to_json(),
    }
    if act.words:
        receipt["language"] = act.words.language
    key_id = signing.from_note(proof.checkpoint)[1].key_id
    if key_id in public_keys:
        receipt["publicKey"] = f"{key_id}:{b64encode(public_keys[key_id]).decode()}"
    return receipt


def _kantara_purpose(topic: TopicFacts) -> dict[str, Any]:
    purpose: dict[str, Any] = {
        "purpose": topic.description,
        "purposeCategory": [topic.purpose_category],
        "consentType": "EXPLICIT",
        "piiCategory": list(topic.personal_data.values()),
        "primaryPurpose": True,
        "termination": topic.withdrawal_url,
        "thirdPartyDisclosure": bool(topic.recipients),
    }
    if topic.recipients:
        purpose["thirdPartyName"] = ", ".join(topic.recipients)
    return purpose
