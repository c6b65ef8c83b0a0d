"""What relays, providers and mailbox owners say afterwards: delivered, bounced, complained.

It settles deliveries and may take permission away; it never gives any. Reports may come twice, late and
in any order.
"""

import logging

import redis
from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum
from django.db.models.functions import Coalesce, Now

from campaigns import message_ids
from campaigns.models import Campaign, Delivery, Lane
from campaigns.reports import Report, What, condemns
from campaigns.transports import masked
from consent import services as consent
from contacts import addresses
from contacts import services as contacts
from contacts.models import Address, Sentence

log = logging.getLogger(__name__)

State = Delivery.State
# From where a report may move a delivery on. What a lane still has in its hands may have arrived already.
_UNDER_WAY = frozenset({State.SENT, State.UNKNOWN, State.CLAIMED, State.PENDING})
_FROM = {
    What.DELIVERED: _UNDER_WAY,
    What.BOUNCED: _UNDER_WAY | {State.DELIVERED},
    What.COMPLAINED: _UNDER_WAY | {State.DELIVERED, State.BOUNCED},
}
_TO = {
    What.DELIVERED: State.DELIVERED,
    What.BOUNCED: State.BOUNCED,
    What.COMPLAINED: State.COMPLAINED,
}
# Per message handed over: where this share, and no fewer than this many, came back, a campaign stops.
# Mailbox providers ask senders to stay below these shares.
LIMITS = {What.BOUNCED: (20, 0.02), What.COMPLAINED: (5, 0.001)}
_COUNTED_FOR_S = 7 * 24 * 60 * 60


def take(report: Report) -> bool:
    """Do what one report asks for; returns whether it named a delivery of ours.

    A permanent failure of the address itself marks it undeliverable. A complaint, and an unsubscription
    at the provider, take back the topic of that message, with a suppression.
    """
    delivery = _find(report)
    if delivery is None:
        return False
    with transaction.atomic():
        delivery.contact = contacts.lock(delivery.contact_id)
        has_moved = _move(delivery, report)
        _reduce(delivery, report)
    if has_moved and report.what in LIMITS:
        _watch(delivery.campaign, report.what)
    return True


def condemn(delivery_ids: list[int]) -> None:
    """The relay refused these at once, because their address does not exist."""
    for address in Address.objects.filter(
        pk__in=Delivery.objects.filter(pk__in=delivery_ids).values("address")
    ):
        contacts.mark_undeliverable(address=address)


def count_anew(campaign: Campaign) -> None:
    """Somebody looked at what came back and goes on: only what comes back from now on stops it again."""
    keys = [_counted_in(campaign, what) for what in LIMITS]
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5) as counts:
            counts.delete(*keys)
    except redis.RedisError as error:
        log.warning("reports about campaign %s are counted on: %s", campaign.pk, error)


def _counted_in(campaign: Campaign, what: What) -> str:
    return f"assent:feedback:{campaign.pk}:{what}"


def _find(report: Report) -> Delivery | None:
    """By our own Message-ID, else by the provider's id among the messages to this recipient."""
    deliveries = Delivery.objects.select_related("campaign__topic", "contact", "address")
    for said in (report.message_id, report.provider_id):
        if (delivery_id := message_ids.read(said)) is not None:
            return deliveries.filter(pk=delivery_id, attempt__gt=0).first()
    if not report.provider_id or not (fingerprint := _fingerprint(report.recipient)):
        return None
    return deliveries.filter(
        contact__in=Address.objects.filter(fingerprint=fingerprint).values("contact"),
        provider_id__in={report.provider_id, report.provider_id.strip("<>")},
        attempt__gt=0,
    ).first()


def _fingerprint(recipient: str) -> bytes:
    try:
        return addresses.fingerprint(addresses.normalize("email", recipient))
    except addresses.AddressError:
        return b""


def _move(delivery: Delivery, report: Report) -> bool:
    """Settle the delivery; False where it was settled so, or further, before."""
    if report.what not in _TO:
        return False
    # The words of a relay can lead to an address: of somebody erased, only the code is kept.
    words = "" if delivery.contact.erased_at else report.words
    said = masked(f"{report.status} {words}".strip(), report.recipient)
    moved = Delivery.objects.filter(
        pk=delivery.pk, attempt__gt=0, state__in=_FROM[report.what]
    ).update(
        state=_TO[report.what],
        reason="",
        due_at=None,
        diagnostic=said if report.what is not What.DELIVERED else F("diagnostic"),
        handed_over_at=Coalesce("handed_over_at", Now()),
        settled_at=Now(),
    )
    return bool(moved)


def _reduce(delivery: Delivery, report: Report) -> None:
    """What follows for the person: never more than they allow now."""
    contact, address = delivery.contact, delivery.address
    if contact.erased_at:
        return
    match report.what:
        case What.BOUNCED if condemns(report.status) and address and _is_to(report, address):
            contacts.mark_undeliverable(address=address)
        case What.COMPLAINED:
            consent.record_complaint(
                contact=contact,
                topic=delivery.campaign.topic,
                channel=delivery.campaign.channel,
                address=address,
                details={"message": str(delivery.pk), "report": report.source},
            )
        case What.UNSUBSCRIBED:
            consent.record_unsubscription(
                contact=contact,
                topic=delivery.campaign.topic,
                channel=delivery.campaign.channel,
                details={"message": str(delivery.pk), "report": report.source},
            )


def _is_to(report: Report, address: Address) -> bool:
    """Whether it is this address that failed, and not one that the person has mail forwarded to."""
    if not report.recipient or address.fingerprint is None:
        return not report.recipient
    return _fingerprint(report.recipient) == bytes(address.fingerprint)


def _watch(campaign: Campaign, what: What) -> None:
    """Stop a campaign that comes back too often, with the reason.

    The count stands in Redis, shared by all hosts; losing it delays the pause and nothing else.
    """
    key = _counted_in(campaign, what)
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5) as counts:
            count = int(counts.incr(key))
            counts.expire(key, _COUNTED_FOR_S)
    except redis.RedisError as error:
        log.warning("reports about campaign %s are not counted: %s", campaign.pk, error)
        return
    least, share = LIMITS[what]
    if count >= least and count > share * _handed_over(campaign):
        _pause(campaign, what, count)


def _handed_over(campaign: Campaign) -> int:
    """How many messages went out, as far as the lanes have come."""
    lanes = Lane.objects.filter(campaign=campaign)
    return int(lanes.aggregate(walked=Sum(F("walked") - F("after")))["walked"] or 0)


def _pause(campaign: Campaign, what: What, count: int) -> None:
    reason = (
        Sentence("%(count)d people reported this as unwanted: look at who gets it, and why.")
        if what is What.COMPLAINED
        else Sentence("%(count)d messages came back: look at what the mail servers say.")
    ) % {"count": count}
    moved = Campaign.objects.filter(pk=campaign.pk, state=Campaign.State.SENDING).update(
        state=Campaign.State.PAUSED, state_reason=reason
    )
    if moved:
        log.warning("campaign %s paused: %s %s reports", campaign.pk, count, what)
