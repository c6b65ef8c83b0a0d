"""What the clock does to campaigns: starts what is due, holds, sweeps what died, and ends what is done.

Every move is a conditional statement of its own, so that any number of ticks may run at once.
"""

import json
import logging
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from campaigns import approval, audience, claims, measurement
from campaigns.content import ContentError
from campaigns.models import Campaign, Lane
from campaigns.texts import letters_of
from contacts import fields
from contacts.models import Sentence

log = logging.getLogger(__name__)

BATCH = 20_000
_BEAT = """
    WITH before AS (SELECT at FROM campaigns_heartbeat WHERE name = 'tick'),
    beat AS (
        INSERT INTO campaigns_heartbeat (name, at) VALUES ('tick', now())
        ON CONFLICT (name) DO UPDATE SET at = now()
    )
    UPDATE campaigns_campaign SET state = 'held', state_reason = %(reason)s::jsonb
    WHERE state IN ('scheduled', 'sending')
      AND EXISTS (SELECT FROM before WHERE at < now() - interval '1 hour')
"""
_SWEEP = """
    WITH ended AS (
        DELETE FROM campaigns_unit WHERE lease_until < clock_timestamp() RETURNING id, deliveries
    )
    UPDATE campaigns_delivery d
    SET state = 'unknown', reason = 'stopped_working', settled_at = now()
    FROM ended, unnest(ended.deliveries) AS r (id)
    WHERE d.id = r.id AND d.unit = ended.id AND d.state = 'claimed'
"""
_WITHHOLD = """
    UPDATE campaigns_delivery SET state = 'withheld', reason = 'cancelled', due_at = NULL,
        settled_at = now()
    WHERE id IN (
        SELECT id FROM campaigns_delivery WHERE campaign_id = %(campaign)s AND state = 'pending'
        LIMIT %(batch)s FOR UPDATE SKIP LOCKED
    )
"""
_WAITING = (
    "SELECT EXISTS (SELECT FROM campaigns_delivery WHERE campaign_id = %s AND due_at IS NOT NULL)"
)
_IN_HAND = "SELECT EXISTS (SELECT FROM campaigns_unit WHERE campaign_id = %s)"
_LEFT = """
    SELECT EXISTS (
        SELECT FROM campaigns_delivery WHERE campaign_id = %s AND state IN ('pending', 'claimed')
    )
"""


class LaneNumber(NamedTuple):
    campaign_id: int
    number: int


def beat() -> None:
    """Say that the clock is alive; after an hour's silence hold everything until ops have looked."""
    reason = Sentence(
        "Nothing was started for over an hour: was a backup restored? Check, then release."
    )
    with connection.cursor() as cursor:
        cursor.execute(_BEAT, {"reason": json.dumps(reason.stored())})
        if cursor.rowcount:
            log.warning("%s campaigns held after a silence", cursor.rowcount)


