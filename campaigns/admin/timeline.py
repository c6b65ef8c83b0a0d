"""Messages, and why there was none, on a contact's timeline."""

from collections.abc import Iterator

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


def messages_of(
    request: HttpRequest, contact: Contact, window: timeline.Window
) -> Iterator[timeline.Moment]:
    """What has happened already: what waits for its hour has no moment yet."""
    if not request.user.has_perm("campaigns.view_delivery"):
        return
    happened = contact.deliveries.annotate(at=Coalesce("handed_over_at", "settled_at"))
    for delivery in window.of(happened.exclude(at=None).select_related("campaign"), "at"):
        state = delivery.get_state_display()
        said = f"{state} ({reason_text(delivery.reason)})" if delivery.reason else state
        yield timeline.Moment(
            delivery.at,
            _("message"),
            f"{delivery.campaign} · {said}",
            reverse("admin:campaigns_delivery_change", args=[delivery.pk]),
            TONES.get(State(delivery.state), ""),
        )


def hits_of(
    request: HttpRequest, contact: Contact, window: timeline.Window
) -> Iterator[timeline.Moment]:
    """What the person opened and followed, where they permit that it is counted."""
    if not request.user.has_perm("campaigns.view_delivery"):
        return
    for hit in window.of(contact.hits.select_related("campaign", "destination"), "last_at"):
        if hit.destination:
            words = _("%(campaign)s · followed %(url)s") % {
                "campaign": hit.campaign,
                "url": hit.destination,
            }
        else:
            words = _("%(campaign)s · opened") % {"campaign": hit.campaign}
        yield timeline.Moment(
            hit.last_at,
            _("measured"),
            words,
            reverse("admin:campaigns_campaign_result", args=[hit.campaign_id]),
        )


timeline.register(messages_of)
timeline.register(hits_of)
