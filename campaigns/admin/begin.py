"""The way from an empty installation to the first campaign, shown until it was gone."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from campaigns.models import Campaign, Sender
from consent.models import Organization, Permission, Topic, Wording


@dataclass(frozen=True, slots=True)
class Step:
    """`url` is empty for whoever may not do it; `note` says what comes of it."""

    title: Any
    note: Any
    url: str
    is_done: bool


def is_over() -> bool:
    """A campaign was scheduled once: whoever got there needs no way any more."""
    return Campaign.objects.exclude(state=Campaign.State.DRAFT).exists()


def steps(request: HttpRequest) -> list[Step]:
    """All steps in their order, with what is there already."""
    there = _there()
    return [
        Step(title, note, _url(request, *where), bool(there[key]))
        for key, title, note, where in _STEPS
    ]


_STEPS = (
    (
        "organization",
        _("Say who sends"),
        _("Name, postal address and privacy page: they stand in every footer and receipt."),
        ("admin:consent_organization_changelist", "consent.view_organization"),
    ),
    (
        "topic",
        _("Publish a topic"),
        _("What people say yes to, and how often they hear from you."),
        ("admin:consent_topic_changelist", "consent.view_topic"),
    ),
    (
        "wording",
        _("Publish the words beside its box"),
        _("In each language of your readers. They are kept word for word as proof."),
        ("admin:consent_wording_changelist", "consent.view_wording"),
    ),
    (
        "people",
        _("Let people sign up"),
        _("The sign-up page is open as soon as there are words; its form can be put on your site."),
        ("consent:sign_up", ""),
    ),
    (
        "sender",
        _("Add a sender"),
        _("The name and address that messages come from."),
        ("admin:campaigns_sender_changelist", "campaigns.view_sender"),
    ),
    (
        "campaign",
        _("Write the first campaign"),
        _("You see who will get it, and who will not and why, before anything leaves."),
        ("admin:campaigns_campaign_add", "campaigns.add_campaign"),
    ),
)


def _there() -> dict[str, Any]:
    """Whether there is one of each."""
    asked = {
        "organization": Organization.objects.all(),
        "topic": Topic.objects.published(),
        "wording": Wording.objects.current(),
        "people": Permission.objects.all(),
        "sender": Sender.objects.all(),
        "campaign": Campaign.objects.all(),
    }
    return {key: rows.exists() for key, rows in asked.items()}


def _url(request: HttpRequest, name: str, permission: str) -> str:
    return reverse(name) if not permission or request.user.has_perm(permission) else ""
