"""The pages of contacts: named only to those who may see names, person by person, after a reason."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from contacts import addresses, pseudonyms, services, stages
from contacts.admin import acts, counts, finding, names, panels
from contacts.admin.lists import NEWER, OLDER, BigList, Kept, in_language
from contacts.admin.names import VIEW_IDENTITY, address_of, may_see_identity, name_of
from contacts.models import Channel, Contact

NAMES = ("first_name", "last_name", "email", "phone")
PAIRS = (("first_name", "last_name"), ("email", "phone"))
STAGE = "lifecycle__exact"
# Whoever leafs on, or looks for one person, waits for no counts.
_LEAFED = {OLDER, NEWER, "q"}
PROFILE = (("language", "timezone"), ("lifecycle", "tags"))


class ContactForm(forms.ModelForm):
    """The profile and, for those who may see it, the identity; addresses are changed, never removed."""

    first_name = forms.CharField(
        label=_("First name"), required=False, max_length=200, widget=UnfoldAdminTextInputWidget
    )
    last_name = forms.CharField(
        label=_("Last name"), required=False, max_length=200, widget=UnfoldAdminTextInputWidget
    )
    email = forms.CharField(
        label=_("Email"),
        required=False,
        max_length=320,
        widget=UnfoldAdminEmailInputWidget,
        help_text=_("A new address starts without permission: it was given for the old one."),
    )
    phone = forms.CharField(
        label=_("Phone"),
        required=False,
        max_length=40,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("With the country code, like +33612345678."),
    )

    language = forms.ChoiceField(label=_("Language"), widget=UnfoldAdminSelectWidget)

    class Meta:
        model = Contact
        fields = ("language", "timezone", "lifecycle", "tags")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "language" in self.fields:
            names = dict(settings.LANGUAGES)
            names.setdefault(self.instance.language, self.instance.language)
            self.fields["language"].choices = list(names.items())  # type: ignore[attr-defined]
        identity = getattr(self.instance, "identity", None) if self.instance.pk else None
        for name in NAMES:
            if name in self.fields and identity:
                self.fields[name].initial = getattr(identity, name)

    def clean_timezone(self) -> str:
        zone = str(self.cleaned_data["timezone"])
        try:
            services.check_profile({"timezone": zone})
        except services.UnknownTimeZone as error:
            raise forms.ValidationError(str(error)) from error
        return zone

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        is_reached = any(cleaned.get(name) or name in self.errors for name in ("email", "phone"))
        if not (self.instance.pk or is_reached):
            raise forms.ValidationError(_("Give an email address or a phone number."))
        return cleaned

    def clean_email(self) -> str:
        return self._clean_address(Channel.EMAIL, self.cleaned_data["email"])

    def clean_phone(self) -> str:
        return self._clean_address(Channel.SMS, self.cleaned_data["phone"])

    def _clean_address(self, channel: str, address: str) -> str:
        if not address.strip():
            return ""
        try:
            normalized = addresses.normalize(channel, address)
        except addresses.AddressError as error:
            raise forms.ValidationError(str(error)) from error
        taken = services.find_contact(channel=channel, address=normalized)
        if taken and taken.pk != self.instance.pk:
            raise forms.ValidationError(str(services.AddressTaken()))
        return normalized


@admin.register(Contact)
class ContactAdmin(Kept, BigList):
    empty_text = _("People come from the sign-up page, from an import, or one by one.")
    form = ContactForm
    actions_detail = ("show_name",)
    list_before_template = "admin/contacts/find.html"
    list_filter = (("lifecycle", ChoicesDropdownFilter),)
    autocomplete_fields = ("tags",)
    readonly_fields = (
        "pseudonym",
        "masked",
        "created_at",
        "last_active_at",
        "restricted_at",
        "paused_until",
        "erased_at",
    )
    change_form_outer_after_template = "admin/contacts/panels.html"

    def get_custom_urls(self) -> tuple[Any, ...]:
        return (
            ("find/", "contacts_contact_find", finding.find),
            ("names/", "contacts_contact_show_names", finding.show_names),
            ("count/", "contacts_contact_ask_count", counts.ask_count),
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset(request)
        return found.select_related("identity").defer("attributes")

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        return (*_who(request), in_language, "stage", "standing", "created_at")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """By pseudonym only: an address in the address of a page would enter logs and histories."""
        if not search_term.strip():
            return queryset, False
        bounds = pseudonyms.bounds(search_term)
        return queryset.filter(subject__range=bounds) if bounds else queryset.none(), False

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        if obj is None:
            return [(None, {"fields": (*PAIRS, *PROFILE)})]
        if getattr(obj, "erased_at", None):
            return [(None, {"fields": (("pseudonym", "created_at", "erased_at"),)})]
        who = PAIRS if may_see_identity(request, obj.pk) else (("pseudonym", "masked"),)
        return [(None, {"fields": (*who, *PROFILE, ("created_at", *_set_dates(obj)))})]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "language":
            return ContactForm.base_fields["language"]
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        # The names are fields of the form, not of the model: the factory must not look for them there.
        kwargs["fields"] = ContactForm.Meta.fields
        form = super().get_form(request, obj, change, **kwargs)
        if change and not may_see_identity(request, obj.pk):
            form = type(form.__name__, (form,), dict.fromkeys(NAMES))
        return form

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_erased = isinstance(obj, Contact) and obj.erased_at is not None
        return not is_erased and bool(super().has_change_permission(request, obj))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        known = {name: form.cleaned_data[name] for name in NAMES if name in form.cleaned_data}
        profile = {name: form.cleaned_data[name] for name in ("language", "timezone", "lifecycle")}
        if change:
            services.update_contact(contact=obj, **known, **profile)
        else:
            obj.pk = services.create_contact(**known, **profile).pk
            obj.refresh_from_db()

    def render_change_form(
        self,
        request: HttpRequest,
        context: Any,
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            context["panels"] = panels.panels_of(request, obj)
        page: HttpResponse = super().render_change_form(
            request, context, add, change, form_url, obj
        )
        return page

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        context = {"may_find_by_address": request.user.has_perm(VIEW_IDENTITY)}
        if request.user.has_perm("contacts.view_contact") and not _LEAFED & request.GET.keys():
            context |= _stages(request.GET.get(STAGE, ""))
        page: HttpResponse = super().changelist_view(request, context | (extra_context or {}))
        return page

    def has_ask_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Of somebody erased there is nothing to see, and the reason would be words about them."""
        contact = self.get_object(request, str(object_id))
        is_living = contact is not None and contact.erased_at is None
        return is_living and names.may_ask_for_identity(request, object_id)

    @action(description=_("Show name, addresses and fields"), url_path="name", permissions=["ask"])
    def show_name(self, request: HttpRequest, object_id: str) -> HttpResponse:
        contact = acts.load(self, request, object_id)
        form = acts.ReasonForm(request.POST or None)
        page: HttpResponse = acts.ask(
            self,
            request,
            contact,
            title=_("Show name, addresses and fields"),
            sentence=_(
                "Of this person, for a quarter of an hour. That you looked, and why, is noted."
            ),
            button=_("Show"),
            form=form,
            act=lambda reason: names.open_identities(request, [contact], reason),
            done=_("Shown for a quarter of an hour."),
            refusals=(),
        )
        return page

    @display(description=_("first name"))
    def first_name(self, contact: Contact) -> str:
        return contact.identity.first_name

    @display(description=_("last name"))
    def last_name(self, contact: Contact) -> str:
        return contact.identity.last_name

    @display(description=_("phone"))
    def phone(self, contact: Contact) -> str:
        return address_of(contact, Channel.SMS, is_clear=True)

    @display(description=_("pseudonym"))
    def pseudonym(self, contact: Contact) -> str:
        return contact.pseudonym

    @display(description=_("address"))
    def masked(self, contact: Contact) -> str:
        return addresses_of(contact, is_clear=False)

    @display(description=_("lifecycle stage"), label=True)
    def stage(self, contact: Contact) -> str:
        return contact.get_lifecycle_display()

    @display(description=_("standing"), label={"erased": "danger", "restricted": "warning"})
    def standing(self, contact: Contact) -> tuple[str, Any] | str:
        if contact.erased_at:
            return "erased", _("erased")
        return ("restricted", _("restricted")) if contact.restricted_at else ""


def _stages(chosen: str) -> dict[str, Any]:
    figure = stages.look()
    lines = stages.lines_of(figure.result) if figure.is_counted else []
    return {"figure": figure, "stages": lines, "chosen": chosen, "new_days": stages.NEW_FOR.days}


def _set_dates(contact: Any) -> list[str]:
    dates = ("last_active_at", "restricted_at", "paused_until", "erased_at")
    return [name for name in dates if getattr(contact, name)]


def _who(request: HttpRequest) -> tuple[Any, ...]:
    """Name and address of those whom this session may see, of the others pseudonym and mask."""

    @display(description=_("contact"), header=True)
    def person(contact: Contact) -> list[str]:
        name = name_of(contact, is_clear=may_see_identity(request, contact.pk))
        return [name, "" if name == contact.pseudonym else contact.pseudonym]

    @display(description=_("address"))
    def address(contact: Contact) -> str:
        is_clear = may_see_identity(request, contact.pk)
        return addresses_of(contact, is_clear=is_clear)

    return person, address


def addresses_of(contact: Contact, *, is_clear: bool) -> str:
    channels = (Channel.EMAIL, Channel.SMS)
    shown = (address_of(contact, at, is_clear=is_clear) for at in channels)
    return " · ".join(filter(None, shown))
