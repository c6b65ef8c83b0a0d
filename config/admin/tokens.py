"""API tokens: everybody makes and ends their own; administrators end anybody's. A token is shown once."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from config.access import tokens
from config.models import ApiToken
from contacts.admin import acts
from contacts.admin.lists import OwnFilters

DAYS = [(7, _("7 days")), (30, _("30 days")), (90, _("90 days")), (365, _("1 year"))]


class TokenForm(forms.ModelForm):
    purpose = forms.CharField(
        label=_("What it is for"), max_length=200, widget=UnfoldAdminTextInputWidget
    )
    scopes = forms.MultipleChoiceField(
        label=_("It may"), widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    days = forms.TypedChoiceField(
        label=_("For"), choices=DAYS, coerce=int, initial=30, widget=UnfoldAdminSelectWidget
    )

    class Meta:
        model = ApiToken
        fields = ("purpose", "scopes")


@admin.register(ApiToken)
class ApiTokenAdmin(OwnFilters, ModelAdmin):
    empty_text = _(
        "A token lets a program use the REST API in your name, for what you tick and until a day "
        "you choose."
    )
    list_display = ("purpose", "owner", "beginning", "standing", "expires_at", "last_used_on")
    list_select_related = ("owner",)
    ordering = ("-pk",)
    actions = None
    actions_detail = ("end",)
    readonly_fields = (
        "purpose", "owner", "beginning", "may", "created_at", "expires_at", "last_used_on",
        "ended_at",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset(request)
        if request.user.has_perm("config.view_apitoken"):
            return found
        return found.filter(owner_id=request.user.pk)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_staff)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.is_staff)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(tokens.possible_scopes(_staff(request)))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_end_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        if request.user.has_perm("config.change_apitoken"):
            return True
        return ApiToken.objects.filter(pk=object_id, owner_id=request.user.pk).exists()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.readonly_fields if obj else ("purpose", "scopes", "days")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.readonly_fields if obj else ()

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is not None:
            return super().get_form(request, obj, change, **kwargs)
        choices = [
            (scope, tokens.SCOPES[scope]) for scope in tokens.possible_scopes(_staff(request))
        ]
        scopes = forms.MultipleChoiceField(
            label=_("It may"), choices=choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
        )
        return type("TokenForm", (TokenForm,), {"scopes": scopes})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        made, secret = tokens.make(owner=_staff(request), **form.cleaned_data)
        obj.pk = made.pk
        obj.refresh_from_db()
        messages.warning(request, _("Copy the token now, it is never shown again: %s") % secret)

    def log_addition(self, *_args: Any) -> None:
        """The audit trail tells it."""

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        is_over = ApiToken.objects.filter(pk=object_id).exclude(ended_at=None).exists()
        return [] if is_over else super().get_actions_detail(request, object_id)

    @action(description=_("End"), url_path="end", permissions=["end"], variant=ActionVariant.DANGER)
    def end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        token = acts.load(self, request, object_id)
        return acts.ask(
            self,
            request,
            token,
            title=_("End this token"),
            sentence=_("Programs that show it are refused from then on."),
            button=_("End"),
            act=lambda: tokens.end(token=token),
            done=_("The token is over."),
            refusals=(),
        )

    @display(description=_("may"))
    def may(self, token: ApiToken) -> str:
        return ", ".join(str(tokens.SCOPES.get(scope, scope)) for scope in token.scopes)

    @display(description=_("state"), label={"standing": "success", "over": "default"})
    def standing(self, token: ApiToken) -> tuple[str, Any]:
        if token.ended_at or token.expires_at < timezone.now():
            return "over", _("over")
        return "standing", _("standing")


def _staff(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
