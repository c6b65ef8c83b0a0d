"""What staff note about one person: whom it is about is found by an address, a number or a pseudonym."""

from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from contacts.admin.finding import find_person
from contacts.admin.lists import Kept, Settled
from contacts.models import Contact


class NoteForm(forms.ModelForm):
    request: HttpRequest
    person = forms.CharField(
        label=_("Who?"),
        max_length=320,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Exact email address, phone number or pseudonym"),
    )

    def clean_person(self) -> Contact:
        contact = find_person(self.request, self.cleaned_data["person"])
        if contact is None:
            raise forms.ValidationError(_("Nobody is known under this address or pseudonym."))
        return contact


class Noted(Kept, Settled):
    """Noted once by its `form`, a `NoteForm`; afterwards it is only read."""

    form: type[NoteForm]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else tuple(self.form.base_fields)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else ()

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj:
            return super().get_form(request, obj, change, **kwargs)
        return type(self.form.__name__, (self.form,), {"request": request})

    @display(description=_("contact"))
    def person(self, noted: Any) -> str:
        return str(noted.contact.pseudonym)
