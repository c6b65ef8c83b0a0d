"""Suppressed addresses: found by address through the fingerprint, added, never removed.

An address is posted, never put into the address of a page, where logs and histories would keep it.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from consent import services
from consent.models import Suppression
from contacts import addresses
from contacts.admin import acts
from contacts.admin.lists import BigList
from contacts.models import Channel

BY_STAFF = [Suppression.Cause.STAFF, Suppression.Cause.LEGAL]


class SuppressionForm(forms.ModelForm):
    address = forms.CharField(
        label=_("Address"),
        widget=UnfoldAdminTextInputWidget,
        help_text=_("It is kept as a keyed fingerprint only."),
    )

    class Meta:
        model = Suppression
        fields = ("channel", "topic", "cause")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "cause" in self.fields:
            self.fields["cause"].choices = [(cause.value, cause.label) for cause in BY_STAFF]  # type: ignore[attr-defined]
            carrying = [Channel.EMAIL, Channel.SMS]
            self.fields["channel"].choices = [(at.value, at.label) for at in carrying]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if {"channel", "address"} <= cleaned.keys():
            try:
                addresses.normalize(cleaned["channel"], cleaned["address"])
            except addresses.AddressError as error:
                self.add_error("address", str(error))
        return cleaned


class FindForm(forms.Form):
    address = forms.CharField(
        label=_("Address"),
        max_length=320,
        widget=UnfoldAdminTextInputWidget,
        help_text=_("Exact email address or phone number"),
    )

    def clean_address(self) -> str:
        """The fingerprint of what was typed, as digits."""
        typed = self.cleaned_data["address"]
        channel = Channel.EMAIL if "@" in typed else Channel.SMS
        try:
            return addresses.fingerprint(addresses.normalize(channel, typed)).hex()
        except addresses.AddressError as error:
            raise forms.ValidationError(str(error)) from error


def find(request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse:
    """Ask for an address, and go to the list narrowed to its fingerprint."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    form = FindForm(request.POST or None)
    suppressions = reverse("admin:consent_suppression_changelist")
    if request.method == "POST" and form.is_valid():
        return redirect(f"{suppressions}?q={form.cleaned_data['address']}")
    return acts.show(
        model_admin,
        request,
        None,
        "admin/desk/act.html",
        title=_("Find a suppressed address"),
        sentence=_("What you type is compared by its fingerprint and kept nowhere."),
        button=_("Find"),
        form=form,
        back=suppressions,
    )


def _bounds(digits: str) -> tuple[bytes, bytes] | None:
    """The first and the last fingerprint that begin with these hexadecimal digits."""
    if len(digits) > 64 or set(digits) - set("0123456789abcdef"):
        return None
    return bytes.fromhex(digits.ljust(64, "0")), bytes.fromhex(digits.ljust(64, "f"))


@admin.register(Suppression)
class SuppressionAdmin(BigList):
    empty_text = _(
        "Addresses that are never written to, each known by its fingerprint only. Withdrawals and "
        "complaints add them by themselves."
    )
    form = SuppressionForm
    list_display = ("short", "channel", "why", "topic", "since")
    list_filter = (("cause", ChoicesDropdownFilter), ("channel", ChoicesDropdownFilter))
    list_select_related = ("topic",)
    search_fields = ("fingerprint",)
    search_help_text = _("Beginning of a fingerprint")
    list_before_template = "admin/consent/find_suppression.html"
    readonly_fields = ("short", "since", "event")

    def get_custom_urls(self) -> tuple[Any, ...]:
        return (("find/", "consent_suppression_find", find),)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("channel", "address", "topic", "cause")
        return ("short", "channel", "topic", "cause", "since", "event")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        kwargs["fields"] = SuppressionForm.Meta.fields
        return super().get_form(request, obj, change, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        digits = search_term.strip().rstrip("…").lower()
        if not digits:
            return queryset, False
        bounds = _bounds(digits)
        return queryset.filter(fingerprint__range=bounds) if bounds else queryset.none(), False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        chosen = form.cleaned_data
        added = services.suppress_address(
            channel=chosen["channel"],
            address=chosen["address"],
            topic=chosen["topic"],
            cause=Suppression.Cause(chosen["cause"]),
        )
        obj.pk = added.pk
        obj.refresh_from_db()

    @display(description=_("fingerprint"))
    def short(self, suppression: Suppression) -> str:
        return f"{bytes(suppression.fingerprint).hex()[:16]}…"

    @display(
        description=_("cause"),
        label=dict.fromkeys(Suppression.Cause.values, "default") | {"legal": "danger"},
    )
    def why(self, suppression: Suppression) -> tuple[str, str]:
        return suppression.cause, suppression.get_cause_display()