def sweep() -> int:
    """What was claimed by a worker that died becomes unknown; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(_SWEEP)
        if cursor.rowcount:
            log.warning("%s deliveries are unknown: their worker ended", cursor.rowcount)
        return int(cursor.rowcount)


def start_due() -> None:
    """Start every campaign whose moment has come; one that is too late, or broken, is held."""
    due = Campaign.objects.due().order_by("send_at", "pk")
    for campaign_id in due.values_list("pk", flat=True):
        try:
            start(campaign_id)
        except Exception:
            # Whatever is the matter with one, the others start.
            log.exception("campaign %s cannot be started", campaign_id)


@transaction.atomic
def start(campaign_id: int) -> None:
    """Freeze the audience and open the lanes of one due campaign; nothing where another tick does."""
    campaign = (
        Campaign.objects.due()
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("topic", "sender")
        .filter(pk=campaign_id)
        .first()
    )
    if campaign is None:
        return
    if problem := _problem(campaign, is_late=_is_late(campaign)) or _freeze(campaign):
        _move(campaign, state=Campaign.State.HELD, state_reason=problem)
        log.warning("campaign %s held: %s", campaign.pk, problem)
        return
    if campaign.is_measured:
        measurement.write_down(campaign)
    _move(
        campaign,
        state=Campaign.State.SENDING,
        state_reason="",
        started_at=Now(),
        started_digest=approval.message_digest(campaign),
    )


def _freeze(campaign: Campaign) -> Sentence | str:
    """Write the audience down; nothing of it stays where a list changed since it was looked at."""
    before = transaction.savepoint()
    audience.freeze(campaign, lanes=settings.DELIVERY_LANES)
    if problem := _unapproved(campaign):
        transaction.savepoint_rollback(before)
    return problem


def _problem(campaign: Campaign, *, is_late: bool) -> Sentence | str:
    if is_late:
        return Sentence("The latest start had passed when it could have started.")
    if problem := _unapproved(campaign):
        return problem
    if unreadable := audience.unreadable(campaign):
        words = Sentence("The segment “%s” asks for what is gone: mend it, then release this.")
        return words % unreadable[0].segment
    try:
        fields.note_use_in_template(letters_of(campaign).prepare())
    except ContentError as error:
        return Sentence.of(error)
    return ""


def _unapproved(campaign: Campaign) -> Sentence | str:
    if settings.CAMPAIGN_NEEDS_APPROVAL and not approval.stands(campaign):
        return Sentence(
            "It is no longer what was approved: have it approved again, then release it."
        )
    return ""


def _is_late(campaign: Campaign) -> bool:
    return Campaign.objects.filter(pk=campaign.pk, latest_start_at__lt=Now()).exists()


def _move(campaign: Campaign, **fields: object) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(**fields)


def open_lanes() -> list[LaneNumber]:
    """The lanes of sending campaigns that nobody works at and that may have something to do."""
    held = claims.held_locks()
    lanes = Lane.objects.filter(campaign__state=Campaign.State.SENDING).order_by(
        "campaign", "number"
    )
    waiting: dict[int, bool] = {}
    found = []
    for campaign_id, number, is_walked in lanes.annotate(
        is_walked=Q(walked__gte=F("until"))
    ).values_list("campaign_id", "number", "is_walked"):
        if claims.lock_key(campaign_id, number) in held:
            continue
        if is_walked and campaign_id not in waiting:
            waiting[campaign_id] = _is_due(campaign_id)
        if not is_walked or waiting[campaign_id]:
            found.append(LaneNumber(campaign_id, number))
    return found


def _is_due(campaign_id: int) -> bool:
    return _ask(f"{_WAITING[:-1]} AND due_at <= now())", campaign_id)


def end_done() -> None:
    """End what has nothing left: the deliveries say so, not the lanes."""
    for campaign in Campaign.objects.filter(state=Campaign.State.CANCELLED, finished_at=None):
        _end_cancelled(campaign)
    walked = Campaign.objects.filter(state=Campaign.State.SENDING).exclude(
        lanes__walked__lt=F("lanes__until")
    )
    for campaign in walked:
        if not _ask(_WAITING, campaign.pk) and not _ask(_IN_HAND, campaign.pk):
            _end_walked(campaign)


@transaction.atomic
def _end_walked(campaign: Campaign) -> None:
    """End it while nobody can send what is unknown again."""
    sending = Campaign.objects.filter(pk=campaign.pk, state=Campaign.State.SENDING)
    if not sending.select_for_update(skip_locked=True).exists():
        return
    if _ask(_LEFT, campaign.pk):
        # Somebody else had locked a row when the lane came by.
        Lane.objects.filter(campaign=campaign).update(walked=F("after"))
    else:
        _move(campaign, state=Campaign.State.SENT, finished_at=Now())


def _end_cancelled(campaign: Campaign) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_WITHHOLD, {"campaign": campaign.pk, "batch": BATCH})
        while cursor.rowcount == BATCH:
            cursor.execute(_WITHHOLD, {"campaign": campaign.pk, "batch": BATCH})
    if not _ask(_IN_HAND, campaign.pk) and not _ask(_LEFT, campaign.pk):
        Campaign.objects.filter(pk=campaign.pk, finished_at=None).update(finished_at=Now())


def _ask(question: str, campaign_id: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(question, [campaign_id])
        return bool(cursor.fetchone()[0])
