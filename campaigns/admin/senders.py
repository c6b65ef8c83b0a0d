"""Who campaigns come from."""

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from campaigns import delivery
from campaigns.models import Sender
from campaigns.transports import RelayDown
from contacts.admin.lists import Kept


class SenderForm(forms.ModelForm):
    def clean_transport(self) -> str:
        """A backend that nobody could send through is refused here, not at the hour of a campaign."""
        transport: str = self.cleaned_data["transport"].strip()
        try:
            delivery.open_mail_transport(Sender(transport=transport)).close()
        except RelayDown as down:
            raise forms.ValidationError(_("The sender cannot send: %s") % down.reason) from down
        return transport


@admin.register(Sender)
class SenderAdmin(Kept, ModelAdmin):
    form = SenderForm
    empty_text = _(
        "A sender is who campaigns come from: a name, an address, and how its mail is handed over."
    )
    list_display = ("name", "writes_as", "transport", "per_minute")
    search_fields = ("name", "from_email")
    ordering = ("name",)

    @display(description=_("from"))
    def writes_as(self, sender: Sender) -> str:
        return f"{sender.from_name} <{sender.from_email}>"
