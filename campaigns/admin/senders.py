"""Who campaigns come from."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from campaigns.models import Sender
from contacts.admin.lists import Kept


@admin.register(Sender)
class SenderAdmin(Kept, ModelAdmin):
    empty_text = _(
        "A sender is who campaigns come from: a name, an address, and how its mail is handed over."
    )
    list_display = ("name", "writes_as", "transport", "per_minute")
    search_fields = ("name", "from_email")
    ordering = ("name",)

    @display(description=_("from"))
    def writes_as(self, sender: Sender) -> str:
        return f"{sender.from_name} <{sender.from_email}>"
