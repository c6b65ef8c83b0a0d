"""The pages of staff accounts and their roles.

Only a superuser makes or changes a superuser, nobody changes their own roles, and the roles that come with
Assent are read only: a group beside them can be cut otherwise.
"""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from config import roles
from contacts.admin.lists import Kept

admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(Kept, DjangoUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "roles", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "groups")
    actions = None

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        dates = ("last_login", "date_joined")
        if request.user.is_superuser:
            return dates
        is_own = obj is not None and obj.pk == request.user.pk
        own = ("groups", "is_staff", "is_active") if is_own else ()
        return (*dates, "is_superuser", "user_permissions", *own)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_above = isinstance(obj, User) and obj.is_superuser and not request.user.is_superuser
        return not is_above and super().has_change_permission(request, obj)

    @display(description=_("roles"))
    def roles(self, user: User) -> str:
        return ", ".join(group.name for group in user.groups.all())


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    list_display = ("name",)
    actions = None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _comes_with_assent(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _comes_with_assent(obj) and super().has_delete_permission(request, obj)


def _comes_with_assent(group: object) -> bool:
    return isinstance(group, Group) and group.name in roles.ROLES
