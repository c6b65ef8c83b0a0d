"""Keeps sessions away from the public pages: what people outside do is never mixed with who is signed in."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

# Pages of subscribers, messages in a browser and their images.
PUBLIC = {"consent", "campaigns"}


class CookieFree:
    """Stands before the session. On a public page, and where no page is, no cookie is read or set."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not _is_public(request.path_info):
            return self.get_response(request)
        request.COOKIES = {}
        response = self.get_response(request)
        response.cookies.clear()
        varies = response.headers.get("Vary", "").split(", ")
        response.headers["Vary"] = ", ".join(sorted({*varies, "Accept-Language"} - {"", "Cookie"}))
        return response


def _is_public(path: str) -> bool:
    try:
        return not PUBLIC.isdisjoint(resolve(path).namespaces)
    except Resolver404:
        return True
