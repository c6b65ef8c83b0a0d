"""The ledger: events that only grow, the evidence beside them, their seals and checkpoints.

An event names nobody: the pseudonym, the topic's key and the wording's digest stand in the row itself,
so that a row can be proved without any other table.
"""

from typing import Any, Never

import pgtrigger
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from consent.models.topics import Topic, Wording
from contacts.models import Channel
from contacts.models.triggers import Reference, names


class Kind(models.TextChoices):
    REQUESTED = "requested", _("requested")
    GIVEN = "given", _("given")
    RENEWED = "renewed", _("renewed")
    REFUSED = "refused", _("refused")
    WITHDRAWN = "withdrawn", _("withdrawn")
    OBJECTED = "objected", _("objected")
    REVOKED = "revoked", _("revoked")
    EXPIRED = "expired", _("expired")
    INVALIDATED = "invalidated", _("invalidated")
    ASSERTED = "asserted", _("claimed by an import")
    BASIS_RECORDED = "basis_recorded", _("other basis recorded")
    COMPLAINED = "complained", _("complained")
    UNDONE = "undone", _("withdrawal undone")
    RESTRICTED = "restricted", _("restricted")
    UNRESTRICTED = "unrestricted", _("restriction lifted")
    ERASED = "erased", _("erased")


class Basis(models.TextChoices):
    CONSENT = "consent", _("consent")
    SOFT_OPT_IN = "soft_opt_in", _("soft opt-in")


class Method(models.TextChoices):
    FORM = "form", _("sign-up form")
    CONFIRMATION = "confirmation", _("confirmed by the link in a message")
    PREFERENCES = "preferences", _("preference page")
    ONE_CLICK = "one_click", _("one click in the mail program")
    STOP_PAGE = "stop_page", _("unsubscribe page")
    KEYWORD = "keyword", _("text message keyword")
    STAFF = "staff", _("staff")
    API = "api", _("API")
    IMPORT = "import", _("import")
    FEEDBACK = "feedback", _("mail provider's report")
    JOB = "job", _("scheduled job")


class ActorRole(models.TextChoices):
    SUBJECT = "subject", _("the person")
    STAFF = "staff", _("staff")
    PROVIDER = "provider", _("mail provider")
    SYSTEM = "system", _("system")


class AppendOnlyError(TypeError):
    """The ledger only grows: its rows are neither changed nor deleted."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class AppendOnlyQuerySet(models.QuerySet[Any]):
    def update(self, **_kwargs: Any) -> Never:
        raise AppendOnlyError

    def delete(self) -> Never:
        raise AppendOnlyError


def append_only() -> list[pgtrigger.Trigger]:
    return [
        pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        pgtrigger.Trigger(
            name="no_truncate",
            when=pgtrigger.Before,
            operation=pgtrigger.Truncate,
            level=pgtrigger.Statement,
            func="RAISE EXCEPTION 'The ledger only grows: % cannot be emptied', TG_TABLE_NAME;",
        ),
    ]


# Published words are never deleted; drafts are.
PUBLISHED = "named.published_at IS NOT NULL"

# Only functions that never depend on settings may make up a column, which leaves neither `concat_ws` nor
# `convert_to`: the escapes undone are those put in before, and text is in the database's encoding, UTF-8.
LEAF = """
    sha256(decode('\\000' || replace(
        'assent-event-v1'
        || E'\\n' || id
        || E'\\n' || subject
        || E'\\n' || coalesce(topic_key, '*')
        || E'\\n' || coalesce(nullif(channel, ''), '*')
        || E'\\n' || kind
        || E'\\n' || coalesce(nullif(basis, ''), '-')
        || E'\\n' || coalesce(nullif(method, ''), '-')
        || E'\\n' || (extract(epoch from occurred_at - timestamptz '1970-01-01Z') * 1000000)::bigint
        || E'\\n' || (extract(epoch from recorded_at - timestamptz '1970-01-01Z') * 1000000)::bigint
        || E'\\n' || coalesce(wording_digest, '-')
        || E'\\n' || actor_role
        || E'\\n' || coalesce(nullif(actor, ''), '-')
        || E'\\n' || coalesce(undoes_id::text, '-')
        || E'\\n' || encode(commitment, 'hex'),
        '\\', '\\\\'
    ), 'escape'))
