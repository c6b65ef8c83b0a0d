"""Deliveries to look at: what was decided for whom, by which consent event, and what became of it."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import display

from campaigns import replies
from campaigns.models import Delivery
from campaigns.models.deliveries import DeliveryQuerySet
from consent.gate import Reason
from contacts.admin.lists import BigList, ReadOnly, number

STATE_COLORS = {
    "sent": "success",
    "delivered": "success",
    "withheld": "warning",
    "unknown": "danger",
    "failed": "danger",
    "bounced": "danger",
    "complained": "danger",
    "claimed": "info",
    "pending": "info",
}


CAMPAIGN = "campaign__id__exact"


def reason_text(reason: str) -> str:
    """A reason code in words: the gate's for those withheld, else what went wrong."""
    for words in (Reason, Delivery.Trouble):
        if reason in words.values:
            return str(words(reason).label)
    return reason


@admin.register(Delivery)
class DeliveryAdmin(ReadOnly, BigList):
    empty_text = _(
        "Once a campaign starts, each person of its audience has a line here: what became of the "
        "message, and by which consent or for which reason."
    )
    list_display = ("id", "person", "campaign", "became", "why", "consent", "handed_over_at")
    list_filter = (("state", ChoicesDropdownFilter), ("campaign", AutocompleteSelectFilter))
    list_filter_submit = True
    linked_lookups = frozenset({"reason"})
    list_select_related = ("campaign", "contact")
    fields = (
        "person",
        "campaign",
        "state",
        "why",
        "consent",
        "attempt",
        "unit",
        "due_at",
        "handed_over_at",
        "settled_at",
        "provider_id",
        "said",
    )
    readonly_fields = (*fields, "event_number")

    def get_list_display(self, request: HttpRequest) -> tuple[str, ...]:
        return _shown_to(request, self.list_display)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return _shown_to(request, self.fields)

    def get_queryset(self, request: HttpRequest) -> DeliveryQuerySet:
        """Of one campaign only its own stretch of the table is walked, however many came after it."""
        found: DeliveryQuerySet = super().get_queryset(request)
        if (chosen := number(request.GET.get(CAMPAIGN))) is not None:
            found = found.of(chosen)
        if state := request.GET.get("state__exact"):
            found = found.in_state(state)
        return found

    @display(description=_("contact"))
    def person(self, delivery: Delivery) -> str:
        url = reverse("admin:contacts_contact_change", args=[delivery.contact_id])
        return format_html('<a href="{}">{}</a>', url, delivery.contact.pseudonym)

    @display(description=_("state"), label=STATE_COLORS)
    def became(self, delivery: Delivery) -> tuple[str, str]:
        return delivery.state, delivery.get_state_display()

    @display(description=_("reason"))
    def why(self, delivery: Delivery) -> str:
        return reason_text(delivery.reason) or "-"

    @display(description=_("diagnostic"))
    def said(self, delivery: Delivery) -> str:
        return str(replies.explained(delivery.diagnostic)) or "-"

    @display(description=_("consent event"))
    def consent(self, delivery: Delivery) -> str:
        if delivery.event_id is None:
            return "-"
        url = reverse("admin:consent_consentevent_change", args=[delivery.event_id])
        return format_html('<a href="{}">#{}</a>', url, delivery.event_id)

    @display(description=_("consent event"))
    def event_number(self, delivery: Delivery) -> str:
        return f"#{delivery.event_id}" if delivery.event_id else "-"


def _shown_to(request: HttpRequest, names: tuple[str, ...]) -> tuple[str, ...]:
    """These columns; the event leads nowhere for whoever may not look at the ledger."""
    if request.user.has_perm("consent.view_consentevent"):
        return names
    return tuple("event_number" if name == "consent" else name for name in names)
