"""How long each page of the admin takes over a large audience.

    python -m tests.benchmarks.admin --contacts 1000000 [--json]

Every list, its second page, every form and every page of a campaign, as a superuser, in this process;
the better of two requests. Engines of its own in a temporary folder.
"""

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.benchmarks import stage

if TYPE_CHECKING:
    from django.test import Client

    from campaigns.models import Campaign

CAMPAIGN_PAGES = (
    "change",
    "preview",
    "audience",
    "progress",
    "counts",
    "result",
    "person",
    "schedule",
)
_SUPPRESSIONS = """
    INSERT INTO consent_suppression (channel, fingerprint, topic_id, cause, since)
    SELECT channel, fingerprint, NULL, 'listed', now() FROM contacts_address WHERE id %% 10 = 3
"""


def prepare(contacts: int) -> "Campaign":
    """People, a tenth of them suppressed, and a campaign that is sending to all of them."""
    from django.db import connection

    from campaigns import audience, tally
    from campaigns.models import Campaign
    from contacts.models import Segment
    from tests import make

    stage.people(contacts)
    with connection.cursor() as cursor:
        cursor.execute(_SUPPRESSIONS, [])
    make.wording(make.topic(), language="fr")
    Segment.objects.create(
        name="English", rule={"condition": "language", "operator": "is", "value": "en"}
    )
    campaign = stage.campaign("Large letter", "Hello")
    audience.freeze(campaign, lanes=2)
    Campaign.objects.filter(pk=campaign.pk).update(
        state="sending", send_at="2026-01-01T00:00Z", started_at="2026-01-01T00:00Z"
    )
    stage.campaign("Draft letter", "Hello")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    # As the clock does.
    tally.keep_due()
    return campaign


def addresses(campaign: "Campaign") -> dict[str, str]:
    """Every page that is measured, by a name."""
    from django.contrib import admin
    from django.urls import reverse

    from campaigns.models import Campaign
    from contacts.models import Contact

    pages = {"index": reverse("admin:index")}
    for model in admin.site._registry:
        base = f"{model._meta.app_label}_{model._meta.model_name}"
        name = f"{model._meta.app_label}.{model._meta.model_name}"
        pages[f"{name} list"] = reverse(f"admin:{base}_changelist")
        pages[f"{name} add"] = reverse(f"admin:{base}_add")
        newest = model._default_manager.order_by("-pk").first()
        if newest is not None:
            pages[f"{name} form"] = reverse(f"admin:{base}_change", args=[newest.pk])
    draft = Campaign.objects.get(state="draft")
    for which, each in (("sending", campaign), ("draft", draft)):
        for page in CAMPAIGN_PAGES:
            pages[f"{which} {page}"] = reverse(f"admin:campaigns_campaign_{page}", args=[each.pk])
    middle = Contact.objects.order_by("pk")[Contact.objects.count() // 2]
    people = reverse("admin:contacts_contact_changelist")
    deliveries = reverse("admin:campaigns_delivery_changelist")
    pages |= {
        "contacts in the middle": f"{people}?older_than={middle.pk}",
        "contacts by pseudonym": f"{people}?q={middle.subject}",
        "contacts by stage": f"{people}?lifecycle__exact=customer",
        "deliveries of a campaign": f"{deliveries}?campaign__id__exact={campaign.pk}",
        "deliveries withheld": f"{deliveries}?state__exact=withheld",
        "people withheld": f"{pages['sending audience']}?reason=suppressed",
        "people of a draft": f"{pages['draft audience']}?reason=suppressed",
    }
    return pages


def timed(client: "Client", address: str) -> tuple[float, int]:
    began = time.perf_counter()
    answer = client.get(address)
    return time.perf_counter() - began, answer.status_code


def measure(contacts: int) -> dict[str, Any]:
    """`pages`: seconds by page; pages that refuse (nothing can be added or moved) are left out."""
    from django.test import Client

    from tests import make

    logging.getLogger("django.request").setLevel(logging.CRITICAL)
    campaign = prepare(contacts)
    client = Client(headers={"host": "localhost"})
    client.force_login(make.staff())
    pages: dict[str, float] = {}
    for name, address in addresses(campaign).items():
        first, status = timed(client, address)
        if status == 200:
            pages[name] = round(min(first, timed(client, address)[0]), 3)
        elif status not in {302, 403}:
            raise RuntimeError(f"{name}: {address} answered {status}")
    return {"contacts": contacts, "slowest_s": max(pages.values()), "pages": pages}


def said(result: Mapping[str, Any]) -> str:
    """A page each, the slowest first."""
    pages = sorted(result["pages"].items(), key=lambda entry: -entry[1])
    return "\n".join(f"{seconds:8.3f} s  {name}" for name, seconds in pages)


if __name__ == "__main__":
    stage.run(measure, size="contacts", default=1_000_000, about=__doc__, tell=said)