"""


class ConsentEvent(models.Model):
    """One act of consent. `leaf` is its RFC 9162 leaf hash: the database makes it, and takes no other."""

    subject = models.UUIDField(_("pseudonym"))
    topic = models.ForeignKey(
        Topic,
        models.PROTECT,
        to_field="key",
        db_column="topic_key",
        null=True,
        related_name="+",
        verbose_name=_("topic"),
        db_index=False,
        db_constraint=False,
    )
    channel = models.CharField(_("channel"), max_length=5, choices=Channel, blank=True, default="")
    kind = models.CharField(_("kind"), max_length=14, choices=Kind)
    basis = models.CharField(_("basis"), max_length=16, choices=Basis, blank=True, default="")
    method = models.CharField(_("method"), max_length=14, choices=Method, blank=True, default="")
    occurred_at = models.DateTimeField(_("occurred"), db_default=RawSQL("clock_timestamp()", ()))
    recorded_at = models.DateTimeField(_("recorded"), db_default=RawSQL("clock_timestamp()", ()))
    wording = models.ForeignKey(
        Wording,
        models.PROTECT,
        to_field="digest",
        db_column="wording_digest",
        null=True,
        related_name="+",
        verbose_name=_("wording"),
        db_index=False,
        db_constraint=False,
    )
    actor_role = models.CharField(_("acted"), max_length=8, choices=ActorRole)
    actor = models.CharField(_("staff pseudonym"), max_length=64, blank=True, default="")
    undoes = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        related_name="+",
        verbose_name=_("undoes"),
        db_index=False,
        db_constraint=False,
    )
    commitment = models.BinaryField(_("commitment"), max_length=32)
    leaf = models.GeneratedField(
        verbose_name=_("leaf"),
        expression=RawSQL(LEAF, ()),
        output_field=models.BinaryField(max_length=32),
        db_persist=True,
    )

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        verbose_name = _("consent event")
        verbose_name_plural = _("consent events")
        indexes = [
            models.Index(fields=["subject", "id"], name="event_of_subject"),
            # Rows lie as they were recorded: a few kilobytes find those of some days.
            BrinIndex(fields=["recorded_at"], name="event_by_day", autosummarize=True),
        ]
        triggers = [
            *append_only(),
            *names(
                Reference("topic_key", "consent_topic", "key", is_one_of_few=True),
                Reference(
                    "wording_digest", "consent_wording", "digest", PUBLISHED, is_one_of_few=True
                ),
                Reference("undoes_id", "consent_consentevent"),
            ),
            pgtrigger.Trigger(
                name="queue_for_sealing",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                level=pgtrigger.Statement,
                referencing=pgtrigger.Referencing(new="fresh"),
                func="INSERT INTO consent_unsealed (event_id) SELECT id FROM fresh; RETURN NULL;",
            ),
        ]
        constraints = [
            models.CheckConstraint(name="event_kind_known", condition=Q(kind__in=Kind.values)),
            models.CheckConstraint(
                name="event_channel_known", condition=Q(channel="") | Q(channel__in=Channel.values)
            ),
            models.CheckConstraint(
                name="event_not_from_the_future", condition=Q(occurred_at__lte=F("recorded_at"))
            ),
            models.CheckConstraint(
                name="event_everything_only_reduces",
                condition=Q(topic__isnull=False) & ~Q(channel="")
                | Q(
                    kind__in=[
                        "withdrawn",
                        "objected",
                        "complained",
                        "restricted",
                        "unrestricted",
                        "erased",
                    ]
                ),
            ),
            models.CheckConstraint(
                name="event_actor_is_one_line", condition=~Q(actor__contains="\n")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.topic_id or '*'} · {self.get_channel_display() or '*'}"


class ConsentEvidence(models.Model):
    """Personal evidence beside an event. Erasing it leaves the event and its commitment verifiable."""

    event = models.OneToOneField(
        ConsentEvent,
        models.PROTECT,
        primary_key=True,
        related_name="evidence",
        verbose_name=_("event"),
        db_constraint=False,
    )
    nonce = models.BinaryField(_("nonce"), max_length=32)
    details = models.JSONField(_("details"), default=dict)

    class Meta:
        verbose_name = _("consent evidence")
        verbose_name_plural = _("consent evidence")
        triggers = [
            pgtrigger.Protect(name="append_only", operation=pgtrigger.Update),
            *names(Reference("event_id", "consent_consentevent")),
        ]

    def __str__(self) -> str:
        return f"evidence of event {self.pk}"


class Unsealed(models.Model):
    """The events that wait for the sealer: filled by the database, emptied by the sealer."""

    event = models.OneToOneField(
        ConsentEvent, models.PROTECT, primary_key=True, related_name="+", db_constraint=False
    )

    def __str__(self) -> str:
        return f"unsealed event {self.pk}"


class LedgerEntry(models.Model):
    """The sealed order: positions from 0 without a gap."""

    position = models.BigIntegerField(_("position"), primary_key=True)
    event = models.OneToOneField(
        ConsentEvent,
        models.PROTECT,
        related_name="entry",
        db_constraint=False,
        verbose_name=_("event"),
    )
    leaf = models.BinaryField(_("leaf"), max_length=32)

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        verbose_name = _("ledger entry")
        verbose_name_plural = _("ledger entries")
        triggers = append_only()
        constraints = [
            models.CheckConstraint(name="entry_position_from_zero", condition=Q(position__gte=0))
        ]

    def __str__(self) -> str:
        return f"position {self.position}"


class LedgerCheckpoint(models.Model):
    """A signed Merkle root over the first `size` positions, chained to the checkpoint before."""

    size = models.BigIntegerField(_("size"), unique=True)
    root = models.BinaryField(_("root"), max_length=32)
    previous = models.BinaryField(_("previous checkpoint"), max_length=32, null=True)
    frontier = models.BinaryField(_("frontier"))
    created_at = models.DateTimeField(_("signed"), db_default=Now())
    text = models.TextField(_("signed text"))
    key_id = models.CharField(_("key"), max_length=16)
    signature = models.BinaryField(_("signature"), max_length=64)

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        verbose_name = _("ledger checkpoint")
        verbose_name_plural = _("ledger checkpoints")
        triggers = append_only()

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.size}"


class LedgerNode(models.Model):
    """The root of a complete run of 1,024 nodes of the tier below, so that a proof reads few rows."""

    tier = models.SmallIntegerField()
    place = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        triggers = append_only()
        constraints = [models.UniqueConstraint(fields=["tier", "place"], name="node_one_per_place")]

    def __str__(self) -> str:
        return f"node {self.tier}/{self.place}"
