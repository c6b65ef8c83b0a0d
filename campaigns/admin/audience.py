"""Who will get a campaign and who will not, by reason, and the people behind each; later, who did."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse

from campaigns import audience, tally
from campaigns.admin import workspace
from campaigns.admin.deliveries import reason_text
from campaigns.admin.progress import GONE, WAITING
from campaigns.models import Campaign, Delivery
from contacts.admin.lists import OLDER, number
from contacts.admin.names import address_of, may_see_identity, name_of
from contacts.models import Contact

PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class Share:
    """How many share one answer, `later` of them only since the start; those who get it have no `reason`."""

    reason: str
    words: str
    count: int
    percent: float
    later: int = 0

    @property
    def at_start(self) -> int:
        return self.count - self.later


def is_frozen(campaign: Campaign) -> bool:
    """Whether the audience was written down: from the start on, the page shows what really happened."""
    return campaign.started_at is not None


def show_audience(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    campaign = workspace.load(model_admin, request, object_id, workspace.VIEW)
    counted = tally.count(campaign) if is_frozen(campaign) else None
    chosen = request.GET.get("reason")
    people: list[int] = []
    cursor = None
    shown = _happened(counted) if counted else expected(campaign)
    can_look = "unreadable" not in shown and request.user.has_perm("contacts.view_contact")
    if chosen is not None and can_look:
        people, cursor = _people(campaign, chosen, before=number(request.GET.get(OLDER)))
    return workspace.show(
        model_admin,
        request,
        campaign,
        "admin/campaigns/audience.html",
        title=campaign.name,
        is_frozen=counted is not None,
        **shown,
        chosen=chosen,
        chosen_words=reason_text(chosen) if chosen else "",
        rows=_rows(request, people, campaign.channel),
        older=f"{OLDER}={cursor}" if cursor else "",
    )


def expected(campaign: Campaign) -> dict[str, Any]:
    """What the templates show of those who will get it; nothing but the `figure` where nobody counted yet."""
    if unreadable := audience.unreadable(campaign):
        return {"unreadable": unreadable}
    figure = audience.look(campaign)
    if not figure.is_counted:
        return {"figure": figure, "is_counting": True}
    shares = _shares({reason: (count, 0) for reason, count in figure.result})
    return {
        "figure": figure,
        "will": sum(share.count for share in shares if not share.reason),
        "not_sent": sum(share.count for share in shares if share.reason),
        "will_not": [share for share in shares if share.reason],
        "total": sum(share.count for share in shares),
    }


def _happened(counted: tally.Counted) -> dict[str, Any]:
    """What the template shows from the start on: what became of them, and the same reasons as before it."""
    states: dict[str, int] = defaultdict(int)
    reasons: dict[str, tuple[int, int]] = {}
    for row in counted.rows:
        states[row.state] += row.number
        number, later = reasons.get(row.reason, (0, 0))
        reasons[row.reason] = (number + row.number, later + row.later)
    total = sum(states.values())
    return {
        "counted_at": counted.at,
        "handed_over": sum(states[state] for state in GONE),
        "waiting": sum(states[state] for state in WAITING),
        "not_sent": states[Delivery.State.WITHHELD] + states[Delivery.State.FAILED],
        "unknown": states[Delivery.State.UNKNOWN],
        "total": total,
        "outcomes": [
            Share(state, str(label), states[state], _percent(states[state], total))
            for state, label in Delivery.State.choices
            if states.get(state)
        ],
        "will_not": [share for share in _shares(reasons) if share.reason],
        "will": reasons.get("", (0, 0))[0],
    }


def _shares(counts: Mapping[str, tuple[int, int]]) -> list[Share]:
    """Those of each reason and, of them, those since the start; who gets it first, then the most."""
    total = sum(count for count, _later in counts.values())
    shares = [
        Share(reason, reason_text(reason), count, _percent(count, total), later)
        for reason, (count, later) in counts.items()
    ]
    return sorted(shares, key=lambda share: (share.reason != "", -share.count, share.reason))


def _percent(part: int, total: int) -> float:
    return round(100 * part / total, 1) if total else 0.0


def _people(campaign: Campaign, reason: str, *, before: int | None) -> tuple[list[int], int | None]:
    """The contacts behind a reason, newest first, and the cursor of the next page if there is one.

    The cursor is the contact's key while it is a draft, and the delivery's from the start on.
    """
    if not is_frozen(campaign):
        return audience.people(campaign, reason, before=before, limit=PER_PAGE)
    # Those that have a reason are found by it.
    found = (
        Delivery.objects.filter(campaign=campaign) if reason else Delivery.objects.of(campaign.pk)
    )
    deliveries = found.filter(reason=reason)
    if before is not None:
        deliveries = deliveries.filter(pk__lt=before)
    keyed = list(deliveries.order_by("-pk").values_list("pk", "contact")[: PER_PAGE + 1])
    page = keyed[:PER_PAGE]
    return [contact for _key, contact in page], page[-1][0] if len(keyed) > PER_PAGE else None


def _rows(request: HttpRequest, people: list[int], channel: str) -> list[dict[str, Any]]:
    known = Contact.objects.select_related("identity").defer("attributes").in_bulk(people)
    return [_row(known[pk], channel, is_clear=may_see_identity(request, pk)) for pk in people]


def _row(contact: Contact, channel: str, *, is_clear: bool) -> dict[str, Any]:
    return {
        "contact": contact,
        "name": name_of(contact, is_clear=is_clear),
        "address": address_of(contact, channel, is_clear=is_clear),
    }
