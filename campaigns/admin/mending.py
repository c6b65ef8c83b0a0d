"""The list of checks on the desk: each finding with the way to the place where it is mended."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from campaigns import services
from campaigns.checks import Finding
from campaigns.models import Campaign
from consent.models import Organization

_IN_CONTENT = {"subject", "preheader", "body"}


@dataclass(frozen=True, slots=True)
class Listed:
    """A finding, and where it is mended: empty where this person may not."""

    finding: Finding
    url: str


def findings(request: HttpRequest, campaign: Campaign) -> list[Listed]:
    """Every check of a campaign for one staff member, errors first."""
    languages = list(campaign.contents.order_by("pk").values_list("language", flat=True))
    return [
        Listed(finding, _way(request, campaign, finding, languages))
        for finding in services.check_content(campaign=campaign)
    ]


def _way(request: HttpRequest, campaign: Campaign, finding: Finding, languages: list[str]) -> str:
    match finding.place:
        case "":
            return ""
        case "organization":
            one = Organization.objects.order_by("pk").values_list("pk", flat=True).first()
            return _page(request, "consent", "organization", one)
        case "topic_page":
            return _page(request, "consent", "topic", campaign.topic_id)
        case "sender_page":
            return _page(request, "campaigns", "sender", campaign.sender_id)
    page = _page(request, "campaigns", "campaign", campaign.pk)
    if not page or campaign.state != Campaign.State.DRAFT:
        return ""
    # The composer numbers contents as they were written.
    number = languages.index(finding.language) if finding.language in languages else 0
    field = f"contents-{number}-{finding.place}" if finding.place in _IN_CONTENT else finding.place
    return f"{page}#id_{field}"


def _page(request: HttpRequest, app: str, model: str, key: int | None) -> str:
    act = "add" if key is None else "change"
    if not request.user.has_perm(f"{app}.{act}_{model}"):
        return ""
    return reverse(f"admin:{app}_{model}_{act}", args=[] if key is None else [key])
