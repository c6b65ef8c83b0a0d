"""Who is interesting: rules over people, and lists kept by hand."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from contacts.models.people import Contact


class Segment(models.Model):
    """Who is interesting: a tree of conditions. It never says who may be mailed."""

    name = models.CharField(_("name"), max_length=200, unique=True)
    rule = models.JSONField(_("rule"), default=dict, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("segment")
        verbose_name_plural = _("segments")

    def __str__(self) -> str:
        return self.name


class StaticList(models.Model):
    """People put together by hand, for a condition of a segment to name."""

    name = models.CharField(_("name"), max_length=200, unique=True)
    contacts = models.ManyToManyField(
        Contact, verbose_name=_("contacts"), blank=True, related_name="static_lists"
    )
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("static list")
        verbose_name_plural = _("static lists")

    def __str__(self) -> str:
        return self.name
