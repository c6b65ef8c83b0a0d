"""Counts what people open and click, of those only who permit it at that very moment.

A hit is the one thing that a GET may write down. Nothing of the request is kept: neither address nor browser.
"""

import time
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from campaigns.letters import Letters
from campaigns.models import Campaign, Delivery, Destination, Hit
from campaigns.models.hits import HitQuerySet
from consent import gate, links
from consent.models import Permission, Topic
from contacts import segments
from contacts.holders import Cause, Overdue
from contacts.models import Channel, Contact

# A reader never waits for a row that somebody else holds.
LOCK_PATIENCE = "300ms"
BATCH = 5000
_MAY = f"""
    FROM campaigns_delivery d
    JOIN contacts_contact who ON who.id = d.contact_id
    JOIN consent_topic use ON use.covers_measurement AND use.status = 'published'
    WHERE d.id = %(delivery)s AND d.campaign_id = %(campaign)s AND d.is_measured
      AND {gate.permits(contact="d.contact_id", topic="use.id")}
"""
# The person's lock, as every act of consent takes it: of a hit and a withdrawal one comes first, and the
# withdrawal that comes second erases the hit. Who does not permit it is not even locked.
_LOCK = f"SELECT d.id {_MAY} FOR NO KEY UPDATE OF who"
_NOTE = f"""
    WITH permitted AS (SELECT d.id, d.contact_id {_MAY}),
    noted AS (
        INSERT INTO campaigns_hit
            (delivery_id, campaign_id, contact_id, destination_id, first_at, last_at, times)
        SELECT id, %(campaign)s, contact_id, %(destination)s, now(), now(), 1 FROM permitted
        ON CONFLICT (delivery_id, destination_id) DO UPDATE
        SET last_at = now(), times = least(campaigns_hit.times + 1, 1000000)
    )
    UPDATE contacts_contact SET last_active_at = now()
    WHERE %(destination)s::bigint IS NOT NULL AND id IN (SELECT contact_id FROM permitted)
"""


def write_down(campaign: Campaign) -> None:
    """Keep where the links of a campaign lead, as it starts: from then on, they lead nowhere else.

    Raises `ContentError`.
    """
    Destination.objects.bulk_create(
        Destination(campaign=campaign, number=number, url=url)
        for number, url in enumerate(Letters(campaign).destinations(), start=1)
    )


def destination_of(hit: links.Hit, number: int) -> Destination | None:
    """Where a link leads; it still does when its time to be counted is over, and for everybody."""
    return Destination.objects.filter(campaign=hit.campaign, number=number).first()


def note(hit: links.Hit, destination: Destination | None) -> bool:
    """Count an opening, or with a destination a click, if the person permits it now; whether it was.

    A click is a sign of life, an opening is none: mail programs open messages by themselves.
    """
    if hit.until < time.time():
        return False
    parameters = {
        "delivery": hit.delivery,
        "campaign": hit.campaign,
        "destination": destination.pk if destination else None,
        "soft_opt_in": bool(settings.SOFT_OPT_IN_REASON),
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_PATIENCE}'")
        cursor.execute(_LOCK, parameters)
        if not cursor.fetchone():
            return False
        cursor.execute(_NOTE, parameters)
    return True


def permitting() -> QuerySet[Permission]:
    """The permissions to measure that stand; none of them by a topic that was retired."""
    return _standing().filter(topic__in=Topic.objects.measuring())


def usable() -> Q:
    """Of whom what was measured may be used now: not by a topic that was retired, and of nobody who asked
    for restricted processing (GDPR art. 18)."""
    topic_id = Topic.objects.measuring().values_list("pk", flat=True).first()
    return Q(restricted_at=None) & segments.has(_standing().filter(topic=topic_id))


def _standing() -> QuerySet[Permission]:
    granted = Permission.objects.granted().filter(channel=Channel.DATA)
    return granted.filter(Q(valid_until=None) | Q(valid_until__gt=Now()))


def forget_unpermitted(contact: Contact) -> None:
    """Erase what was measured of a person who does not permit it any more; see `consent.uses`."""
    if not permitting().filter(contact=contact).exists():
        forget(contact)


def forget_all_unpermitted() -> None:
    """The same for everybody."""
    _forget_all(_unpermitted())


def _unpermitted() -> HitQuerySet:
    return Hit.objects.filter(~Exists(permitting().filter(contact=OuterRef("contact"))))


def overdue() -> list[Overdue]:
    """For the job of retention: hits kept long enough, and those of people who do not permit them now."""
    old = Hit.objects.filter(last_at__lt=Now() - timedelta(days=settings.MEASUREMENT_DAYS))
    unpermitted = _unpermitted()
    label = _("What people opened and clicked")
    return [
        Overdue("hits", label, Cause.EXPIRED, partial(_people, old), partial(_erase, old)),
        Overdue(
            "hits",
            label,
            Cause.NOT_PERMITTED,
            partial(_people, unpermitted),
            partial(_forget_all, unpermitted),
        ),
    ]


def _people(hits: HitQuerySet) -> int:
    return hits.values("contact").distinct().count()


def _erase(hits: HitQuerySet) -> int:
    """In small statements, so that no hit waits for a large one."""
    people = _people(hits)
    while batch := list(hits.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        Hit.objects.filter(pk__in=batch).delete()
    return people


def _forget_all(hits: HitQuerySet) -> int:
    """As their own withdrawal would, some people at once: an import or the calendar ended the permission."""
    people = 0
    contacts = hits.order_by("contact").values_list("contact", flat=True).distinct()
    while batch := list(contacts[:BATCH]):
        with transaction.atomic():
            _forget(batch)
        people += len(batch)
    return people


def forget(contact: Contact) -> int:
    """Erase what was measured of a person; they leave the figures. Returns how many hits there were."""
    return _forget([contact.pk])


def _forget(contacts: list[int]) -> int:
    Delivery.objects.filter(contact__in=contacts, is_measured=True).update(is_measured=False)
    return Hit.objects.filter(contact__in=contacts).delete()[0]
