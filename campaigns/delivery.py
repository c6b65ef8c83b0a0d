"""Works at a lane: claim, commit, look again, hand over, record; one unit after another.

PostgreSQL is the truth. A lane can be started twice, late or never; killed at any moment, it leaves at most
one unit whose outcome is unknown. A lane that loses the database keeps its results and records them later.
"""

import contextlib
import logging
import time
import uuid
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import psycopg
import redis
from django.conf import settings
from django.db import DatabaseError

from campaigns import approval, claims, feedback, message_ids, quiet, replies, stopping, throttle
from campaigns.claims import Claimed, LaneTaken, Records, Session
from campaigns.content import ContentError
from campaigns.models import Campaign, Delivery, Lane, Sender
from campaigns.reports import condemns
from campaigns.texts import TextMessage, Texts, letters_of
from campaigns.transports import NOT_TRIED, Envelope, Outcome, RelayDown, Result, Transport
from campaigns.transports.backend import BackendTransport
from campaigns.transports.connection import Relay, Security
from campaigns.transports.smtp import SmtpTransport
from campaigns.transports.texts import LARGEST_UNIT, TextTransport
from contacts.models import Channel, Sentence

log = logging.getLogger(__name__)

WORK_FOR_S = 60.0
# A unit is made smaller where the relay is slow, so that a withdrawal finds its answer in time.
UNIT_TAKES_S = 0.1
FIRST_UNIT = 10
LONGEST_PAUSE_S = 1.0
OUTAGE_PATIENCE_S = 10.0
DATABASE_PATIENCE_S = 30.0
ATTEMPTS = 6
FIRST_WAIT = timedelta(minutes=1)
FIRST_WAIT_AFTER_LOSS = timedelta(seconds=5)
LONGEST_WAIT = timedelta(hours=4)
# Within so many results of a lane so many that were not taken are a burst.
RECENT, BURST = 50, 25
# So many in a row that went out and had no answer: nobody would know of anybody.
UNANSWERED = 3

_NO_WORD = Result(Outcome.UNKNOWN, diagnostic=replies.TRANSPORT_FAILED.text)
_LOST = (psycopg.OperationalError, psycopg.InterfaceError)


class SaysSomethingElse(Exception):
    """The sender, the topic or the organization changed after the start."""


class Ending(StrEnum):
    """How a turn at a lane ended."""

    NOT_MINE = "not mine"
    TIME_OVER = "time over"
    NOTHING_LEFT = "nothing left"


def work(*, campaign_id: int, number: int) -> Ending:
    """Work at a lane of a campaign for about a minute.

    Does nothing where another worker is at it, or the campaign is not sending.
    """
    lane = (
        Lane.objects.filter(
            campaign=campaign_id, number=number, campaign__state=Campaign.State.SENDING
        )
        .select_related("campaign__topic", "campaign__sender")
        .first()
    )
    if lane is None or stopping.is_stopping():
        return Ending.NOT_MINE
    try:
        worker = _Worker(lane)
    except LaneTaken:
        return Ending.NOT_MINE
    except ContentError as error:
        pause(lane.campaign, Sentence("The content cannot be sent: %s") % error)
        return Ending.NOTHING_LEFT
    except RelayDown as down:
        pause(lane.campaign, Sentence("The relay takes no messages: %s") % down.reason)
        return Ending.NOTHING_LEFT
    except SaysSomethingElse:
        _hold(lane.campaign)
        return Ending.NOTHING_LEFT
    with worker:
        return worker.run()


def pause(campaign: Campaign, reason: Sentence | str) -> bool:
    """Pause a campaign that is sending, with the reason staff will read."""
    moved = Campaign.objects.filter(pk=campaign.pk, state=Campaign.State.SENDING).update(
        state=Campaign.State.PAUSED, state_reason=reason
    )
    if moved:
        log.warning("campaign %s paused: %s", campaign.pk, reason)
    return bool(moved)


def _hold(campaign: Campaign) -> None:
    """Hold what would say, from here on, what nobody has looked at."""
    moved = Campaign.objects.filter(pk=campaign.pk, state=Campaign.State.SENDING).update(
        state=Campaign.State.HELD,
        state_reason=Sentence(
            "The sender, the topic or the organization changed after it started: look at the message,"
            " then release it."
        ),
    )
    if moved:
        log.warning("campaign %s held: its message changed under way", campaign.pk)


