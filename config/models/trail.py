"""The trail of what staff did: rows are only ever added, by the application and by the database itself."""

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from consent.models.ledger import AppendOnlyQuerySet, append_only

DOOR = "assent_forget_trail"
# A row goes only through the one function that noted, in this very statement, up to when it takes entries;
# and never before half a year. Who calls whom is the database's own record: no caller sets it.
_ONLY_BY_THE_DOOR = f"""
    IF TG_OP = 'DELETE' AND OLD.happened_at < now() - interval '6 months' THEN
        GET DIAGNOSTICS callers = PG_CONTEXT;
        IF callers ~ 'PL/pgSQL function {DOOR}\\(timestamp with time zone,integer\\) line' THEN
            PERFORM FROM config_auditentry
            WHERE id = currval(pg_get_serial_sequence('config_auditentry', 'id'))
              AND part = 'retention' AND happened_at = statement_timestamp()
              AND (details ->> 'before')::timestamptz > OLD.happened_at;
            IF FOUND THEN RETURN OLD; END IF;
        END IF;
    END IF;
    RAISE EXCEPTION 'The audit trail only grows: no row of % is changed or removed', TG_TABLE_NAME;
"""


def only_old_ones_go() -> list[pgtrigger.Trigger]:
    """As `append_only`, but for entries that are older than the retention of the trail."""
    kept = [trigger for trigger in append_only() if trigger.name != "append_only"]
    return [
        pgtrigger.Trigger(
            name="append_only",
            when=pgtrigger.Before,
            operation=pgtrigger.Update | pgtrigger.Delete,
            declare=[("callers", "text")],
            func=_ONLY_BY_THE_DOOR,
        ),
        *kept,
    ]


class AuditEntry(models.Model):
    """Who did what to which object, when, through which door and from which address.

    `details` maps changed columns to `[before, after]`, or to null where a value could be personal: the
    trail cannot be erased, so nothing personal of contacts enters it. The staff reference is no constraint,
    so that an account can go and its trail stays.
    """

    class Action(models.TextChoices):
        ADDED = "added", _("added")
        CHANGED = "changed", _("changed")
        REMOVED = "removed", _("removed")
        VIEWED = "viewed", _("viewed")
        EXPORTED = "exported", _("exported")
        SIGNED_IN = "signed_in", _("signed in")
        SIGN_IN_FAILED = "sign_in_failed", _("sign-in failed")
        SIGNED_OUT = "signed_out", _("signed out")
        REFUSED = "refused", _("refused")

    happened_at = models.DateTimeField(_("when"), db_default=Now())
    staff = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        verbose_name=_("who"),
    )
    action = models.CharField(_("did"), max_length=20, choices=Action)
    object_type = models.CharField(_("kind of object"), max_length=60, blank=True, default="")
    object_id = models.CharField(_("object"), max_length=64, blank=True, default="")
    part = models.CharField(_("part"), max_length=40, blank=True, default="")
    details = models.JSONField(_("details"), default=dict)
    door = models.CharField(_("through"), max_length=120, blank=True, default="")
    address = models.GenericIPAddressField(pgettext_lazy("network", "from address"), null=True)

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        verbose_name = _("entry of the audit trail")
        verbose_name_plural = _("audit trail")
        default_permissions = ("view",)
        triggers = only_old_ones_go()
        indexes = [
            models.Index(F("staff"), F("id"), name="audit_by_staff"),
            models.Index(F("object_type"), F("object_id"), F("id"), name="audit_by_object"),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.object_type} {self.object_id}"
