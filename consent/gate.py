"""The gate: the one place that says whether a contact may be written to, and if not, why not.

It is SQL over the columns of a campaign or of a question: set-based for the audience and the claim, and for
one person in `explain`. Default deny: what no branch allows has no permission. It never reads the vault.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection, models
from django.utils.translation import gettext_lazy as _

from consent.models import Topic
from contacts.models import Channel, Contact


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
    BASIS_OFF = "basis_off", _("rests on a basis that is switched off")
    EXPIRED = "expired", _("the permission has expired")
    OTHER_ADDRESS = "other_address", _("the permission was given for another address")
    NEEDS_RENEWAL = "needs_renewal", _("the wording has changed since")
    PAUSED = "paused", _("asked for a pause")
    NOT_IN_SEGMENT = "not_in_segment", _("is not in the campaign's segments")
    CANCELLED = "cancelled", _("the campaign was cancelled")


# The alias `c` is a contacts_contact row; everything else comes from `parameters`.
JOINS = """
    JOIN consent_topic t ON t.id = %(topic)s
    LEFT JOIN contacts_address a
        ON a.contact_id = c.id AND a.channel = %(channel)s AND a.retired_at IS NULL
    LEFT JOIN consent_permission p
        ON p.contact_id = c.id AND p.topic_id = %(topic)s AND p.channel = %(channel)s
    LEFT JOIN consent_permission everything
        ON everything.contact_id = c.id AND everything.topic_id IS NULL
        AND everything.channel = %(channel)s
    LEFT JOIN consent_suppression here
        ON here.fingerprint = a.fingerprint AND here.channel = a.channel
        AND here.topic_id = %(topic)s
    LEFT JOIN consent_suppression everywhere
        ON everywhere.fingerprint = a.fingerprint AND everywhere.channel = a.channel
        AND everywhere.topic_id IS NULL
"""


def _stands(suppression: str) -> str:
    """A stop counts unless the person said yes from the address since, or it is the very act shown anyway."""
    return f"""{suppression}.id IS NOT NULL
        AND ({suppression}.cause = 'legal' OR p.fresh_at IS NULL OR p.fresh_at <= {suppression}.since)
        AND ({suppression}.event_id IS NULL
            OR {suppression}.event_id IS DISTINCT FROM coalesce(p.event_id, everything.event_id))"""


# The words of this topic and channel that were found bad, and those that a material change came after.
# Both are few, and computed once per statement.
_BAD = """
    ARRAY(SELECT w.id FROM consent_wording w
        WHERE w.topic_id = %(topic)s AND w.channel = %(channel)s AND w.invalidated_at IS NOT NULL)
"""
_OUTDATED = """
    ARRAY(SELECT w.id FROM consent_wording w
        WHERE w.topic_id = %(topic)s AND w.channel = %(channel)s AND EXISTS (
            SELECT FROM consent_wording newer
            WHERE newer.topic_id = w.topic_id AND newer.channel = w.channel
              AND newer.language = w.language AND newer.version > w.version
              AND newer.is_material AND newer.published_at IS NOT NULL))
"""
_CHANGED_AT = """
    (SELECT max(w.published_at) FROM consent_wording w
        WHERE w.topic_id = %(topic)s AND w.channel = %(channel)s AND w.is_material)
"""

# NULL where the contact may be written to, else the first reason that applies. A use of data needs no
# address and keeps none: it is permitted by the person, wherever they are reached. A pause comes last: it
# is no question of consent, and lets what is permitted stand.
REASON = f"""
    CASE
        WHEN c.erased_at IS NOT NULL THEN 'erased'
        WHEN c.restricted_at IS NOT NULL THEN 'restricted'
        WHEN t.status <> 'published' THEN 'topic_retired'
        WHEN a.id IS NULL AND t.use = 'message' THEN 'no_address'
        WHEN {_stands("everywhere")} THEN 'suppressed'
        WHEN {_stands("here")} THEN 'suppressed'
        WHEN a.undeliverable_at IS NOT NULL THEN 'undeliverable'
        WHEN everything.stopped AND (p.fresh_at IS NULL OR p.fresh_at <= everything.since)
            THEN everything.state
        WHEN p.state IS NULL THEN 'never_asked'
        WHEN p.state <> 'granted' THEN p.state
        WHEN p.basis = 'soft_opt_in' AND NOT %(soft_opt_in)s THEN 'basis_off'
        WHEN t.double_opt_in AND p.method = 'form' THEN 'pending'
        WHEN p.valid_until <= now() THEN 'expired'
        WHEN p.wording_id = ANY ({_BAD}) THEN 'invalidated'
        WHEN p.address_id IS DISTINCT FROM a.id AND t.use = 'message' THEN 'other_address'
        WHEN p.wording_id = ANY ({_OUTDATED}) THEN 'needs_renewal'
        WHEN p.wording_id IS NULL AND p.basis = 'consent' AND p.since < {_CHANGED_AT}
            THEN 'needs_renewal'
        WHEN c.paused_until > now() AND t.use = 'message' THEN 'paused'
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


def permits(*, contact: str, topic: str) -> str:
    """SQL, true where a person permits a use of data now; asked inside a larger statement.

    `contact` and `topic` are SQL for their ids (`c`, `t`, `a` and `p` mean something else in there); the
    statement needs the parameter `soft_opt_in`.
    """
    whole = f"SELECT {REASON} IS NULL FROM contacts_contact c {JOINS} WHERE c.id = {contact}"
    return "coalesce(({}), false)".format(
        whole.replace("%(topic)s", topic).replace("%(channel)s", f"'{Channel.DATA}'")
    )


_ONE = f"""
    SELECT {{number}}, {REASON}, p.event_id, a.id, p.state FROM contacts_contact c {JOINS}
    WHERE c.id = %(contact)s
"""
# Every parameter but the person is another one for each question.
_NAMED = re.compile(r"%\((?P<name>(?!contact\))\w+)\)s")


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

    @property
    def is_permitted(self) -> bool:
        """Whether the person says yes, though they may want a pause now."""
        return self.reason in ("", Reason.PAUSED)


def explain(*, contact: Contact, topic: Topic, channel: str) -> Decision:
    """The gate's answer for one person at this moment."""
    return explain_each(contact=contact, asked=[(topic, channel)])[0]


def explain_each(*, contact: Contact, asked: Sequence[tuple[Topic, str]]) -> list[Decision]:
    """The gate's answers for one person at this moment, one for each topic and channel, in one query."""
    parts, values = [], {"contact": contact.pk}
    for number, (topic, channel) in enumerate(asked):
        parts.append(_NAMED.sub(rf"%(\g<name>_{number})s", _ONE.format(number=number)))
        named = parameters(topic=topic, channel=channel)
        values |= {f"{name}_{number}": value for name, value in named.items()}
    if not parts:
        return []
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts) + " ORDER BY 1", values)
        return [
            Decision(reason or "", event_id, address_id, state or "")
            for _number, reason, event_id, address_id, state in cursor.fetchall()
        ]


def parameters(*, topic: Topic, channel: str) -> dict[str, Any]:
    """What the SQL of the gate is to be run with."""
    return {
        "topic": topic.pk,
        "channel": channel,
        "soft_opt_in": bool(settings.SOFT_OPT_IN_REASON),
    }
