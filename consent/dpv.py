"""The whole history of a consent in the words of the W3C Data Privacy Vocabulary 2.3 (JSON-LD).

A DPV profile of ISO/IEC TS 27560:2023; `missing_fields` tells what a record still lacks of it.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from consent.proof import receipt_id
from consent.receipts import Act, NothingSaidError, Record, TopicFacts

_STATUS = {
    "requested": "dpv:ConsentRequested",
    "given": "dpv:ConsentGiven",
    "renewed": "dpv:RenewedConsentGiven",
    "asserted": "dpv:ConsentUnknown",
    "undone": "dpv:ConsentGiven",
    "refused": "dpv:ConsentRefused",
    "withdrawn": "dpv:ConsentWithdrawn",
    "objected": "dpv:ConsentWithdrawn",
    "complained": "dpv:ConsentWithdrawn",
    "revoked": "dpv:ConsentRevoked",
    "expired": "dpv:ConsentExpired",
    "invalidated": "dpv:ConsentInvalidated",
    "erased": "dpv:ConsentInvalidated",
}
_INDICATED_BY = {"subject": "dpv:DataSubject", "provider": "dpv:DataProcessor"}
_CONTEXT = {
    "assent": "urn:assent:",
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "loc": "https://w3id.org/dpv/loc#",
    "pd": "https://w3id.org/dpv/pd#",
    "schema": "https://schema.org/",
}
_PROFILE = "https://w3id.org/dpv/schema/dpv-27560#"


def receipt(record: Record, *, created_at: datetime) -> dict[str, Any]:
    """The whole history as a DPV consent receipt around one consent record (JSON-LD).

    `missing_fields` says which mandatory field of ISO/IEC TS 27560 is empty. Raises NothingSaidError
    where there is no act at all.
    """
    if not record.acts:
        raise NothingSaidError(NothingSaidError.__doc__)
    organization = record.organization
    subject = uuid.UUID(record.acts[0].event.subject)
    record_id = str(uuid.uuid5(subject, f"{record.topic.key}/{record.topic.channel}"))
    identifier = str(uuid.uuid5(subject, f"{record_id}/{_iso(created_at)}"))
    return {
        "@context": _CONTEXT,
        "@id": f"urn:uuid:{identifier}",
        "@type": "dpv:ConsentReceipt",
        "dct:identifier": identifier,
        "dct:conformsTo": f"{_PROFILE}receipt-eu-gdpr",
        "dct:created": _iso(created_at),
        "dct:publisher": organization.website,
        "dpv:hasRecordOfActivity": [_record(record, record_id)],
    }


def _record(record: Record, record_id: str) -> dict[str, Any]:
    organization, topic = record.organization, record.topic
    basis = record.standing.event.basis if record.standing else "consent"
    return {
        "@type": "dpv:ConsentRecord",
        "dct:identifier": record_id,
        "dct:conformsTo": f"{_PROFILE}record-eu-gdpr",
        "dpv:hasDataSubject": record.acts[0].event.subject,
        "dpv:hasDataController": {
            "@id": organization.website,
            "@type": ["dpv:DataController", "dpv:Organisation"],
            "dpv:hasName": organization.legal_name,
            "dpv:hasAddress": organization.postal_address,
            "dpv:hasContact": organization.contact_name,
            "schema:email": organization.email,
            "schema:telephone": organization.phone,
        },
        "dpv:hasJurisdiction": f"loc:{organization.country}",
        "dpv:hasAuthority": organization.authority,
        "dpv:hasLegalBasis": "eu-gdpr:A6-1-f" if basis == "soft_opt_in" else "eu-gdpr:A6-1-a",
        "dpv:hasNotice": _notice(record),
        "dpv:hasProcess": {
            "@type": "dpv:Process",
            "dpv:hasPurpose": topic.purpose,
            "dpv:hasService": f"{topic.key}/{topic.channel}",
            "dct:title": topic.name,
            "dct:description": topic.description,
            "dpv:hasPersonalData": list(topic.personal_data),
            "dpv:hasRecipient": list(topic.recipients) or [organization.legal_name],
            "dpv:hasStorageCondition": [
                {
                    "@type": "dpv:StorageLocation",
                    "dpv:hasLocation": [f"loc:{country}" for country in topic.storage_countries],
                },
                {"@type": "dpv:StorageDuration", "dpv:hasDuration": topic.retention},
            ],
        },
        "dpv:hasConsentControl": {
            "@type": ["dpv:WithdrawConsent"],
            "dpv:isExercisedAt": topic.withdrawal_url,
        },
        "dpv:hasRight": ["eu-gdpr:A7-3"],
        "dpv:hasConsentStatus": [
            _status(act, topic, stands=act == record.standing)
            for act in record.acts
            if act.event.kind in _STATUS
        ],
    }


def _notice(record: Record) -> dict[str, Any]:
    """The words of the standing consent, else the newest shown, else the privacy page alone."""
    shown = [act.words for act in (record.standing, *reversed(record.acts)) if act and act.words]
    notice: dict[str, Any] = {
        "@id": record.organization.privacy_page,
        "@type": "dpv:ConsentNotice",
    }
    if shown:
        notice |= {
            "dct:language": shown[0].language,
            "dct:hasVersion": str(shown[0].version),
            "dct:description": shown[0].text,
            "assent:sha256": shown[0].digest(),
        }
    return notice


def _status(act: Act, topic: TopicFacts, *, stands: bool) -> dict[str, Any]:
    event = act.event
    status = _STATUS[event.kind]
    if stands and event.kind == "asserted":
        status = "dpv:ConsentGiven"
    types = [status]
    if event.kind in ("given", "renewed"):
        types.append("dpv:ExpressedConsent")
    return {
        "@id": f"urn:uuid:{receipt_id(event)}",
        "@type": types,
        "dpv:isIndicatedAtTime": _iso(event.occurred_at),
        "dpv:isIndicatedBy": _INDICATED_BY.get(event.actor_role, "dpv:DataController"),
        "dpv:hasIndicationMethod": act.how,
        "dpv:hasDuration": topic.validity,
        "assent:event": event.id,
        "assent:kind": event.kind,
    }


# Mandatory by ISO/IEC TS 27560, or by the DPV profile for the GDPR, and where the record says it.
_MANDATORY = {
    "schema_version": "dct:conformsTo",
    "record_id": "dct:identifier",
    "pii_principal_id": "dpv:hasDataSubject",
    "privacy_notice": "dpv:hasNotice @id",
    "language": "dpv:hasNotice dct:language",
    "purpose": "dpv:hasProcess dpv:hasPurpose",
    "services": "dpv:hasProcess dpv:hasService",
    "lawful_basis": "dpv:hasLegalBasis",
    "pii_information": "dpv:hasProcess dpv:hasPersonalData",
    "pii_controllers": "dpv:hasDataController",
    "storage_locations": "dpv:hasProcess dpv:hasStorageCondition 0 dpv:hasLocation",
    "retention_period": "dpv:hasProcess dpv:hasStorageCondition 1 dpv:hasDuration",
    "jurisdiction": "dpv:hasJurisdiction",
    "recipient_third_parties": "dpv:hasProcess dpv:hasRecipient",
    "withdrawal_method": "dpv:hasConsentControl dpv:isExercisedAt",
    "privacy_rights": "dpv:hasRight",
    "authority_party": "dpv:hasAuthority",
    "party_id": "dpv:hasDataController @id",
    "party_name": "dpv:hasDataController dpv:hasName",
    "party_address": "dpv:hasDataController dpv:hasAddress",
    "party_contact": "dpv:hasDataController dpv:hasContact",
    "party_type": "dpv:hasDataController @type",
}
_MANDATORY_OF_EVENT = {
    "event_time": "dpv:isIndicatedAtTime",
    "validity_duration": "dpv:hasDuration",
    "entity_id": "dpv:isIndicatedBy",
    "event_type": "@type",
    "event_state": "@type",
    "collection_method": "dpv:hasIndicationMethod",
}


def missing_fields(document: Mapping[str, Any]) -> list[str]:
    """The mandatory fields of ISO/IEC TS 27560 that a receipt from `receipt` leaves empty."""
    (record,) = document["dpv:hasRecordOfActivity"]
    missing = [field for field, path in _MANDATORY.items() if not _at(record, path)]
    statuses = record["dpv:hasConsentStatus"]
    missing += [
        field
        for field, path in _MANDATORY_OF_EVENT.items()
        if not statuses or not all(_at(status, path) for status in statuses)
    ]
    return missing


def _at(value: Any, path: str) -> Any:
    for step in path.split(" "):
        value = value[int(step)] if isinstance(value, list) else value.get(step)
        if not value:
            return None
    return value


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
