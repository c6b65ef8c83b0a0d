"""Who asks: one organization stands in every footer, wording and receipt."""

from typing import Any

from django.contrib import admin
from django.db.models import URLField
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from consent.models import Organization
from contacts.admin.lists import Kept


@admin.register(Organization)
class OrganizationAdmin(Kept, ModelAdmin):
    empty_text = _(
        "Who asks for consent: name and postal address stand in every footer and receipt."
    )
    list_display = ("legal_name", "country", "contact_name", "email", "privacy_page")
    compressed_fields = True

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if isinstance(db_field, URLField):
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return not Organization.objects.exists() and bool(super().has_add_permission(request))
