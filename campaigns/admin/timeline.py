"""Messages, and why there was none, on a contact's timeline."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from campaigns.admin.deliveries import reason_text
from campaigns.models import Delivery
from contacts.admin import timeline
from contacts.models import Contact

State = Delivery.State
TONES = {State.SENT: "good", State.DELIVERED: "good", State.WITHHELD: "warn", State.FAILED: "bad"}
TONES |= {State.BOUNCED: "bad", State.COMPLAINED: "bad", State.UNKNOWN: "bad"}


def messages_of(request: HttpRequest, contact: Contact, most: int) -> Iterator[timeline.Moment]:
    """What has happened already: what waits for its hour has no moment yet."""
    if not request.user.has_perm("campaigns.view_delivery"):
        return
    happened = contact.deliveries.annotate(at=Coalesce("handed_over_at", "settled_at"))
    found: Iterable[Any] = (
        happened.exclude(at=None).select_related("campaign").order_by("-id")[:most]
    )
    for delivery in found:
        state = delivery.get_state_display()
        said = f"{state} ({reason_text(delivery.reason)})" if delivery.reason else state
        yield timeline.Moment(
            delivery.at,
            _("message"),
            f"{delivery.campaign} · {said}",
            reverse("admin:campaigns_delivery_change", args=[delivery.pk]),
            TONES.get(State(delivery.state), ""),
        )


timeline.register(messages_of)