def open_transport(campaign: Campaign) -> Transport | TextTransport:
    """What carries a campaign: the SMS gateway, SMTP as the settings say, or any Django email backend.

    Raises `RelayDown` where there is no such gateway or backend.
    """
    if campaign.channel == Channel.SMS:
        return TextTransport()
    return open_mail_transport(campaign.sender)


def open_mail_transport(sender: Sender) -> Transport:
    """The transport of a sender's mail; raises `RelayDown` where there is no such backend."""
    if sender.transport != "smtp":
        return BackendTransport(sender.transport)
    security: Security = (
        "tls" if settings.EMAIL_USE_SSL else "starttls" if settings.EMAIL_USE_TLS else "none"
    )
    return SmtpTransport(
        Relay(
            host=settings.EMAIL_HOST,
            port=settings.EMAIL_PORT,
            security=security,
            username=settings.EMAIL_HOST_USER,
            password=settings.EMAIL_HOST_PASSWORD,
            # A hand-over that hangs has ended long before its lease.
            timeout=min(settings.EMAIL_TIMEOUT, settings.DELIVERY_LEASE_S / 4),
        )
    )


class _Worker:
    """One worker's minute at one lane."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._campaign = lane.campaign
        self._letters = letters_of(self._campaign)
        self._letters.prepare()
        # After it was compiled: what changes in between shows here.
        if not approval.says_what_it_said(self._campaign):
            raise SaysSomethingElse
        self._transport = open_transport(self._campaign)
        self._session = self._new_session()
        self._throttle = throttle.of(self._campaign)
        self._ends_at = time.monotonic() + WORK_FOR_S
        self._is_walking = True
        self._is_over = False
        self._largest = settings.DELIVERY_UNIT
        if isinstance(self._transport, TextTransport):
            self._largest = min(self._largest, LARGEST_UNIT)
        self._size = min(FIRST_UNIT, self._largest)
        self._unrecorded: Records | None = None
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self._unanswered = 0
        self._down_since: float | None = None

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(*_LOST):
            self._session.__exit__()
        self._transport.close()
        if self._throttle:
            self._throttle.close()

    def run(self) -> Ending:
        """Unit after unit until nothing is left, the time is over or the worker shuts down."""
        try:
            while not self._is_over and time.monotonic() < self._ends_at:
                if stopping.is_stopping():
                    return Ending.NOT_MINE
                self._next_unit()
        finally:
            self._record()
        return Ending.NOTHING_LEFT if self._is_over else Ending.TIME_OVER

    def _next_unit(self) -> None:
        size = self._permitted()
        if not size:
            return
        # Both clocks start before the claim: ours runs out first.
        unit, stop_at = uuid.uuid4(), time.monotonic() + settings.DELIVERY_LEASE_S / 2
        before = self._unrecorded
        try:
            decided, claimed = self._session.claim(
                unit, size=size, walking=self._is_walking, before=before
            )
        except _LOST as error:
            self._recover(error, untouched=unit)
            return
        self._unrecorded = None
        self._give_back(size - len(claimed))
        if claimed:
            self._hand_over(unit, claimed, stop_at)
        elif decided < size:
            self._is_over = not self._is_walking
        if decided < size:
            self._is_walking = False

    def _hand_over(self, unit: uuid.UUID, claimed: Sequence[Claimed], stop_at: float) -> None:
        records = Records(unit)
        self._unrecorded = records
        try:
            envelopes, tried = self._envelopes(claimed, records)
        except BaseException:
            self._unrecorded = None
            self._session.release(unit)
            raise
        if not envelopes:
            return
        began = time.monotonic()

        def go_on() -> bool:
            return time.monotonic() < stop_at and not stopping.is_stopping()

        outage: Sentence | str = ""
        try:
            results = self._transport.hand_over(envelopes, go_on=go_on)
        except RelayDown as down:
            # What a relay that closes its doors put off was not tried: an outage burns no attempt.
            outage = down.reason
            results = [
                NOT_TRIED if result.outcome is Outcome.DEFERRED else result
                for result in down.results or [NOT_TRIED] * len(envelopes)
            ]
        except BaseException:
            for each in tried:
                self._judge(each, _NO_WORD, records)
            raise
        for each, result in zip(tried, results, strict=True):
            self._judge(each, result, records)
        self._condemn(tried, results)
        self._adapt(len(envelopes), time.monotonic() - began)
        if outage:
            self._wait_for_relay(outage)
        else:
            self._down_since = None

    def _envelopes(
        self, claimed: Sequence[Claimed], records: Records
    ) -> tuple[list[Any], list[Claimed]]:
        """What may go out; the others are recorded with what keeps them."""
        now = datetime.now(UTC)
        sender = self._campaign.sender
        envelopes: list[Envelope | TextMessage] = []
        tried: list[Claimed] = []
        for each in claimed:
            if not each.is_sending:
                records.add(each.delivery_id, "pending", untried=True)
            elif each.reason:
                records.add(each.delivery_id, "withheld", reason=each.reason)
            elif pause := self._quiet_for(each, now):
                records.add(each.delivery_id, "pending", untried=True, wait=pause)
            else:
                try:
                    letter = self._letters.to(each.person, delivery_id=each.delivery_id, date=now)
                except (ContentError, ValueError) as error:
                    records.add(
                        each.delivery_id,
                        "failed",
                        reason=Delivery.Trouble.NOT_RENDERED,
                        diagnostic=str(error) if isinstance(error, ContentError) else "",
                    )
                    continue
                if isinstance(letter, TextMessage):
                    envelopes.append(letter)
                else:
                    path = sender.from_email
                    if sender.bounces_to:
                        path = message_ids.return_path(sender.bounces_to, letter.message_id)
                    envelopes.append(Envelope(path, each.person.email, letter))
                tried.append(each)
        if isinstance(self._letters, Texts):
            self._letters.keep_links()
        return envelopes, tried

    def _quiet_for(self, each: Claimed, now: datetime) -> timedelta:
        campaign = self._campaign
        if campaign.quiet_from is None or campaign.quiet_until is None:
            return timedelta(0)
        return quiet.wait(
            now,
            start=campaign.quiet_from,
            end=campaign.quiet_until,
            timezone=each.timezone,
            fallback=campaign.timezone,
        )

    def _condemn(self, tried: Sequence[Claimed], results: Sequence[Result]) -> None:
        """Addresses that the relay says do not exist are not tried by the next campaign."""
        refused = [
            each.delivery_id
            for each, result in zip(tried, results, strict=True)
            if result.outcome is Outcome.REFUSED and result.code and condemns(result.status)
        ]
        if refused:
            try:
                feedback.condemn(refused)
            except DatabaseError as error:
                log.warning("%s bad addresses are not marked: %s", len(refused), error)

    def _judge(self, each: Claimed, result: Result, records: Records) -> None:
        """One result as its record."""
        trouble = Delivery.Trouble
        diagnostic = result.diagnostic
        match result.outcome:
            case Outcome.SENT:
                records.add(each.delivery_id, "sent", provider_id=result.provider_id[:255])
            case Outcome.REFUSED:
                records.add(
                    each.delivery_id, "failed", reason=trouble.REFUSED, diagnostic=diagnostic
                )
            case Outcome.DEFERRED if each.attempt >= ATTEMPTS:
                records.add(
                    each.delivery_id, "failed", reason=trouble.GIVEN_UP, diagnostic=diagnostic
                )
            case Outcome.DEFERRED:
                wait = backoff(each.attempt, is_loss=not result.code)
                records.add(each.delivery_id, "pending", wait=wait, diagnostic=diagnostic)
            case Outcome.UNKNOWN:
                records.add(
                    each.delivery_id, "unknown", reason=trouble.NO_ANSWER, diagnostic=diagnostic
                )
            case Outcome.NOT_TRIED:
                records.add(each.delivery_id, "pending", untried=True)
                return
        self._watch(result)

    def _watch(self, result: Result) -> None:
        """Pause where the relay takes no more messages, or says nothing any more, whoever they are for."""
        # What we cannot even say to it is no word of the relay.
        is_ours = result.outcome is Outcome.REFUSED and not result.code
        self._recent.append(result.outcome is not Outcome.SENT and not is_ours)
        if result.outcome is Outcome.UNKNOWN:
            self._unanswered += 1
        elif result.outcome is Outcome.SENT or result.code:
            self._unanswered = 0
        if sum(self._recent) >= BURST:
            self._recent.clear()
            self._pause(
                Sentence("%(burst)d of the last %(recent)d messages were not taken: %(words)s")
                % {"burst": BURST, "recent": RECENT, "words": replies.explained(result.diagnostic)}
            )
        if self._unanswered >= UNANSWERED:
            self._unanswered = 0
            self._pause(
                Sentence("%(count)d messages in a row went out and had no answer: %(words)s")
                % {"count": UNANSWERED, "words": replies.explained(result.diagnostic)}
            )

    def _adapt(self, messages: int, took: float) -> None:
        wished = int(messages * UNIT_TAKES_S / took) if took else self._largest
        self._size = max(1, min(wished, self._largest, self._size * 2))

    def _wait_for_relay(self, reason: Sentence | str) -> None:
        """A short outage is waited for, with one message a second; a longer one pauses the campaign."""
        self._record()
        now = time.monotonic()
        self._down_since = self._down_since or now
        self._size = 1
        if now - self._down_since >= OUTAGE_PATIENCE_S:
            self._pause(Sentence("The relay takes no messages: %s") % reason)
        else:
            _sleep(LONGEST_PAUSE_S)

    def _pause(self, reason: Sentence) -> None:
        pause(self._campaign, reason)
        self._is_over = True

    def _permitted(self) -> int:
        """How many messages may go now; waits a little where none may."""
        if self._throttle is None:
            return self._size
        try:
            granted, wait = self._throttle.take(self._size)
        except redis.RedisError:
            # Without the bucket nobody knows how much was sent: nothing goes.
            granted, wait = 0, LONGEST_PAUSE_S
        if not granted:
            self._record()
            _sleep(min(wait, LONGEST_PAUSE_S))
        return granted

    def _give_back(self, unused: int) -> None:
        if self._throttle and unused:
            with contextlib.suppress(redis.RedisError):
                self._throttle.give_back(unused)

    def _record(self) -> None:
        """Record what is known before anything waits."""
        if self._unrecorded is None:
            return
        try:
            self._session.record(self._unrecorded)
        except _LOST as error:
            self._recover(error, untouched=None)
        else:
            self._unrecorded = None

    def _recover(self, error: Exception, *, untouched: uuid.UUID | None) -> None:
        """Come back to the database, record what is known, and put back what was not touched."""
        log.warning("lane %s lost the database: %s", self._lane.pk, type(error).__name__)
        give_up_at = time.monotonic() + min(DATABASE_PATIENCE_S, settings.DELIVERY_LEASE_S / 2)
        while time.monotonic() < give_up_at:
            with contextlib.suppress(*_LOST):
                self._session.__exit__()
            try:
                self._settle_anew(untouched)
            except _LOST:
                time.sleep(0.2)
            else:
                self._unrecorded = None
                return
        self._is_over = True
        self._unrecorded = None
        log.error("lane %s could not record a unit; its lease will end it", self._lane.pk)

    def _settle_anew(self, untouched: uuid.UUID | None) -> None:
        try:
            self._session = self._new_session()
        except LaneTaken:
            self._is_over = True
            claims.record_in_new_session(self._unrecorded, untouched=untouched)
            return
        if self._unrecorded is not None:
            self._session.record(self._unrecorded)
        if untouched is not None:
            self._session.release(untouched)

    def _new_session(self) -> Session:
        return Session(
            self._campaign,
            lane=self._lane.pk,
            number=self._lane.number,
            lease=timedelta(seconds=settings.DELIVERY_LEASE_S),
        )


def backoff(attempt: int, *, is_loss: bool) -> timedelta:
    """How long after the given attempt (from 1) the next one waits; shorter where the relay said nothing."""
    first = FIRST_WAIT_AFTER_LOSS if is_loss else FIRST_WAIT
    return min(first * int(4 ** (attempt - 1)), LONGEST_WAIT)


def _sleep(seconds: float) -> None:
    """In small steps, so that a shutdown is not kept waiting."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not stopping.is_stopping():
        time.sleep(min(left, 0.05))
