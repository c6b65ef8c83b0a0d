"""The gate: the one place that says whether a contact may be written to, and if not, why not.

It is SQL over the columns of a campaign or of a question: set-based for the audience and the claim, and for
one person in `explain`. Default deny: what no branch allows has no permission. It never reads the vault.
"""

from dataclasses import dataclass
from typing import Any

from django.db import connection, models
from django.utils.translation import gettext_lazy as _

from consent.models import Topic
from contacts.models import Contact


class Reason(models.TextChoices):
    """Why a contact is not written to, in the order in which the gate asks."""

    ERASED = "erased", _("was erased")
    RESTRICTED = "restricted", _("asked for restricted processing")
    TOPIC_RETIRED = "topic_retired", _("the topic is not published")
    NO_ADDRESS = "no_address", _("has no address on this channel")
    SUPPRESSED = "suppressed", _("the address is suppressed")
    UNDELIVERABLE = "undeliverable", _("the address does not exist")
    OBJECTED = "objected", _("objected")
    COMPLAINED = "complained", _("complained")
    NEVER_ASKED = "never_asked", _("never said yes to this topic by this channel")
    CLAIMED = "claimed", _("consent is claimed, not shown")
    PENDING = "pending", _("has not confirmed yet")
    REFUSED = "refused", _("refused")
    WITHDRAWN = "withdrawn", _("withdrew")
    REVOKED = "revoked", _("the permission was revoked")
    INVALIDATED = "invalidated", _("the consent was found invalid")
    EXPIRED = "expired", _("the permission has expired")
    OTHER_ADDRESS = "other_address", _("the permission was given for another address")
    NEEDS_RENEWAL = "needs_renewal", _("the wording has changed since")
    NOT_IN_SEGMENT = "not_in_segment", _("is not in the campaign's segments")
    CANCELLED = "cancelled", _("the campaign was cancelled")


# The alias `c` is a contacts_contact row; the parameters are topic (id), channel and nothing else.
JOINS = """
    JOIN consent_topic t ON t.id = %(topic)s
    LEFT JOIN contacts_address a
        ON a.contact_id = c.id AND a.channel = %(channel)s AND a.retired_at IS NULL
    LEFT JOIN consent_permission p
        ON p.contact_id = c.id AND p.topic_id = %(topic)s AND p.channel = %(channel)s
    LEFT JOIN consent_permission everything
        ON everything.contact_id = c.id AND everything.topic_id IS NULL
        AND everything.channel = %(channel)s
    LEFT JOIN LATERAL (
        -- A stop counts unless the person said yes from the address since, or unless it is the very
        -- act that the permission shows anyway.
        SELECT true AS stands FROM consent_suppression s
        WHERE s.fingerprint = a.fingerprint AND s.channel = a.channel
          AND (s.topic_id IS NULL OR s.topic_id = %(topic)s)
          AND (s.cause = 'legal' OR p.fresh_at IS NULL OR p.fresh_at <= s.since)
          AND (s.event_id IS NULL OR s.event_id IS DISTINCT FROM coalesce(p.event_id, everything.event_id))
        LIMIT 1
    ) suppression ON true
"""

# NULL where the contact may be written to, else the first reason that applies.
REASON = """
    CASE
        WHEN c.erased_at IS NOT NULL THEN 'erased'
        WHEN c.restricted_at IS NOT NULL THEN 'restricted'
        WHEN t.status <> 'published' THEN 'topic_retired'
        WHEN a.id IS NULL THEN 'no_address'
        WHEN suppression.stands THEN 'suppressed'
        WHEN a.undeliverable_at IS NOT NULL THEN 'undeliverable'
        WHEN everything.stopped AND (p.fresh_at IS NULL OR p.fresh_at <= everything.since)
            THEN everything.state
        WHEN p.state IS NULL THEN 'never_asked'
        WHEN p.state <> 'granted' THEN p.state
        WHEN p.valid_until <= now() THEN 'expired'
        WHEN p.address_id IS DISTINCT FROM a.id THEN 'other_address'
        ELSE NULL
    END
"""

# The consent event that stands behind the answer, where there is one.
EVENT = """
    CASE
        WHEN everything.stopped AND (p.fresh_at IS NULL OR p.fresh_at <= everything.since)
            THEN everything.event_id
        ELSE p.event_id
    END
"""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate says of one person: `reason` is empty where the message may go."""

    reason: str
    event_id: int | None
    address_id: int | None
    state: str

    @property
    def is_allowed(self) -> bool:
        return not self.reason


def explain(*, contact: Contact, topic: Topic, channel: str) -> Decision:
    """The gate's answer for one person at this moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {REASON}, p.event_id, a.id, p.state FROM contacts_contact c {JOINS}"
            " WHERE c.id = %(contact)s",
            parameters(topic=topic, channel=channel) | {"contact": contact.pk},
        )
        reason, event_id, address_id, state = cursor.fetchone()
    return Decision(reason or "", event_id, address_id, state or "")


def parameters(*, topic: Topic, channel: str) -> dict[str, Any]:
    """What the SQL of the gate is to be run with."""
    return {"topic": topic.pk, "channel": channel}
