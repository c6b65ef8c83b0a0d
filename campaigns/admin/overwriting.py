"""Nobody overwrites words that they have not seen: the form carries a digest of what it was filled from."""

from collections.abc import Mapping

from django.core.exceptions import NON_FIELD_ERRORS
from django.forms import BaseForm
from django.utils.translation import gettext_lazy as _

from campaigns import versions
from campaigns.models import Campaign

FIELD = "_seen"
CONTEXT = "seen"
OVERTAKEN = "overtaken"
SENTENCE = _(
    "Somebody saved this campaign after you opened it. Nothing of yours is lost: it stands below, not "
    "saved yet. Look at what is saved now; saving again replaces it."
)


def is_overtaken(campaign: Campaign, posted: Mapping[str, str]) -> bool:
    """Whether another save came between the form and now; holds others off until the transaction ends."""
    seen = posted.get(FIELD)
    if not campaign.pk or not seen:
        return False
    Campaign.objects.select_for_update(of=("self",)).get(pk=campaign.pk)
    return seen != versions.digest(campaign.pk)


def shown_again(campaign: Campaign, form: BaseForm) -> dict[str, object]:
    """What a refused form shows: from here on its writer has seen what is saved now."""
    context: dict[str, object] = {CONTEXT: versions.digest(campaign.pk)}
    if form.has_error(NON_FIELD_ERRORS, OVERTAKEN):
        context["saved_now"] = campaign.contents.order_by("pk")
    return context
