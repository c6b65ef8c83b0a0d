"""Asks people to renew a yes that still stands, before silence ends it.

Nobody is asked whose yes has ended, who said no, or who wants a pause; each yes is asked about twice at
most. The mails trickle into the outbox, so that no confirmation waits behind them.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Count, Q
from django.db.models.functions import Now

from consent import gate
from consent.models import Permission, RenewalRound, ServiceMail, Topic, Wording
from consent.services import ConsentError, nudge
from contacts import counting
from contacts.models import Channel

# What may wait in the outbox at a time, and what one look at the permissions covers.
MOST_WAITING = 100
WALK = 20_000
DAYS_BEFORE = 30
PASS_EVERY = timedelta(hours=1)
REMIND_AFTER = timedelta(days=14)


class RunningAlready(ConsentError):
    """People are being asked about this topic and channel already."""


class NothingToRenewTo(ConsentError):
    """There are no published words to say yes to on this topic and channel."""


# Who is to be asked: their yes stands by consent, and ends soon or was given to older words.
# They are reached by email, whatever the channel is.
_DUE = f"""
    FROM contacts_contact c {gate.JOINS}
    JOIN contacts_address mailbox ON mailbox.contact_id = c.id AND mailbox.channel = 'email'
        AND mailbox.retired_at IS NULL AND mailbox.undeliverable_at IS NULL
    LEFT JOIN LATERAL (
        SELECT r.number, r.asked_at FROM consent_renewalrequest r
        WHERE r.event_id = p.event_id ORDER BY r.number DESC LIMIT 1
    ) asked ON true
    WHERE p.state = 'granted' AND p.basis = 'consent'
      AND CASE WHEN ({gate.REASON}) IS NULL THEN p.valid_until < now() + %(ahead)s
               ELSE ({gate.REASON}) = 'needs_renewal' END
      AND (asked.number IS NULL OR asked.number = 1 AND asked.asked_at < now() - %(remind_after)s)
"""
ASK = f"""
    WITH walked AS MATERIALIZED (
        SELECT id FROM contacts_contact WHERE id > %(after)s ORDER BY id LIMIT %(walk)s
    ), due AS MATERIALIZED (
        SELECT c.id, c.language, p.event_id, coalesce(asked.number, 0) + 1 AS number
        {_DUE} AND c.id IN (SELECT id FROM walked)
        ORDER BY c.id LIMIT %(most)s
    ), mails AS (
        INSERT INTO consent_servicemail (contact_id, purpose, language, details, attempts)
        SELECT id, 'renewal', language, jsonb_build_object('event', event_id), 0 FROM due
        RETURNING id, contact_id
    ), requests AS (
        INSERT INTO consent_renewalrequest (round_id, event_id, number, mail_id)
        SELECT %(round)s, due.event_id, due.number, mails.id
        FROM due JOIN mails ON mails.contact_id = due.id
    )
    SELECT count(*), CASE WHEN count(*) < %(most)s THEN (SELECT max(id) FROM walked) ELSE max(id) END
    FROM due
"""
PROGRESS = """
    SELECT count(*),
        count(*) FILTER (WHERE p.event_id <> r.event_id AND p.state = 'granted'),
        count(*) FILTER (WHERE p.stopped),
        count(*) FILTER (WHERE p.event_id = r.event_id AND p.state = 'granted'
            AND (p.valid_until IS NULL OR p.valid_until > now())),
        count(*) FILTER (WHERE NOT p.stopped AND (p.state = 'expired'
            OR p.state = 'granted' AND p.event_id = r.event_id AND p.valid_until <= now()))
    FROM consent_renewalrequest r
    JOIN consent_consentevent e ON e.id = r.event_id
    JOIN contacts_contact c ON c.subject = e.subject
    LEFT JOIN consent_permission p
        ON p.contact_id = c.id AND p.topic_id = %(topic)s AND p.channel = %(channel)s
    WHERE r.round_id = %(round)s AND r.number = 1
