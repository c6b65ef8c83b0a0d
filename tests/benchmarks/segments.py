"""How long counting a segment takes, and splitting it into who may be mailed and who not, because …

    python -m tests.benchmarks.segments --contacts 1000000 [--json]

The rule: plan is pro (30 %), age over 40 (66 %), created in the last 30 days (33 %). Engines of its own in
a temporary folder.
"""

import time
from collections.abc import Callable

from tests.benchmarks.stage import run

RULE = {
    "all": [
        {"condition": "field.plan", "operator": "is", "value": "pro"},
        {"condition": "field.age", "operator": "more_than", "value": 40},
        {"condition": "created", "operator": "in_the_last", "value": 30},
    ]
}
TRIES = 7

_PEOPLE = """
    INSERT INTO contacts_contact
        (subject, language, timezone, lifecycle, attributes, created_at)
    SELECT gen_random_uuid(), 'en', '', 'subscriber',
        jsonb_build_object(
            'age', 18 + (hashint8(n + 2) & 65535) * 65 / 65536,
            'city', 'City ' || n %% 1000,
            'plan', CASE WHEN (hashint8(n) & 65535) < 19661 THEN 'pro' ELSE 'free' END),
        now() - interval '90 days' * ((hashint8(n + 1) & 65535) / 65536.0)
    FROM generate_series(1, %(contacts)s) n
"""
_ADDRESSES = """
    INSERT INTO contacts_address (contact_id, channel, fingerprint, domain)
    SELECT id, 'email', sha256(int8send(id)), 'example.org' FROM contacts_contact
"""
# Of ten people seven said yes, one took it back, two were never asked.
_EVENTS = """
    INSERT INTO consent_consentevent (subject, topic_key, channel, kind, basis, method, actor_role,
        actor, commitment)
    SELECT subject, 'product-news', 'email', 'given', 'consent', 'import', 'staff', '', sha256('')
    FROM contacts_contact ORDER BY id LIMIT 1
"""
_PERMISSIONS = """
    INSERT INTO consent_permission (contact_id, topic_id, channel, state, stopped, since, basis,
        method, address_id, event_id)
    SELECT a.contact_id, t.id, 'email', CASE WHEN a.contact_id %% 10 < 7 THEN 'granted' ELSE 'withdrawn' END,
        a.contact_id %% 10 = 7, now(), 'consent', 'import', a.id, e.id
    FROM contacts_address a, consent_topic t, (SELECT min(id) AS id FROM consent_consentevent) e
    WHERE a.contact_id %% 10 < 8 AND t.key = 'product-news'
"""


def prepare(contacts: int) -> None:
    """People in random order of sign-up, most with a permission; needs a stage."""
    from django.db import connection

    from contacts.models import DataField
    from tests import make

    make.topic("product-news")
    make.field("plan", DataField.Type.CHOICE, choices=["free", "pro"])
    make.field("age", DataField.Type.NUMBER)
    with connection.cursor() as cursor:
        for statement in (_PEOPLE, _ADDRESSES, _EVENTS, _PERMISSIONS):
            cursor.execute(statement, {"contacts": contacts})
        cursor.execute("VACUUM ANALYZE contacts_contact, contacts_address, consent_permission")


def measure(contacts: int) -> dict[str, float]:
    """Milliseconds, each the median of some tries, under the names the command prints."""
    from django.db import connection

    from campaigns import audience
    from consent.models import Topic
    from contacts import segments
    from contacts.models import Segment
    from tests import make

    prepare(contacts)
    campaign = make.campaign(Topic.objects.get(key="product-news"))
    campaign.segments.add(Segment.objects.create(name="Pro", rule=RULE))

    def count() -> int:
        return segments.matching(RULE).count()

    def split() -> int:
        return sum(people for _reason, people in audience.preview_audience(campaign))

    assert abs(count() / contacts - 0.30 * 0.65 * 0.333) < 0.02, count() / contacts
    assert split() == count()
    result = {"contacts": contacts, "count_ms": median_ms(count), "split_ms": median_ms(split)}
    with connection.cursor() as cursor:
        cursor.execute(
            "SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off;"
            " SET max_parallel_workers_per_gather = 0"
        )
    return result | {"seq_scan_ms": median_ms(count)}


def median_ms(act: Callable[[], object]) -> float:
    took = []
    for _try in range(TRIES):
        began = time.perf_counter()
        act()
        took.append(time.perf_counter() - began)
    return round(sorted(took)[TRIES // 2] * 1000, 1)


if __name__ == "__main__":
    run(measure, size="contacts", default=1_000_000, about=__doc__)
