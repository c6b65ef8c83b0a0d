"""Nobody overwrites words that they have not seen, or changes what was scheduled meanwhile.

The form carries a digest of what it was filled from.
"""

from collections.abc import Mapping

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.forms import BaseForm
from django.utils.translation import gettext_lazy as _

from campaigns import versions
from campaigns.models import Campaign

FIELD = "_seen"
CONTEXT = "seen"
OVERTAKEN = "overtaken"
MOVED_ON = "moved_on"
NO_DRAFT = _(
    "This campaign was scheduled or cancelled after you opened it, and can no longer be changed. What "
    "you wrote stands below, not saved: copy what you need."
)
SENTENCE = _(
    "Somebody saved this campaign after you opened it. Nothing of yours is lost: it stands below, not "
    "saved yet. Look at what is saved now; saving again replaces it."
)


def check(campaign: Campaign, posted: Mapping[str, str]) -> None:
    """Hold others off until the transaction ends; raises `ValidationError` where somebody came before.

    That is a save of what was not seen, or a move that ended the draft.
    """
    if not campaign.pk:
        return
    saved = Campaign.objects.select_for_update(of=("self",)).filter(pk=campaign.pk).first()
    if saved is None or saved.state != Campaign.State.DRAFT:
        raise ValidationError(NO_DRAFT, MOVED_ON)
    seen = posted.get(FIELD)
    if seen and seen != versions.digest(campaign.pk):
        raise ValidationError(SENTENCE, OVERTAKEN)


def shown_again(campaign: Campaign, form: BaseForm) -> dict[str, object]:
    """What a refused form shows: from here on its writer has seen what is saved now."""
    context: dict[str, object] = {CONTEXT: versions.digest(campaign.pk)}
    if form.has_error(NON_FIELD_ERRORS, OVERTAKEN):
        context["saved_now"] = campaign.contents.order_by("pk")
    return context
