"""Segments."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from contacts.models import Segment


@admin.register(Segment)
class SegmentAdmin(ModelAdmin):
    search_fields = ("name",)
    list_display = ("name", "created_at")
    ordering = ("name",)
