"""Who will get a campaign and who will not, by reason, and the people behind each; later, who did."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import ModelAdmin
from django.db import OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse

from campaigns import audience, tally
from campaigns.admin import workspace
from campaigns.admin.deliveries import reason_text
from campaigns.models import Campaign, Delivery
from contacts.admin.lists import OLDER, number
from contacts.admin.names import address_of, may_see_identity, name_of
from contacts.models import Channel, Contact

PER_PAGE = 50
AT_ONCE_MS = 150


@dataclass(frozen=True, slots=True)
class Share:
    """How many share one answer: `reason` is empty for those who get it."""

    reason: str
    words: str
    count: int
    percent: float


def is_frozen(campaign: Campaign) -> bool:
    """Whether the audience was written down: from the start on, the page shows what really happened."""
    return campaign.started_at is not None


def show_audience(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    campaign = workspace.load(model_admin, request, object_id, workspace.VIEW)
    is_patient = "patient" in request.GET
    shares = shares_of(campaign) if is_patient else shares_at_once(campaign)
    chosen = request.GET.get("reason")
    people: list[int] = []
    cursor = None
    if chosen is not None and request.user.has_perm("contacts.view_contact"):
        people, cursor = _people(campaign, chosen, before=number(request.GET.get(OLDER)))
    return workspace.show(
        model_admin,
        request,
        campaign,
        "admin/campaigns/audience.html",
        title=campaign.name,
        is_frozen=is_frozen(campaign),
        outcomes=_outcomes(campaign) if is_frozen(campaign) else [],
        counted_at=tally.age(campaign),
        **figures(shares),
        chosen=chosen,
        chosen_words=reason_text(chosen) if chosen else "",
        rows=_rows(request, people),
        older=f"{OLDER}={cursor}" if cursor else "",
    )


def figures(shares: list[Share] | None) -> dict[str, Any]:
    """What the templates show of the shares; nothing but `is_counting` where they are not counted yet."""
    if shares is None:
        return {"is_counting": True}
    return {
        "will": sum(share.count for share in shares if not share.reason),
        "not_sent": sum(share.count for share in shares if share.reason),
        "will_not": [share for share in shares if share.reason],
        "total": sum(share.count for share in shares),
    }


def shares_at_once(campaign: Campaign) -> list[Share] | None:
    """As `shares_of`, or None where it takes too long for a page: then the page asks again by itself."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {AT_ONCE_MS}")
            return shares_of(campaign)
    except OperationalError:
        return None


def shares_of(campaign: Campaign) -> list[Share]:
    counts = (
        _frozen_counts(campaign) if is_frozen(campaign) else audience.preview_audience(campaign)
    )
    total = sum(count for _reason, count in counts) or 1
    return [
        Share(reason, reason_text(reason), count, round(100 * count / total, 1))
        for reason, count in counts
    ]


def _frozen_counts(campaign: Campaign) -> list[tuple[str, int]]:
    counts: Counter[str] = Counter()
    for _state, reason, count, _recent in tally.count(campaign).rows:
        counts[reason] += count
    return sorted(counts.items(), key=lambda entry: (entry[0] != "", -entry[1], entry[0]))


def _outcomes(campaign: Campaign) -> list[Share]:
    """What became of all who were in the segments, by the state of their delivery."""
    states: dict[str, int] = {}
    for state, _reason, count, _recent in tally.count(campaign).rows:
        states[state] = states.get(state, 0) + count
    total = sum(states.values()) or 1
    return [
        Share(state, str(label), states[state], round(100 * states[state] / total, 1))
        for state, label in Delivery.State.choices
        if states.get(state)
    ]


def _people(campaign: Campaign, reason: str, *, before: int | None) -> tuple[list[int], int | None]:
    """The contacts behind a reason, newest first, and the cursor of the next page if there is one.

    The cursor is the contact's key while it is a draft, and the delivery's from the start on.
    """
    if not is_frozen(campaign):
        found = audience.people(campaign, reason, before=before, limit=PER_PAGE + 1)
        keyed = [(contact, contact) for contact in found]
    else:
        deliveries = campaign.deliveries.filter(reason=reason)
        if before is not None:
            deliveries = deliveries.filter(pk__lt=before)
        keyed = list(deliveries.order_by("-pk").values_list("pk", "contact")[: PER_PAGE + 1])
    page = keyed[:PER_PAGE]
    return [contact for _key, contact in page], page[-1][0] if len(keyed) > PER_PAGE else None


def _rows(request: HttpRequest, people: list[int]) -> list[dict[str, Any]]:
    known = Contact.objects.select_related("identity").defer("attributes").in_bulk(people)
    return [_row(known[pk], is_clear=may_see_identity(request, pk)) for pk in people]


def _row(contact: Contact, *, is_clear: bool) -> dict[str, Any]:
    return {
        "contact": contact,
        "name": name_of(contact, is_clear=is_clear),
        "address": address_of(contact, Channel.EMAIL, is_clear=is_clear),
    }
