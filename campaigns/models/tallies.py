"""How far campaigns are, counted now and then where counting takes too long for a page."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from campaigns.models.campaigns import Campaign


class Tally(models.Model):
    """The last count of a campaign's deliveries: rows as `campaigns.tally.Row` names them."""

    campaign = models.OneToOneField(
        Campaign,
        models.CASCADE,
        primary_key=True,
        related_name="tally",
        verbose_name=_("campaign"),
    )
    counts = models.JSONField(_("counts"))
    counted_at = models.DateTimeField(_("counted"))
    took = models.DurationField(_("took"))

    class Meta:
        verbose_name = _("tally")
        verbose_name_plural = _("tallies")

    def __str__(self) -> str:
        return f"tally of campaign {self.pk}"
