"""Pages of the API."""

from rest_framework.pagination import CursorPagination


class NewestFirst(CursorPagination):
    """Pages that cost the same however long the list is."""

    ordering = "-pk"
    page_size_query_param = "page_size"
    max_page_size = 1000
