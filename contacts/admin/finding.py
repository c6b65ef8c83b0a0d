"""Finds one person: by pseudonym, or by a whole address through its fingerprint.

An address is posted, never put into the address of a page, where logs and histories would keep it.
"""

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import UnfoldAdminTextInputWidget

from contacts import addresses, services
from contacts.admin import acts, names
from contacts.admin.names import VIEW_IDENTITY
from contacts.models import Channel, Contact

BY_ADDRESS = _("Exact email address, phone number or pseudonym")
BY_PSEUDONYM = _("Pseudonym, or at least six characters of its beginning")


class FindForm(forms.Form):
    person = forms.CharField(label=_("Who?"), max_length=320, widget=UnfoldAdminTextInputWidget)

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request.POST or None)
        self.request = request
        may_find_by_address = request.user.has_perm(VIEW_IDENTITY)
        self.fields["person"].help_text = BY_ADDRESS if may_find_by_address else BY_PSEUDONYM

    def clean_person(self) -> Contact:
        term = self.cleaned_data["person"]
        contact = find_person(self.request, term)
        if contact is None and services.find_by_pseudonym(term):
            raise forms.ValidationError(
                _("Several pseudonyms begin like this: write more of the one you mean.")
            )
        if contact is None:
            raise forms.ValidationError(_("Nobody is known under this address or pseudonym."))
        return contact


def find_person(request: HttpRequest, term: str) -> Contact | None:
    """The one contact under a pseudonym that fits nobody else or, with `view_identity`, at an address.

    Whether an address is known says who somebody is: only with `view_identity` is it looked for.
    """
    found = services.find_by_pseudonym(term)
    if found or not request.user.has_perm(VIEW_IDENTITY):
        return found[0] if len(found) == 1 else None
    channel = Channel.EMAIL if "@" in term else Channel.SMS
    try:
        return services.find_contact(channel=channel, address=term)
    except addresses.AddressError:
        return None


def find(request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse:
    """Ask for an address or pseudonym, and go to that person's page."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    form = FindForm(request)
    if request.method == "POST" and form.is_valid():
        person = form.cleaned_data["person"]
        if not services.find_by_pseudonym(request.POST["person"]):
            _note_whose_page(request, person)
        return redirect(acts.url_of(model_admin, person))
    return acts.show(
        model_admin,
        request,
        None,
        "admin/desk/act.html",
        title=_("Find a person"),
        sentence=_(
            "What you type is compared by its fingerprint and kept nowhere. That you found a person by their"
            " address or number is noted."
        ),
        button=_("Find"),
        form=form,
        back=reverse("admin:contacts_contact_changelist"),
    )


def _note_whose_page(request: HttpRequest, person: Contact) -> None:
    """Who types an address knows whose page they see, though it names nobody: that is noted as a look."""
    services.note_identity_view(
        staff_id=request.user.pk, contact=person, reason=str(_("Found by their address or number."))
    )


def show_names(request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse:
    """Show the people of one page of the list by name: each is noted, with the reason."""
    if not (model_admin.has_view_permission(request) and request.user.has_perm(VIEW_IDENTITY)):
        raise PermissionDenied
    back = reverse("admin:contacts_contact_changelist")
    try:
        listed = model_admin.get_changelist_instance(request).result_list
    except IncorrectLookupParameters:
        return redirect(back)
    people = [contact for contact in listed if not contact.erased_at]
    back += f"?{request.GET.urlencode()}" if request.GET else ""
    form = acts.ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        names.open_identities(request, people, form.cleaned_data["reason"])
        messages.success(request, _("Shown for a quarter of an hour."))
        return redirect(back)
    sentence = ngettext(
        "Of %d person on this page of the list, for a quarter of an hour. They are noted as seen by "
        "you, with this reason.",
        "Of the %d people on this page of the list, for a quarter of an hour. Each is noted as seen by you,"
        " with this reason.",
        len(people),
    )
    return acts.show(
        model_admin,
        request,
        None,
        "admin/desk/act.html",
        title=_("Show the names on this page"),
        sentence=sentence % len(people),
        button=_("Show"),
        form=form,
        back=back,
    )
