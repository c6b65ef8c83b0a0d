"""How long the gate takes over a whole audience, beside writing the same rows without asking it.

    python -m tests.benchmarks.gate --contacts 1000000 [--json]

Three topics on two channels; of each ten people one never said yes, one withdrew, and some more are denied
for every other reason. Engines of its own in a temporary folder.
"""

import functools
import statistics
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.benchmarks.stage import in_bulk, run

TOPICS = ("product-news", "offers", "events")
UNIT = 20
CLAIMS = 50

_TABLES = (
    "contacts_contact",
    "contacts_identity",
    "contacts_address",
    "consent_consentevent",
    "consent_permission",
    "consent_suppression",
)
_CONTACTS = """
    INSERT INTO contacts_contact (subject, language, timezone, lifecycle, attributes, created_at)
    SELECT gen_random_uuid(), 'en', '', 'subscriber', '{}', now() FROM generate_series(1, %(contacts)s)
"""
_IDENTITIES = """
    INSERT INTO contacts_identity (contact_id, first_name, last_name, email, phone)
    SELECT id, 'Reader', 'Number', 'reader' || id || '@example.org', '+336' || id FROM contacts_contact
"""
_ADDRESSES = """
    INSERT INTO contacts_address (contact_id, channel, fingerprint, domain, created_at, verified_at)
    SELECT c.id, channel, sha256(convert_to(channel || c.id, 'UTF8')), 'example.org', now(), now()
    FROM contacts_contact c, unnest(ARRAY['email', 'sms']) AS channel
"""
# One event for all that a person said: nothing here reads it.
_EVENTS = """
    INSERT INTO consent_consentevent (
        subject, topic_key, channel, kind, basis, method, occurred_at, recorded_at, actor_role,
        actor, commitment
    )
    SELECT subject, 'product-news', 'email', 'given', 'consent', 'confirmation', now(), now(),
        'subject', '', sha256('')
    FROM contacts_contact
"""
_PERMISSIONS = """
    INSERT INTO consent_permission (
        contact_id, topic_id, channel, state, stopped, since, fresh_at, valid_until, basis, method,
        wording_id, address_id, event_id
    )
    SELECT c.id, t.id, a.channel, said.state, said.state = 'withdrawn', now(), now(),
        now() + (CASE WHEN c.id %% 50 = 3 THEN interval '-1 day' ELSE interval '3 years' END),
        'consent', 'confirmation', w.id, a.id, e.id
    FROM contacts_contact c
    JOIN contacts_address a ON a.contact_id = c.id
    JOIN consent_consentevent e ON e.subject = c.subject
    CROSS JOIN consent_topic t
    JOIN consent_wording w ON w.topic_id = t.id AND w.channel = a.channel AND w.version = 1
    CROSS JOIN LATERAL (SELECT CASE (c.id + t.id) %% 20
        WHEN 2 THEN 'withdrawn' WHEN 3 THEN 'withdrawn' WHEN 4 THEN 'pending'
        WHEN 5 THEN 'claimed' ELSE 'granted' END AS state) said
    WHERE (c.id + t.id) %% 10 <> 1
"""
_EVERYTHING = """
    INSERT INTO consent_permission (contact_id, channel, state, stopped, since, basis, event_id)
    SELECT c.id, 'email', 'objected', true, now() + interval '1 second', '', e.id
    FROM contacts_contact c JOIN consent_consentevent e ON e.subject = c.subject WHERE c.id %% 100 = 7
"""
_SUPPRESSIONS = """
    INSERT INTO consent_suppression (channel, fingerprint, topic_id, cause, since)
    SELECT a.channel, a.fingerprint, CASE WHEN a.id %% 2 = 0 THEN t.id END, 'staff', now() + interval '1 day'
    FROM contacts_address a, consent_topic t WHERE t.key = 'product-news' AND a.id %% 25 < 2
"""
_OTHERS = """
    UPDATE contacts_contact SET restricted_at = now() WHERE id %% 500 = 9;
    UPDATE contacts_address SET undeliverable_at = now() WHERE id %% 200 = 11
"""
_BARE = """
    INSERT INTO campaigns_delivery (
        campaign_id, contact_id, state, reason, event_id, address_id, attempt, due_at, settled_at,
        provider_id, diagnostic
    )
    SELECT %(campaign)s, contact_id, state, reason, event_id, address_id, attempt, due_at, settled_at,
        provider_id, diagnostic
    FROM campaigns_delivery WHERE campaign_id = %(like)s
"""


def prepare(contacts: int) -> None:
    """People, what they said of three topics on two channels, and what else keeps mail from them."""
    from django.db import connection

    from tests import make

    for topic in map(make.topic, TOPICS):
        for channel in ("email", "sms"):
            make.wording(topic, channel)
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off; SET maintenance_work_mem = '256MB'")
        with in_bulk(*_TABLES):
            for statement in (_CONTACTS, _IDENTITIES, _ADDRESSES, _EVENTS):
                cursor.execute(statement, {"contacts": contacts})
            cursor.execute("ANALYZE")
            for statement in (_PERMISSIONS, _EVERYTHING, _SUPPRESSIONS, _OTHERS):
                cursor.execute(statement, {})
        cursor.execute("RESET synchronous_commit; RESET maintenance_work_mem")
        cursor.execute("VACUUM FREEZE ANALYZE")


def measure(contacts: int) -> dict[str, Any]:
    """Seconds for the audience and the bare insert, the better of two runs each; needs a stage."""
    from django.db import connection

    from campaigns import audience
    from tests import make

    prepare(contacts)
    topic = make.topic(TOPICS[0])
    campaigns = [make.campaign(topic, name=f"Letter {number}") for number in range(4)]
    asked, bare = [], []
    for first, second in ((0, 1), (2, 3)):
        asked.append(timed(functools.partial(audience.freeze, campaigns[first], lanes=2)))
        with connection.cursor() as cursor:
            which = {"campaign": campaigns[second].pk, "like": campaigns[first].pk}
            bare.append(timed(functools.partial(cursor.execute, _BARE, which)))
            cursor.execute("VACUUM ANALYZE campaigns_delivery")
    reasons = dict(audience.preview_audience(campaigns[0]))
    assert sum(reasons.values()) == contacts
    return {
        "contacts": contacts,
        "allowed": reasons[""],
        "reasons": len(reasons) - 1,
        "audience_s": round(min(asked), 2),
        "bare_insert_s": round(min(bare), 2),
        "ratio": round(min(asked) / min(bare), 2),
        "preview_s": round(timed(lambda: audience.preview_audience(campaigns[0])), 2),
        "claim_ms": round(claim_ms(campaigns[0]), 2),
    }


def claim_ms(campaign: Any) -> float:
    """The median claim of one unit with its second look: what a lane waits for."""
    from django.db.models.functions import Now

    from campaigns.claims import Session
    from campaigns.models import Lane

    type(campaign).objects.filter(pk=campaign.pk).update(state="sending", send_at=Now())
    lane = Lane.objects.filter(campaign=campaign).order_by("number")[0]
    with Session(campaign, lane=lane.pk, number=lane.number, lease=timedelta(minutes=1)) as session:
        claim = functools.partial(session.claim, size=UNIT, walking=True, before=None)
        took = [timed(lambda: claim(uuid.uuid4())) for _ in range(CLAIMS)]
    return statistics.median(took) * 1000


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    run(measure, size="contacts", default=100_000, about=__doc__)
