"""The outbox of service mail, to look at."""

from typing import Any

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from consent.models import ServiceMail
from contacts.admin.lists import BigList, ReadOnly, in_language


@admin.register(ServiceMail)
class ServiceMailAdmin(ReadOnly, BigList):
    empty_text = _(
        "Confirmations, links and receipts on their way to people. Nothing was asked for yet."
    )
    list_display = (
        "created_at",
        "purpose",
        "channel",
        "person",
        in_language,
        "state",
        "attempts",
        "sent_at",
    )
    list_filter = (("purpose", ChoicesDropdownFilter), ("channel", ChoicesDropdownFilter))
    list_select_related = ("contact",)
    fields = (
        "contact",
        "purpose",
        "channel",
        in_language,
        "attempts",
        "created_at",
        "due_at",
        "sent_at",
        "given_up_at",
    )
    readonly_fields = fields

    @display(description=_("contact"))
    def person(self, mail: ServiceMail) -> str:
        return mail.contact.pseudonym

    @display(
        description=_("state"),
        label={"sent": "success", "waiting": "info", "given_up": "danger"},
    )
    def state(self, mail: ServiceMail) -> tuple[str, Any]:
        if mail.sent_at:
            return "sent", _("sent")
        return ("given_up", _("given up")) if mail.given_up_at else ("waiting", _("waiting"))
