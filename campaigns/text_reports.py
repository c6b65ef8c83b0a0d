"""Settles deliveries by what the gateway reports of its texts: twice, late, or before our own record."""

from django.db.models import Q
from django.db.models.functions import Now

from campaigns.models import Delivery
from campaigns.replies import gateway_code
from contacts import services as contacts

State = Delivery.State

ARRIVED = frozenset({"delivered", "read"})
TAKEN = frozenset({"accepted", "queued", "sending", "sent"})
REFUSED = frozenset({"failed", "canceled"})
NOT_ARRIVED = frozenset({"undelivered"})
# https://www.twilio.com/docs/api/errors: there is no such phone, or none that texts reach.
NO_PHONE = frozenset({"30005", "30006"})


def settle(*, delivery_id: int, provider_id: str, status: str, code: str = "") -> bool:
    """Take one report into account; False where it says nothing new.

    It counts for the hand-over that it is about: one whose id is known, or whose outcome is not.
    """
    about = Delivery.objects.filter(
        Q(provider_id=provider_id) | Q(provider_id=""), pk=delivery_id, attempt__gt=0
    )
    settled = {"settled_at": Now(), "provider_id": provider_id[:255]}
    if status in ARRIVED:
        # Also where it was to be sent again: it has arrived.
        waiting = about.filter(state__in=[State.SENT, State.UNKNOWN, State.CLAIMED, State.PENDING])
        return bool(waiting.update(state=State.DELIVERED, reason="", due_at=None, **settled))
    if status in TAKEN:
        unknown = about.filter(state=State.UNKNOWN)
        return bool(unknown.update(state=State.SENT, reason="", handed_over_at=Now(), **settled))
    if status not in REFUSED | NOT_ARRIVED:
        return False
    state = State.FAILED if status in REFUSED else State.BOUNCED
    moved = about.filter(state__in=[State.SENT, State.UNKNOWN, State.CLAIMED]).update(
        state=state,
        reason=Delivery.Trouble.REFUSED,
        diagnostic=gateway_code(int(code)) if code.isdigit() else "",
        **settled,
    )
    if moved and code in NO_PHONE:
        _mark_undeliverable(delivery_id)
    return bool(moved)


def _mark_undeliverable(delivery_id: int) -> None:
    address = Delivery.objects.select_related("address").get(pk=delivery_id).address
    if address and address.retired_at is None:
        contacts.mark_undeliverable(address=address)
