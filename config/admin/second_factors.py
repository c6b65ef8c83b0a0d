"""Lost apps and keys: whoever changes staff accounts removes them here, and the owner is told."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from contacts.admin.lists import ReadOnly

admin.site.unregister(Authenticator)
admin.site.unregister(EmailAddress)


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnly, ModelAdmin):
    """Looked at and removed; what an app or a key holds is never shown."""

    empty_text = _("Which members of staff sign in with a second factor, and since when.")
    list_display = ("owner", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("user__username",)
    fields = list_display
    readonly_fields = ("owner",)
    actions = None

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("auth.change_user"))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never one's own, and of a superuser only by a superuser."""
        if not isinstance(obj, Authenticator):
            return False
        is_above = obj.user.is_superuser and not request.user.is_superuser
        is_own = obj.user_id == request.user.pk
        return self.has_view_permission(request, obj) and not is_above and not is_own

    def delete_model(self, request: HttpRequest, obj: Authenticator) -> None:
        user = obj.user
        super().delete_model(request, obj)
        get_adapter(request).send_notification_mail("mfa/email/totp_deactivated", user)

    @display(description=_("who"), ordering="user__username")
    def owner(self, authenticator: Authenticator) -> str:
        return str(authenticator.user.get_username())
