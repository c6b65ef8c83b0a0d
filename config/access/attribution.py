"""Says whose act a request is, before anything is written, and notes what is only looked at."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from config import trail

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# Answers in which somebody with this permission is shown people in clear.
SHOWN = {
    "api:contact-list": "contacts.view_identity",
    "api:contact-detail": "contacts.view_identity",
    "api:contact-find": "contacts.view_identity",
}


class Attribution:
    """Wraps every request; an API token names its staff member itself, when it is looked at."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            response = self.get_response(request)
            self._note_view(request, response)
        finally:
            trail.end(request)
        return response

    def process_view(self, request: HttpRequest, *_view: Any) -> None:
        if request.method not in SAFE:
            trail.attribute(request, request.user)

    def _note_view(self, request: HttpRequest, response: HttpResponse) -> None:
        permission = SHOWN.get(trail.door_of(request)) if response.status_code < 300 else None
        if permission is None or request.method == "HEAD" or not request.user.has_perm(permission):
            return
        token = getattr(request, "auth", None)
        if token is None:  # masked
            return
        shown = response.data  # type: ignore[attr-defined]
        trail.note(
            request,
            trail.Action.VIEWED,
            staff=request.user,
            object_type="contacts.identity",
            object_id=shown.get("subject", ""),
            details={
                "token": token.pk,
                "purpose": token.purpose,
                "people": len(shown.get("results", [shown])),
            },
        )
