"""Nobody overwrites words that they have not seen: the form carries a digest of what it was filled from."""

from collections.abc import Mapping

from django.core.exceptions import NON_FIELD_ERRORS
from django.forms import BaseForm
from django.utils.translation import gettext_lazy as _

from campaigns.approval import SAID
from campaigns.models import Campaign, CampaignContent
from contacts import approval

FIELD = "_seen"
CONTEXT = "seen"
OVERTAKEN = "overtaken"
SENTENCE = _(
    "Somebody saved this campaign after you opened it. Nothing of yours is lost: it stands below, not "
    "saved yet. Look at what is saved now; saving again replaces it."
)
_CHOSEN = ("name", "topic", "channel", "sender", "is_measured")


def digest(campaign_id: int) -> str:
    """SHA-256, in hex, of all that the form of a campaign writes, as it is saved now."""
    wanted = CampaignContent.objects.filter(campaign=campaign_id).order_by("pk")
    one = Campaign.objects.filter(pk=campaign_id)
    return approval.digest(
        {
            "chosen": list(one.values_list(*_CHOSEN)),
            "to": list(one.values_list("segments").order_by("segments")),
            "without": list(one.values_list("excluded_segments").order_by("excluded_segments")),
            "contents": list(wanted.values_list("pk", *SAID)),
        }
    )


def is_overtaken(campaign: Campaign, posted: Mapping[str, str]) -> bool:
    """Whether another save came between the form and now; holds others off until the transaction ends."""
    seen = posted.get(FIELD)
    if not campaign.pk or not seen:
        return False
    Campaign.objects.select_for_update(of=("self",)).get(pk=campaign.pk)
    return seen != digest(campaign.pk)


def shown_again(campaign: Campaign, form: BaseForm) -> dict[str, object]:
    """What a refused form shows: from here on its writer has seen what is saved now."""
    context: dict[str, object] = {CONTEXT: digest(campaign.pk)}
    if form.has_error(NON_FIELD_ERRORS, OVERTAKEN):
        context["saved_now"] = campaign.contents.order_by("pk")
    return context
