"""How long each page of the admin takes over a large audience.

    python -m tests.benchmarks.admin --contacts 1000000 [--json]

Every page that `tests.pages` finds: lists with each filter and search and their further pages, forms, and the
pages beside them, as a superuser, in this process; the better of two requests. Engines of its own in a
temporary folder.
"""

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.benchmarks import stage

if TYPE_CHECKING:
    from django.test import Client

    from tests.pages import Page

# A tenth is suppressed; a tenth more of each gets a row of everything that grows with the audience.
_BESIDE = """
    INSERT INTO consent_suppression (channel, fingerprint, topic_id, cause, since)
    SELECT channel, fingerprint, NULL, 'listed', now() FROM contacts_address WHERE id % 10 = 3;
    INSERT INTO consent_servicemail (contact_id, purpose, language, details, attempts, sent_at)
    SELECT id, 'receipt', 'en', '{}', 1, now() FROM contacts_contact WHERE id % 10 = 4;
    INSERT INTO contacts_subjectrequest (
        contact_id, kind, state, due_at, how, outcome, extended_because, manifest, settled_at)
    SELECT id, 'access', 'done', now(), '""', '"Sent"', '', '{}', now() FROM contacts_contact
    WHERE id % 10 = 5;
    INSERT INTO contacts_identityview (contact_id, people, reason)
    SELECT id, 1, 'They asked by phone' FROM contacts_contact WHERE id % 10 = 6;
    INSERT INTO config_auditentry (action, object_type, object_id, part, details, door)
    SELECT 'viewed', 'contacts.contact', id, '', '{}', '/admin/' FROM contacts_contact
    WHERE id % 10 = 7;
    INSERT INTO consent_refusedrow (batch_id, line, row, reason)
    SELECT b.id, c.id, '{}', '"No address"' FROM consent_importbatch b, contacts_contact c
    WHERE c.id % 10 = 8;
"""


def prepare(contacts: int) -> None:
    """People, what grows with them, and campaigns in every state; one went to all, one goes to all."""
    from django.db import connection

    from campaigns import audience, figures, tally
    from campaigns.models import Campaign
    from consent.models import ImportBatch
    from contacts.models import Segment
    from tests import make, pages

    stage.people(contacts)
    ImportBatch.objects.create(name="fair.csv", file_digest="b" * 64, state="finished")
    with connection.cursor() as cursor:
        cursor.execute(_BESIDE)
    make.wording(make.topic(), language="fr")
    Segment.objects.create(
        name="English", rule={"condition": "language", "operator": "is", "value": "en"}
    )
    for state in ("sent", "sending", "draft", "scheduled", "paused", "held"):
        campaign = stage.campaign(f"Letter {state}", "Hello")
        moment = None if state == "draft" else "2026-01-01T00:00Z"
        started = moment if state in {"sent", "sending", "paused"} else None
        if state in {"sent", "sending"}:
            audience.freeze(campaign, lanes=2)
        Campaign.objects.filter(pk=campaign.pk).update(
            state=state, send_at=moment, started_at=started
        )
    pages.furnish()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    # As the clock does.
    tally.keep_due()
    figures.count()


def timed(client: "Client", page: "Page") -> tuple[float, int]:
    began = time.perf_counter()
    answer = page.ask(client)
    return time.perf_counter() - began, answer.status_code


def count_what_waits(client: "Client", everything: "list[Page]") -> None:
    """As staff do: press where a page says that nobody counted yet, and let a worker count."""
    from contacts import counting
    from tests import pages

    for page in everything:
        for kind, about in pages.asks_to_count(page.ask(client)):
            counting.ask(kind, about)
    counting.work()


def measure(contacts: int) -> dict[str, Any]:
    """`pages`: seconds by page; pages that refuse (nothing can be added or moved) are left out."""
    from django.test import Client

    from tests import make, pages

    logging.getLogger("django.request").setLevel(logging.CRITICAL)
    prepare(contacts)
    client = Client(headers={"host": "localhost"})
    client.force_login(make.staff())
    everything = pages.pages()
    count_what_waits(client, everything)
    seconds: dict[str, float] = {}
    for page in everything:
        first, status = timed(client, page)
        if status == 200:
            seconds[page.name] = round(min(first, timed(client, page)[0]), 3)
        elif status not in {302, 403, 404}:
            raise RuntimeError(f"{page.name}: {page.address} answered {status}")
    return {"contacts": contacts, "slowest_s": max(seconds.values()), "pages": seconds}


def said(result: Mapping[str, Any]) -> str:
    """A page each, the slowest first."""
    pages = sorted(result["pages"].items(), key=lambda entry: -entry[1])
    return "\n".join(f"{seconds:8.3f} s  {name}" for name, seconds in pages)


if __name__ == "__main__":
    stage.run(measure, size="contacts", default=1_000_000, about=__doc__, tell=said)