"""


def start(
    *, topic: Topic, channel: str, days_before: int, started_by_id: int | None
) -> RenewalRound:
    """Ask from now on whoever's yes ends within `days_before` days, or was given to older words.

    Raises `RunningAlready` and `NothingToRenewTo`.
    """
    if not has_words(topic=topic, channel=channel):
        raise NothingToRenewTo
    try:
        with transaction.atomic():
            order = RenewalRound.objects.create(
                topic=topic,
                channel=channel,
                days_before=days_before,
                started_by_id=started_by_id,
            )
    except IntegrityError:
        raise RunningAlready from None
    transaction.on_commit(nudge("consent.ask_to_renew"), robust=True)
    return order


def has_words(*, topic: Topic, channel: str) -> bool:
    """Whether there is something to say yes to today."""
    return Wording.objects.current().filter(topic=topic, channel=channel).exists()


def stop(*, order: RenewalRound) -> None:
    """Ask nobody further; what was asked can still be answered."""
    RenewalRound.objects.running().filter(pk=order.pk).update(stopped_at=Now())


def ask() -> int:
    """Put as many requests into the outbox as it has room for; returns how many."""
    asked = 0
    for order in RenewalRound.objects.running().filter(next_pass_at__lte=Now()).order_by("pk"):
        waiting = ServiceMail.objects.filter(
            purpose=ServiceMail.Purpose.RENEWAL, sent_at=None, given_up_at=None
        )
        room = MOST_WAITING - waiting.count()
        if room <= 0:
            break
        asked += _ask(order.pk, room)
    return asked


@transaction.atomic
def _ask(order_id: int, most: int) -> int:
    """One step of a pass; two workers at once take turns, and neither asks anybody twice."""
    order = (
        RenewalRound.objects.running()
        .select_related("topic")
        .select_for_update(of=("self",), skip_locked=True)
        .filter(pk=order_id)
        .first()
    )
    if order is None:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            ASK,
            _parameters(order.topic, order.channel, order.days_before)
            | {"round": order.pk, "after": order.walked_to, "walk": WALK, "most": most},
        )
        asked, walked_to = cursor.fetchone()
    if walked_to is None:
        order.walked_to, order.next_pass_at = 0, Now() + PASS_EVERY
    else:
        order.walked_to = walked_to
    order.save(update_fields=["walked_to", "next_pass_at"])
    if asked:
        transaction.on_commit(nudge("consent.send_service_mail"), robust=True)
    return int(asked)


def due(*, topic: Topic, channel: str, days_before: int) -> counting.Figure:
    """How many people would be asked, as fresh as a page can wait for."""
    return counting.look("renewal_due", f"{topic.pk}:{channel}:{days_before}")


def _due(about: str) -> int:
    topic_id, channel, days_before = about.split(":")
    topic = Topic.objects.get(pk=topic_id)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) {_DUE}", _parameters(topic, channel, int(days_before)))
        return int(cursor.fetchone()[0])


def _parameters(topic: Topic, channel: str, days_before: int) -> dict[str, Any]:
    return gate.parameters(topic=topic, channel=channel) | {
        "ahead": timedelta(days=days_before),
        "remind_after": REMIND_AFTER,
    }


@dataclass(frozen=True, slots=True)
class Progress:
    """How many people a round has asked, and how many of them answered or let it end."""

    asked: int
    renewed: int
    said_no: int
    waiting: int
    expired: int


def progress(order: RenewalRound) -> tuple[Progress | None, counting.Figure]:
    """How far a round has come, as fresh as a page can wait for; None where nobody counted yet."""
    figure = counting.look("renewal_progress", str(order.pk))
    return Progress(*figure.result) if figure.is_counted else None, figure


def _progress(about: str) -> list[int]:
    order = RenewalRound.objects.get(pk=about)
    with connection.cursor() as cursor:
        cursor.execute(
            PROGRESS, {"round": order.pk, "topic": order.topic_id, "channel": order.channel}
        )
        return list(cursor.fetchone())


@dataclass(frozen=True, slots=True)
class Need:
    """What stands on one topic and channel: all of it, what ends soon, and what older words gave."""

    topic: Topic
    channel: Channel
    granted: int
    ending: int
    outdated: int


def needs() -> tuple[list[Need], counting.Figure]:
    """Every published topic and channel, with how many permissions want renewal; the gate may ask fewer.

    As fresh as a page can wait for; nobody where it was not counted yet.
    """
    figure = counting.look("renewal_needs")
    counted = {(topic, channel): people for topic, channel, *people in figure.result or ()}
    return [
        Need(topic, channel, *counted.get((topic.pk, channel.value), (0, 0, 0)))
        for topic in Topic.objects.published().order_by("position", "key")
        for channel in topic.channels
    ], figure


def _needs(_about: str) -> list[list[Any]]:
    """Topic, channel, and how many permissions stand, end soon, and were given to older words."""
    soon = Now() + timedelta(days=DAYS_BEFORE)
    parts = {
        "granted": Count("pk"),
        "ending": Count("pk", filter=Q(valid_until__gt=Now(), valid_until__lt=soon)),
        "outdated": Count("pk", filter=Q(wording__in=_outdated())),
    }
    granted = Permission.objects.granted().values("topic", "channel").annotate(**parts)
    return [list(row) for row in granted.values_list("topic", "channel", *parts)]


def _outdated() -> list[int]:
    """The words that a material change of the same topic, channel and language came after."""
    newest: dict[tuple[int, str, str], int] = {}
    old: list[int] = []
    for wording in Wording.objects.published().order_by("-version"):
        key = (wording.topic_id, wording.channel, wording.language)
        if newest.get(key, 0) > wording.version:
            old.append(wording.pk)
        if wording.is_material:
            newest.setdefault(key, wording.version)
    return old


COUNTERS: dict[str, counting.Counter] = {
    "renewal_due": _due,
    "renewal_progress": _progress,
    "renewal_needs": _needs,
}
