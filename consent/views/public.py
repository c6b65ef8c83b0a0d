"""What every page for people outside has in common.

No cookie, no session, no cache, nothing from third parties; it speaks the person's language, and only a
POST does anything.
"""

import logging
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt

from consent.links import LinkError, LinkExpired
from consent.models import Organization
from contacts.models import Contact
from contacts.services import ContactErased

logger = logging.getLogger(__name__)

P = ParamSpec("P")
Page = Callable[Concatenate[HttpRequest, P], HttpResponse]

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


# Long enough for the slowest of the answers that must not be told apart by the clock.
EVEN_S = 0.3


def page(
    *methods: str, evenly: bool = False, over: str = "expired.html"
) -> Callable[[Page[P]], Page[P]]:
    """Make a view a public page that takes GET, HEAD, OPTIONS and the `methods` named.

    There is no CSRF token, because there is no cookie to ride on: what a POST may do is in its link, or,
    for a sign-up, in the mail that follows. `evenly` answers every accepted POST after the same time, so
    that nobody learns from the clock whether an address is known. A view may leave a `LinkError` of its
    link unanswered: `over` is the template for one that has expired.
    """
    allowed = ["GET", "HEAD", "OPTIONS", *methods]

    def decorate(view: Page[P]) -> Page[P]:
        @csrf_exempt
        @wraps(view)
        def answer(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            started = time.monotonic()
            with translation.override(_language_asked_for(request)):
                if request.method == "OPTIONS":
                    response = HttpResponse(status=204, headers={"Allow": ", ".join(allowed)})
                elif request.method not in allowed:
                    response = HttpResponseNotAllowed(allowed)
                else:
                    response = _answer_or_apologize(request, over, view, *args, **kwargs)
                response.headers.setdefault("Content-Language", translation.get_language())
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            if evenly and request.method == "POST" and response.status_code == 200:
                time.sleep(max(0.0, EVEN_S - (time.monotonic() - started)))
            # Django would write the path of a refused request to the log, and the path is the token.
            response._has_been_logged = True  # type: ignore[attr-defined]
            return response

        return cast("Page[P]", answer)

    return decorate


def _answer_or_apologize(
    request: HttpRequest, over: str, view: Page[P], *args: P.args, **kwargs: P.kwargs
) -> HttpResponse:
    try:
        return view(request, *args, **kwargs)
    except LinkExpired:
        return show(request, over, status=410)
    except (LinkError, ContactErased):  # erased while this link was being followed
        return unreadable(request)
    except (OperationalError, InterfaceError):
        logger.exception("A public page could not reach the database")
        response = render(request, "consent/unavailable.html", status=503)
        response.headers["Retry-After"] = "60"
        return response


def show(
    request: HttpRequest, template: str, context: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """A page of `templates/consent/`, with who is asking and the languages to choose from."""
    return render(
        request,
        f"consent/{template}",
        {
            "organization": Organization.objects.order_by("pk").first(),
            "languages": [
                {"code": code, "name": translation.get_language_info(code)["name_local"]}
                for code, _name in settings.LANGUAGES
            ],
            **(context or {}),
        },
        status=status,
    )


def speak_to(request: HttpRequest, contact: Contact | None) -> None:
    """Go on in the person's language, unless the address of the page names one."""
    if contact and not contact.erased_at and "language" not in request.GET:
        translation.activate(_known_language(contact.language) or translation.get_language())


def unreadable(request: HttpRequest) -> HttpResponse:
    """The answer to every link that is cut off, altered or invented: always the same bytes."""
    translation.activate(_language_asked_for(request))
    return show(request, "unreadable.html", status=404)


@page("POST", "PUT", "PATCH", "DELETE")
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """An address that does not exist answers as an unreadable link does; one of the desk leads back there."""
    if request.path.startswith(reverse("admin:index")):
        return show(request, "not_on_desk.html", status=404)
    return unreadable(request)


def _language_asked_for(request: HttpRequest) -> str:
    return _known_language(
        request.GET.get("language", "")
    ) or translation.get_language_from_request(request)


def _known_language(code: str) -> str:
    try:
        return translation.get_supported_language_variant(code) if code else ""
    except LookupError:
        return ""
