"""Lists of big tables: newest first, page by page along the primary key, never counted."""

from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import connection
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList

from contacts import languages

OLDER, NEWER = "older_than", "newer_than"


def estimated_count(model: type[Model]) -> int:
    """The number of rows that PostgreSQL remembers from its last look, without counting."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = %s::regclass",
            [model._meta.db_table],
        )
        return int(cursor.fetchone()[0])


class Keyset:
    """One page of rows by descending primary key, and the way to its neighbors."""

    template_name = "admin/desk/keyset.html"
    num_pages = 1

    def __init__(self, rows: QuerySet[Any], parameters: dict[str, str], per_page: int) -> None:
        self.per_page = per_page
        older, newer = (number(parameters.get(name)) for name in (OLDER, NEWER))
        if newer is not None:
            found = list(rows.order_by("pk").filter(pk__gt=newer)[: per_page + 1])
            page = found[:per_page][::-1]
            self.has_newer, self.has_older = len(found) > per_page, True
        else:
            if older is not None:
                rows = rows.filter(pk__lt=older)
            found = list(rows.order_by("-pk")[: per_page + 1])
            page = found[:per_page]
            self.has_newer, self.has_older = older is not None, len(found) > per_page
        self.page = page

    @property
    def count(self) -> int:
        return len(self.page)

    @property
    def newer(self) -> str:
        return f"{NEWER}={self.page[0].pk}" if self.page and self.has_newer else ""

    @property
    def older(self) -> str:
        return f"{OLDER}={self.page[-1].pk}" if self.page and self.has_older else ""

    def get_elided_page_range(self, *_: Any) -> list[int]:
        return []


def number(text: str | None) -> int | None:
    """The key in a cursor of a page's address, or None where there is none that could be one."""
    return int(text) if text and text.isdecimal() and len(text) < 19 else None


class KeysetChangeList(ChangeList):
    """A change list that goes along the key instead of counting pages."""

    def get_filters_params(self, params: Any = None) -> Any:
        kept = super().get_filters_params(params)
        return {name: value for name, value in kept.items() if name not in (OLDER, NEWER)}

    def get_results(self, request: HttpRequest) -> None:
        self.paginator = Keyset(self.queryset, self.params, self.list_per_page)
        self.result_list = self.paginator.page
        self.result_count = self.full_result_count = self.paginator.count
        self.show_full_result_count = self.can_show_all = self.multi_page = False
        self.show_admin_actions = False
        is_whole = not self.get_filters_params() and not self.query
        self.estimate = estimated_count(self.model) if is_whole else None
        self.newer_url = self._neighbor(self.paginator.newer)
        self.older_url = self._neighbor(self.paginator.older)

    def _neighbor(self, cursor: str) -> str:
        if not cursor:
            return ""
        name, _, value = cursor.partition("=")
        return str(self.get_query_string({name: value}, remove=[OLDER, NEWER]))


def figure(name: str, title: Any) -> Any:
    """A column of a list: the number of this name as people write it, 1 234 567."""

    @display(description=title)
    def shown(row: Model) -> str:
        value = getattr(row, name)
        return "-" if value is None else intcomma(value)

    shown.__name__ = name
    return shown


@display(description=_("language"))
def in_language(row: Any) -> str:
    """A column: the language of a row, by its name."""
    return languages.name_of(row.language)


class OwnFilters:
    """A list is narrowed by the filters it shows and by nothing else.

    Django lets the address of a page ask for any column of the table itself: also for one that is not
    shown, letter by letter.
    """

    model: Any
    # Lookups that links of ours ask for, beside the filters that are shown.
    linked_lookups: frozenset[str] = frozenset()

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        filters = self.get_list_filter(request)  # type: ignore[attr-defined]
        # A filter of our own reads its parameter itself, whatever column is called the same.
        if lookup in self.linked_lookups | {
            getattr(each, "parameter_name", "") for each in filters
        }:
            return True
        column = lookup.partition("__")[0]
        columns = {field.name for field in self.model._meta.get_fields()} | {"pk"}
        columns |= {field.attname for field in self.model._meta.concrete_fields}
        is_shown = column in {_column_of(shown) for shown in filters}
        if column in columns and not is_shown:
            return False
        return bool(super().lookup_allowed(lookup, value, request))  # type: ignore[misc]


def _column_of(shown: Any) -> str:
    name = shown[0] if isinstance(shown, tuple | list) else shown
    return name.partition("__")[0] if isinstance(name, str) else ""


class BigList(OwnFilters, ModelAdmin):
    """For tables that grow with the audience."""

    actions = None
    sortable_by: tuple[str, ...] = ()
    show_full_result_count = False
    list_per_page = 50

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return KeysetChangeList


class ReadOnly(OwnFilters):
    """What the machinery writes is looked at, never edited."""

    def has_add_permission(self, request: HttpRequest, *_: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class Settled(ModelAdmin):
    """What was noted stays as it was noted: acts change it, its form does not."""

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        no_buttons = {
            "show_save": False,
            "show_save_and_continue": False,
            "show_save_and_add_another": False,
        }
        shown: HttpResponse = super().change_view(
            request, object_id, form_url, no_buttons | (extra_context or {})
        )
        return shown


class Kept(OwnFilters):
    """What other rows stand on is retired or cancelled, never deleted."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
