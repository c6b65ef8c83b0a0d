"""The door of campaigns: every move that staff decide, from the draft to the end.

A service does it or raises a `CampaignError`. None of them can let a message pass the gate.
"""

import contextlib
from datetime import UTC, datetime

from celery import current_app
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Manager, Model, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns import approval, checks, delivery, feedback, local_time, quiet, replies
from campaigns.checks import Finding
from campaigns.content import ContentError, Rendered
from campaigns.letters import NOWHERE, Letters, person_of
from campaigns.models import Campaign, CampaignContent, Delivery
from campaigns.models.deliveries import DeliveryQuerySet
from campaigns.texts import Texts, letters_of
from campaigns.transports import Envelope, Outcome, RelayDown
from contacts.models import Channel, Contact

State = Campaign.State


class CampaignError(Exception):
    """This cannot be done with the campaign."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or _(self.__doc__ or ""))


class NotADraft(CampaignError):
    """Only a draft can be scheduled or changed."""


class NotReady(CampaignError):
    """The campaign is not complete enough to be sent."""


class SecondPersonNeeded(CampaignError):
    """Somebody else has to approve this: neither its author nor who changed it since the last approval."""


class NotApproved(CampaignError):
    """A second person has to approve this first, as it is now."""


class NotAsked(CampaignError):
    """Somebody else has to ask for the approval first, of the campaign as it is now."""


class ChangedMeanwhile(CampaignError):
    """It was changed after you opened this page: look at it again, as it is now."""


class AlreadyStarted(CampaignError):
    """Only what has not started yet can become a draft again."""


class NotSending(CampaignError):
    """Only a campaign that is sending can be paused."""


class NotPaused(CampaignError):
    """Only a paused campaign can be resumed."""


class NotHeld(CampaignError):
    """Only a held campaign can be released."""


class AlreadyOver(CampaignError):
    """This campaign is over already."""


class NoSuchContent(CampaignError):
    """The campaign says nothing in this language."""


class NotOneOfUs(CampaignError):
    """Tests go to the verified address of an active staff member only."""


class NoTestByText(CampaignError):
    """No test is sent by text message: the preview shows the very text that goes out."""


class TestNotSent(CampaignError):
    """The relay did not take the test."""


# Before the send


def check_content(*, campaign: Campaign) -> list[Finding]:
    """What was looked at, in every language: errors first, then warnings, then what passed."""
    return checks.look(campaign)


def preview(
    *,
    campaign: Campaign,
    language: str = "",
    contact: Contact | None = None,
    has_names: bool = False,
    content: CampaignContent | None = None,
) -> Rendered:
    """The message as one person, or nobody in particular, would see it; its links lead nowhere.

    `content` is what is being written, else what is saved in the language. Names and values of
    fields are left empty unless `has_names`. Raises `NoSuchContent` and `ContentError`.
    """
    letters = letters_of(campaign)
    person = person_of(contact, None) if contact else None
    if person and not has_names:
        person = person._replace(email="", first_name="", last_name="", phone="", attributes={})
    content = content or _content(letters, language)
    if isinstance(letters, Texts):
        return letters.render(content, person)
    return letters.render(content, person, NOWHERE)


def send_test(*, campaign: Campaign, language: str, staff: User) -> None:
    """Hand one message, marked as a test, to a staff member; it makes no delivery.

    Raises `NoTestByText`, `NoSuchContent`, `NotOneOfUs`, `NotReady` with what is wrong, and `TestNotSent`
    with the relay's words.
    """
    if campaign.channel == Channel.SMS:
        raise NoTestByText
    if not has_verified_address(staff):
        raise NotOneOfUs
    letters = Letters(campaign)
    content = _content(letters, language)
    try:
        letter = letters.test(
            content, email=staff.email, name=staff.first_name, date=datetime.now(UTC)
        )
    except (ContentError, ValueError) as error:
        raise NotReady(str(error)) from error
    path = campaign.sender.bounces_to or campaign.sender.from_email
    envelope = Envelope(path, staff.email, letter)
    try:
        with contextlib.closing(delivery.open_mail_transport(campaign.sender)) as transport:
            result = transport.hand_over([envelope], go_on=lambda: True)[0]
    except RelayDown as down:
        raise TestNotSent(_("The relay takes no messages: %s") % down.reason) from down
    if result.outcome is not Outcome.SENT:
        raise TestNotSent(
            _("The relay did not take the test: %s") % replies.explained(result.diagnostic)
        )


def has_verified_address(staff: User) -> bool:
    """Whether tests may go to this user."""
    if not (staff.is_active and staff.is_staff and staff.email):
        return False
    if apps.is_installed("allauth.account"):
        addresses: Manager[Model] = (
            apps.get_app_config("account").get_model("EmailAddress")._default_manager
        )
        known = addresses.filter(user=staff, email__iexact=staff.email, verified=True)
        return bool(known.exists())
    return True


@transaction.atomic
def duplicate_campaign(*, campaign: Campaign, name: str, author_id: int | None) -> Campaign:
    """A fresh draft that says the same to the same segments; nothing of the schedule goes with it."""
    draft = Campaign.objects.create(
        name=name,
        topic=campaign.topic,
        channel=campaign.channel,
        sender=campaign.sender,
        timezone=campaign.timezone,
        per_minute=campaign.per_minute,
        is_local_time=campaign.is_local_time,
        quiet_from=campaign.quiet_from,
        quiet_until=campaign.quiet_until,
        is_measured=campaign.is_measured,
        author_id=author_id,
    )
    draft.segments.set(campaign.segments.all())
    draft.excluded_segments.set(campaign.excluded_segments.all())
    contents = list(campaign.contents.order_by("pk"))
    for content in contents:
        content.pk, content.campaign = None, draft
    CampaignContent.objects.bulk_create(contents)
    return draft


@transaction.atomic
def ask_approval(*, campaign: Campaign, actor_id: int | None) -> None:
    """Note who asks for a second pair of eyes, when, and for what: nothing else is approved.

    Raises `NotADraft`.
    """
    digest = approval.digest(_open_to_approval(campaign))
    Campaign.objects.filter(pk=campaign.pk).update(
        asked_by_id=actor_id, asked_digest=digest, asked_at=Now()
    )
    campaign.refresh_from_db()


@transaction.atomic
def approve_campaign(*, campaign: Campaign, actor_id: int | None, seen: str = "") -> None:
    """Approve what a draft says and to whom, as it is now; any change ends the approval.

    A held campaign may be approved again: a list or the sender may have changed.
    `seen` is the digest (`approval.digest`) of what the second person looked at. Raises `NotADraft`,
    `SecondPersonNeeded` for its author and for everybody who changed it since it was last approved,
    `ChangedMeanwhile` where it is not what was seen any more, and `NotAsked` unless somebody else asked
    for the approval of just that.
    """
    locked = _open_to_approval(campaign)
    if actor_id is None or not approval.may_approve(locked, actor_id):
        raise SecondPersonNeeded
    digest = _as_seen(locked, seen)
    if not approval.is_asked(locked, actor_id, now=digest):
        raise NotAsked
    Campaign.objects.filter(pk=campaign.pk).update(
        approved_by_id=actor_id, approved_digest=digest, approved_at=Now()
    )
    locked.editors.clear()
    campaign.refresh_from_db()


def _open_to_approval(campaign: Campaign) -> Campaign:
    """The campaign, locked, as long as its approval can be asked for and given."""
    locked = Campaign.objects.select_for_update(of=("self",)).get(pk=campaign.pk)
    if locked.state not in {State.DRAFT, State.HELD}:
        raise NotADraft
    return locked


def _as_seen(campaign: Campaign, seen: str) -> str:
    """The digest of a campaign, which is that of what was looked at."""
    digest = approval.digest(campaign)
    if seen and seen != digest:
        raise ChangedMeanwhile
    return digest


@transaction.atomic
def schedule_campaign(
    *,
    campaign: Campaign,
    send_at: datetime,
    latest_start_at: datetime | None = None,
    actor_id: int | None,
    seen: str = "",
) -> None:
    """Let the campaign start by itself at `send_at`; a moment in the past starts it at once.

    At each person's own time it begins where the hour of `send_at` comes first. Past `latest_start_at` it
    is held instead. `seen` is the digest (`approval.digest`) of what was looked at. Raises `NotADraft`,
    `ChangedMeanwhile` where it is not that any more, `NotApproved` and `NotReady` with every sentence
    about what is missing.
    """
    locked = Campaign.objects.select_for_update(of=("self",)).get(pk=campaign.pk)
    if locked.state != State.DRAFT:
        raise NotADraft
    _as_seen(locked, seen)
    if settings.CAMPAIGN_NEEDS_APPROVAL and not approval.stands(locked):
        raise NotApproved
    if problems := _problems(locked, send_at, latest_start_at):
        raise NotReady(" ".join(problems))
    begins_at = local_time.first(locked, send_at) if locked.is_local_time else send_at
    Campaign.objects.filter(pk=campaign.pk).update(
        state=State.SCHEDULED,
        state_reason="",
        send_at=send_at,
        begins_at=begins_at,
        latest_start_at=latest_start_at,
        author_id=locked.author_id or actor_id,
    )
    campaign.refresh_from_db()
    if begins_at <= timezone.now():
        transaction.on_commit(_nudge, robust=True)


def _problems(campaign: Campaign, send_at: datetime, latest_start_at: datetime | None) -> list[str]:
    problems = [
        f"{finding.language}: {finding.message}" if finding.language else finding.message
        for finding in check_content(campaign=campaign)
        if finding.is_error
    ]
    if latest_start_at and latest_start_at < send_at:
        problems.append(_("The latest start is before the start."))
    if not all(local_time.is_near(moment) for moment in (send_at, latest_start_at) if moment):
        problems.append(_("That is more than a hundred years away: look at the year."))
    if quiet.zone(campaign.timezone) is None:
        problems.append(_("There is no time zone “%s”.") % campaign.timezone)
    try:
        validate_email(campaign.sender.from_email)
        delivery.open_transport(campaign).close()
    except ValidationError as error:
        problems.append(_("The sender cannot send: %s") % " ".join(error.messages))
    except RelayDown as down:
        problems.append(_("The sender cannot send: %s") % down.reason)
    return problems


@transaction.atomic
def unschedule_campaign(*, campaign: Campaign) -> None:
    """Make it a draft again, as long as it has not started; its approval stands while nothing changes.

    Raises `AlreadyStarted`.
    """
    waiting = Q(state__in=[State.SCHEDULED, State.HELD], started_at=None)
    _move(
        campaign,
        AlreadyStarted,
        waiting,
        state=State.DRAFT,
        send_at=None,
        begins_at=None,
        latest_start_at=None,
    )


# While it is under way


def pause_campaign(*, campaign: Campaign, reason: str = "") -> None:
    """Stop within a unit; raises `NotSending`."""
    if not delivery.pause(campaign, reason):
        raise NotSending
    campaign.refresh_from_db()


@transaction.atomic
def resume_campaign(*, campaign: Campaign) -> None:
    """Go on where it was paused, bounces and complaints counted from here; raises `NotPaused`."""
    _move(campaign, NotPaused, Q(state=State.PAUSED), state=State.SENDING)
    feedback.count_anew(campaign)
    transaction.on_commit(_nudge, robust=True)


def set_pace(*, campaign: Campaign, per_minute: int | None) -> None:
    """At most so many messages a minute from now on, `None`: as fast as the sender may.

    Lanes that are at work keep to it within a minute. Raises `AlreadyOver`.
    """
    alive = ~Q(state__in=[State.SENT, State.CANCELLED])
    if not Campaign.objects.filter(alive, pk=campaign.pk).update(per_minute=per_minute):
        raise AlreadyOver
    campaign.refresh_from_db()


@transaction.atomic
def release_held(*, campaign: Campaign) -> None:
    """Ops have looked: go on with what it says now, or start however late it is.

    Raises `NotHeld`, and `NotApproved` where it has started and says what nobody approved.
    """
    locked = Campaign.objects.select_for_update(of=("self",)).get(pk=campaign.pk)
    if locked.state != State.HELD:
        raise NotHeld
    if locked.started_at is None:
        fields: dict[str, object] = {"state": State.SCHEDULED, "latest_start_at": None}
    elif settings.CAMPAIGN_NEEDS_APPROVAL and not approval.stands(locked):
        raise NotApproved
    else:
        said = approval.message_digest(locked)
        fields = {"state": State.SENDING, "started_digest": said}
    Campaign.objects.filter(pk=campaign.pk).update(state_reason="", **fields)
    campaign.refresh_from_db()
    transaction.on_commit(_nudge, robust=True)


@transaction.atomic
def cancel_campaign(*, campaign: Campaign) -> None:
    """End it within a unit; what was not handed over is withheld. Raises `AlreadyOver`."""
    alive = ~Q(state__in=[State.SENT, State.CANCELLED])
    _move(campaign, AlreadyOver, alive, state=State.CANCELLED)
    transaction.on_commit(_nudge, robust=True)


# What is unknown


@transaction.atomic
def resend_unknown(*, campaign: Campaign, delivery_ids: list[int] | None = None) -> int:
    """Try unknown deliveries again, through the gate; `None` is all of them. Returns how many.

    Somebody may get it twice: that is what the person who decides this has weighed. Raises
    `AlreadyOver` for a cancelled campaign.
    """
    # Of this and the clock that ends the campaign, whoever comes second sees the other.
    locked = Campaign.objects.select_for_update(of=("self",)).get(pk=campaign.pk)
    if locked.state == State.CANCELLED:
        raise AlreadyOver
    moved = _unknown(campaign, delivery_ids).update(
        state=Delivery.State.PENDING, reason="", diagnostic="", due_at=Now(), settled_at=None
    )
    if moved:
        Campaign.objects.filter(pk=campaign.pk, state=State.SENT).update(
            state=State.SENDING, finished_at=None
        )
        campaign.refresh_from_db()
        transaction.on_commit(_nudge, robust=True)
    return moved


def leave_unknown(*, campaign: Campaign, delivery_ids: list[int] | None = None) -> int:
    """Never try these again: they stay unknown, and are no longer asked about. Returns how many."""
    return _unknown(campaign, delivery_ids).update(reason=Delivery.Trouble.LEFT)


def _unknown(campaign: Campaign, delivery_ids: list[int] | None) -> DeliveryQuerySet:
    unknown = Delivery.objects.filter(campaign=campaign).undecided()
    return unknown if delivery_ids is None else unknown.filter(pk__in=delivery_ids)


def _content(letters: Letters | Texts, language: str) -> CampaignContent:
    if language not in letters.contents:
        raise NoSuchContent
    return letters.contents[language]


def _move(campaign: Campaign, refusal: type[CampaignError], condition: Q, **fields: object) -> None:
    moved = Campaign.objects.filter(condition, pk=campaign.pk).update(state_reason="", **fields)
    if not moved:
        raise refusal
    campaign.refresh_from_db()


def _nudge() -> None:
    """The clock ticks anyway; this saves its seconds."""
    current_app.send_task("campaigns.tick", retry=False, expires=60)
