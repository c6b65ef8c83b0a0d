"""Who asks: one organization stands in every footer, wording and receipt."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from consent.models import Organization
from contacts.admin.lists import Kept


@admin.register(Organization)
class OrganizationAdmin(Kept, ModelAdmin):
    list_display = ("legal_name", "country", "contact_name", "email", "privacy_page")
    compressed_fields = True

    def has_add_permission(self, request: HttpRequest) -> bool:
        return not Organization.objects.exists() and bool(super().has_add_permission(request))
