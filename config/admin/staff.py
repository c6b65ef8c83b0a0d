"""The pages of staff accounts and their roles.

Only a superuser makes or changes a superuser, nobody changes their own roles, and the roles that come with
Assent are read only: a group beside them can be cut otherwise.
"""

from collections import defaultdict
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import Count
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from config import roles
from contacts.admin.lists import Kept, OwnFilters

BY_MODEL = ("content_type__app_label", "content_type__model", "pk")
# How Django begins the names of the permissions that every model has.
VERBS = {"view": _("see"), "add": _("add"), "change": _("change"), "delete": _("delete")}

admin.site.unregister(User)
admin.site.unregister(Group)


class RolesField(forms.ModelMultipleChoiceField):
    """The roles by their names in the reader's language."""

    def label_from_instance(self, obj: Any) -> str:
        return gettext(obj.name)


class PermissionsField(forms.ModelMultipleChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return f"{capfirst(obj.content_type.name)} · {_verb(obj)}"


@admin.register(User)
class UserAdmin(Kept, DjangoUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "roles", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "groups")
    filter_horizontal = ()
    # Who may what is read off roles: a permission given to one account alone is one that nobody sees.
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Who it is"), {"fields": ("first_name", "last_name", "email")}),
        (_("What they may do"), {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    actions = None

    def formfield_for_manytomany(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name != "groups":
            return super().formfield_for_manytomany(db_field, request, **kwargs)
        return RolesField(
            Group.objects.order_by("name"),
            label=_("Roles"),
            required=False,
            widget=UnfoldAdminCheckboxSelectMultipleWidget,
        )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("groups")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        dates = ("last_login", "date_joined")
        if request.user.is_superuser:
            return dates
        is_own = obj is not None and obj.pk == request.user.pk
        own = ("groups", "is_staff", "is_active") if is_own else ()
        return (*dates, "is_superuser", *own)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_above = isinstance(obj, User) and obj.is_superuser and not request.user.is_superuser
        return not is_above and super().has_change_permission(request, obj)

    @display(description=_("roles"))
    def roles(self, user: User) -> str:
        return ", ".join(gettext(group.name) for group in user.groups.all()) or "-"


@admin.register(Group)
class GroupAdmin(OwnFilters, DjangoGroupAdmin, ModelAdmin):
    list_display = ("called", "people")
    filter_horizontal = ()
    actions = None

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(members=Count("user"))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("called", "may") if _comes_with_assent(obj) else ("name", "permissions")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("called", "may") if _comes_with_assent(obj) else ()

    def formfield_for_manytomany(self, db_field: Any, request: Any = None, **kwargs: Any) -> Any:
        return PermissionsField(
            roles.permissions().select_related("content_type").order_by(*BY_MODEL),
            label=pgettext_lazy("role", "May"),
            required=False,
            widget=UnfoldAdminCheckboxSelectMultipleWidget,
        )

    @display(description=_("name"))
    def called(self, group: Group) -> str:
        return gettext(group.name)

    @display(description=_("people"))
    def people(self, group: Any) -> int:
        return int(group.members)

    @display(description=_("may"))
    def may(self, group: Group) -> str:
        verbs: dict[str, list[str]] = defaultdict(list)
        for permission in group.permissions.select_related("content_type").order_by(*BY_MODEL):
            verbs[capfirst(permission.content_type.name)].append(_verb(permission))
        lines = ((model, ", ".join(said)) for model, said in verbs.items())
        return format_html_join(mark_safe("<br>"), "{} · {}", lines)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _comes_with_assent(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _comes_with_assent(obj) and super().has_delete_permission(request, obj)


def _verb(permission: Permission) -> str:
    verb, _sep, model = permission.codename.partition("_")
    is_plain = verb in VERBS and model == permission.content_type.model
    return str(VERBS[verb]) if is_plain else gettext(permission.name)


def _comes_with_assent(group: object) -> bool:
    return isinstance(group, Group) and group.name in roles.ROLES
