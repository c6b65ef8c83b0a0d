"""What the rules of segments name, tags and static lists: while a rule names it, it stays."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import display

from contacts import segments
from contacts.admin import acts
from contacts.admin.lists import OwnFilters
from contacts.models import Segment, StaticList, Tag


class Named(OwnFilters, ModelAdmin):
    actions = None

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The thing alone: its people stay, and there may be a million of them."""
        name = self.opts.verbose_name_plural
        return [str(each) for each in objs], {name: len(objs)}, set(), []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        may = super().has_delete_permission(request, obj)
        return bool(may and (obj is None or not asked_by(obj)))

    @display(description=gettext_lazy("used by"))
    def used_by(self, named: StaticList | Tag) -> str:
        desk = self.admin_site.get_model_admin(Segment)
        links = [(acts.url_of(desk, segment), segment.name) for segment in asked_by(named)]
        if not links:
            return _("Nothing uses it yet.")
        return format_html_join(", ", '<a href="{}">{}</a>', links)


@admin.register(Tag)
class TagAdmin(Named):
    empty_text = gettext_lazy("A tag is a word put on people, for a segment to ask about.")
    search_fields = ("name",)
    list_display = ("name",)
    ordering = ("name",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Rules ask for a tag by its name."""
        if obj is None:
            return ()
        return ("name", "used_by") if asked_by(obj) else ("used_by",)


def asked_by(named: StaticList | Tag) -> list[Segment]:
    """Segments are few: their rules are read, not searched."""
    if isinstance(named, Tag):
        asked = ("tag", named.name)
    else:
        asked = ("static_list", str(named.pk))
    return [
        segment
        for segment in Segment.objects.order_by("name")
        if asked in segments.names_in(segment.rule)
    ]
