"""Who gets a campaign and, for everybody else it is meant for, the reason why not.

The preview and the freeze ask the same question of the gate. Neither reads the vault.
"""

import hashlib
import json
from itertools import chain
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from campaigns.models import Campaign
from consent import judging
from contacts import counting, segments
from contacts.models import Contact, Segment

# Zone names that PostgreSQL does not know would end the statement. OFFSET 0: each is judged once.
_FREEZE = """
    WITH zones AS MATERIALIZED (SELECT name FROM pg_timezone_names WHERE %(is_local)s)
    INSERT INTO campaigns_delivery (
        campaign_id, contact_id, state, reason, event_id, address_id, attempt, due_at, settled_at,
        provider_id, diagnostic
    )
    SELECT %(campaign)s, contact_id, CASE WHEN reason IS NULL THEN 'pending' ELSE 'withheld' END,
        coalesce(reason, ''), event_id, address_id, 0,
        CASE WHEN reason IS NULL AND %(is_local)s THEN
            (%(send_at)s AT TIME ZONE %(zone)s) AT TIME ZONE coalesce(zones.name, %(zone)s)
        END,
        CASE WHEN reason IS NOT NULL THEN now() END, '', ''
    FROM ({judged} OFFSET 0) judged LEFT JOIN zones ON zones.name = judged.timezone
    ORDER BY contact_id
"""
_LANES = """
    INSERT INTO campaigns_lane (campaign_id, number, after, until, walked)
    SELECT %(campaign)s, number, first + number * share - 1,
        least(first + (number + 1) * share - 1, last), first + number * share - 1
    FROM (
        SELECT min(id) AS first, max(id) AS last,
            (max(id) - min(id)) / %(lanes)s + 1 AS share
        FROM campaigns_delivery WHERE campaign_id = %(campaign)s
    ) bounds, generate_series(0, %(lanes)s - 1) AS number
    WHERE first + number * share <= last
"""


_PEOPLE = """
    SELECT contact_id FROM ({judged} OFFSET 0) judged WHERE coalesce(reason, '') = %(reason)s
    ORDER BY contact_id DESC LIMIT %(limit)s
"""
KIND = "audience"
# How many people one page looks at for those behind a reason.
WINDOW = 5_000


class Unreadable(NamedTuple):
    """A segment by name, and why its rule cannot be read."""

    segment: str
    why: str

    def __str__(self) -> str:
        return _("The segment “%(segment)s” cannot be read: %(why)s") % self._asdict()


def candidates(campaign: Campaign) -> QuerySet[Contact]:
    """Everybody the campaign is meant for, permitted or not; see `unreadable`."""
    among, without = _chosen(campaign)
    return segments.chosen(
        among=[segment.rule for segment in among], without=[segment.rule for segment in without]
    )


def unreadable(campaign: Campaign) -> list[Unreadable]:
    """The segments of the campaign whose rule asks for what is gone by now."""
    found = []
    chosen = [segment for segment in chain(*_chosen(campaign)) if segment.rule]
    conditions = segments.known() if chosen else {}
    for segment in chosen:
        try:
            segments.validate(segment.rule, conditions)
        except segments.RuleError as error:
            found.append(Unreadable(segment.name, str(error)))
    return found


def preview_audience(campaign: Campaign) -> list[tuple[str, int]]:
    """How many would get it at this moment (reason `""`), and how many not, by reason; most first."""
    return judging.counts(candidates(campaign), topic=campaign.topic, channel=campaign.channel)


def look(campaign: Campaign) -> counting.Figure:
    """`preview_audience` as fresh as a page can wait for; a change of the campaign is another count."""
    asked = [
        campaign.topic_id,
        campaign.channel,
        *(
            list(chosen.order_by("pk").values_list("rule", flat=True))
            for chosen in _chosen(campaign)
        ),
    ]
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
    return counting.look(KIND, f"{campaign.pk}:{digest[:32]}")


def count(about: str) -> list[tuple[str, int]]:
    """The counter of `look`."""
    return preview_audience(Campaign.objects.get(pk=about.partition(":")[0]))


def people(
    campaign: Campaign, reason: str, *, before: int | None = None, limit: int = 50
) -> tuple[list[int], int | None]:
    """The contacts (ids, newest first) behind one answer of the preview; `""`: who would get it.

    Looks at so many of those it is meant for as a page can wait for, `before` a contact; the second answer
    is where to go on, or None at the end.
    """
    those = candidates(campaign).order_by("-pk")
    looked_at = those.filter(pk__lt=before) if before is not None else those
    window = list(looked_at.values_list("pk", flat=True)[:WINDOW])
    judged, parameters = judging.judged_by_key(
        window, topic=campaign.topic, channel=campaign.channel
    )
    with judging.by_key() as cursor:
        cursor.execute(
            _PEOPLE.format(judged=judged), parameters | {"reason": reason, "limit": limit}
        )
        found = [contact_id for (contact_id,) in cursor.fetchall()]
    if len(found) == limit:
        return found, found[-1]
    return found, window[-1] if len(window) == WINDOW else None


@transaction.atomic
def freeze(campaign: Campaign, *, lanes: int) -> None:
    """Write one delivery per candidate, pending or withheld with the reason, and its lanes.

    Who is withheld here stays withheld. With local time each waits for the hour of `send_at` on the
    person's own clock.
    """
    judged, parameters = _judged(campaign)
    parameters |= {
        "campaign": campaign.pk,
        "lanes": lanes,
        "is_local": campaign.is_local_time,
        "send_at": campaign.send_at,
        "zone": campaign.timezone,
    }
    with connection.cursor() as cursor:
        cursor.execute(_FREEZE.format(judged=judged), parameters)
        cursor.execute(_LANES, parameters)


def _chosen(campaign: Campaign) -> "tuple[QuerySet[Segment], QuerySet[Segment]]":
    return campaign.segments.all(), campaign.excluded_segments.all()


def _judged(campaign: Campaign) -> tuple[str, dict[str, Any]]:
    return judging.judged(candidates(campaign), topic=campaign.topic, channel=campaign.channel)
