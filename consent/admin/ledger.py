"""The ledger to look at: events, where they are sealed, whether their evidence still exists, checkpoints."""

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display

from consent.admin import ledger_status, proving
from consent.models import ConsentEvent, ConsentEvidence, LedgerCheckpoint
from contacts import pseudonyms
from contacts import services as contacts
from contacts.admin import acts
from contacts.admin.lists import BigList, ReadOnly, figure

KIND_COLORS = {
    "given": "success",
    "renewed": "success",
    "undone": "success",
    "requested": "info",
    "asserted": "info",
    "withdrawn": "danger",
    "objected": "danger",
    "complained": "danger",
    "refused": "danger",
    "erased": "danger",
    "expired": "warning",
    "revoked": "warning",
    "invalidated": "warning",
    "restricted": "warning",
}
VIEW_EVIDENCE = "consent.view_consentevidence"


@admin.register(ConsentEvent)
class ConsentEventAdmin(ReadOnly, BigList):
    empty_text = _("Each yes and each no is written here once, and never changed.")
    list_display = (
        "occurred_at",
        "act",
        "person",
        "topic_key",
        "by_channel",
        "method",
        "actor_role",
        "sealed",
        "evidence_kept",
    )
    list_filter = (("kind", ChoicesDropdownFilter), ("topic", RelatedDropdownFilter))
    search_fields = ("subject",)
    actions_detail = ("go_to_person",)
    search_help_text = _("Pseudonym, or at least six characters of its beginning")
    fieldsets: tuple[Any, ...] = (
        (
            None,
            {
                "fields": (
                    "subject",
                    "kind",
                    "topic_key",
                    "by_channel",
                    "basis",
                    "method",
                    "actor_role",
                    "actor",
                    "occurred_at",
                    "recorded_at",
                    "undoes",
                )
            },
        ),
        (_("What was shown"), {"fields": ("words", "wording_digest")}),
        (_("Proof"), {"fields": ("sealed", "leaf_hex", "commitment_hex", "evidence_kept")}),
        (_("Evidence"), {"fields": ("evidence_details",)}),
    )

    def get_custom_urls(self) -> tuple[Any, ...]:
        return (("person/<int:object_id>/proof/", "consent_consentevent_prove", proving.prove),)

    def has_person_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        may_see_both = ["consent.view_consentevent", "contacts.view_contact"]
        return bool(request.user.has_perms(may_see_both))

    @action(description=_("The person"), url_path="person", permissions=["person"])
    def go_to_person(self, request: HttpRequest, object_id: str) -> HttpResponse:
        event = acts.load(self, request, object_id)
        contact = contacts.contact_of_subject(event.subject)
        if contact is None:
            raise Http404
        return redirect(reverse("admin:contacts_contact_change", args=[contact.pk]))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset(request)
        kept = ConsentEvidence.objects.filter(event=OuterRef("pk"))
        events: QuerySet[Any] = found.select_related("entry", "wording").annotate(
            has_evidence=Exists(kept)
        )
        return events

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        may_see = request.user.has_perm(VIEW_EVIDENCE)
        return self.fieldsets if may_see else self.fieldsets[:-1]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [name for _title, part in self.fieldsets for name in part["fields"]]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        bounds = pseudonyms.bounds(search_term)
        return queryset.filter(subject__range=bounds) if bounds else queryset.none(), False

    @display(description=_("act"), label=KIND_COLORS)
    def act(self, event: ConsentEvent) -> tuple[str, str]:
        return event.kind, event.get_kind_display()

    @display(description=_("pseudonym"))
    def person(self, event: ConsentEvent) -> str:
        return str(event.subject)[:8]

    @display(description=_("topic"))
    def topic_key(self, event: ConsentEvent) -> Any:
        return event.topic_id or _("every topic")

    @display(description=_("channel"))
    def by_channel(self, event: ConsentEvent) -> Any:
        return event.get_channel_display() if event.channel else _("every channel")

    @display(description=_("sealed at position"))
    def sealed(self, event: ConsentEvent) -> Any:
        entry = getattr(event, "entry", None)
        return entry.position if entry else _("not yet")

    @display(description=_("evidence"), boolean=True)
    def evidence_kept(self, event: Any) -> bool:
        return bool(event.has_evidence)

    @display(description=_("text beside the box"))
    def words(self, event: ConsentEvent) -> str:
        return event.wording.text if event.wording else "-"

    @display(description=_("digest"))
    def wording_digest(self, event: ConsentEvent) -> str:
        return event.wording_id or "-"

    @display(description=_("leaf"))
    def leaf_hex(self, event: ConsentEvent) -> str:
        return bytes(event.leaf).hex()

    @display(description=_("commitment"))
    def commitment_hex(self, event: ConsentEvent) -> str:
        return bytes(event.commitment).hex()

    @display(description=_("details"))
    def evidence_details(self, event: ConsentEvent) -> Any:
        evidence = getattr(event, "evidence", None)
        if evidence is None:
            return _("Erased; the commitment still proves what it was.")
        return (
            "\n".join(f"{name}: {value}" for name, value in sorted(evidence.details.items())) or "-"
        )


@admin.register(LedgerCheckpoint)
class LedgerCheckpointAdmin(ReadOnly, BigList):
    empty_text = _("A checkpoint signs the ledger as it is, seconds after something was said.")
    list_display = ("created_at", figure("size", _("size")), "short_root", "key_id")
    fields = ("size", "created_at", "root_hex", "previous_hex", "key_id", "text", "signature_hex")
    readonly_fields = fields
    actions_list = ("glance",)
    actions_detail = ("export",)

    def get_custom_urls(self) -> tuple[Any, ...]:
        name = "consent_ledgercheckpoint_"
        return (
            ("status/", f"{name}status", ledger_status.show_status),
            ("status/verify/", f"{name}verify", ledger_status.verify_now),
            ("status/readings/", f"{name}readings", ledger_status.show_readings),
            ("<int:object_id>/note/", f"{name}note", ledger_status.download),
        )

    @action(description=_("The ledger at a glance"), url_path="glance")
    def glance(self, request: HttpRequest) -> HttpResponse:
        return redirect(reverse("admin:consent_ledgercheckpoint_status"))

    @action(description=_("Download"), url_path="export")
    def export(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect(acts.url_of(self, acts.load(self, request, object_id), "note"))

    @display(description=_("root"))
    def short_root(self, checkpoint: LedgerCheckpoint) -> str:
        return f"{bytes(checkpoint.root or b'').hex()[:16]}…"

    @display(description=_("root"))
    def root_hex(self, checkpoint: LedgerCheckpoint) -> str:
        return bytes(checkpoint.root or b"").hex()

    @display(description=_("previous checkpoint"))
    def previous_hex(self, checkpoint: LedgerCheckpoint) -> str:
        return bytes(checkpoint.previous or b"").hex()

    @display(description=_("signature"))
    def signature_hex(self, checkpoint: LedgerCheckpoint) -> str:
        return bytes(checkpoint.signature or b"").hex()
