"""The page of a campaign."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from campaigns.models import Campaign


@admin.register(Campaign)
class CampaignAdmin(ModelAdmin):
    list_display = ("name",)
    search_fields = ("name",)
