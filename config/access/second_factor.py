"""Who signed in with a second factor, and the door that stays shut to those who did not."""

from collections.abc import Callable
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

DOORS = frozenset({"admin", "api"})


def has_shown(request: HttpRequest) -> bool:
    """Whether this session was opened, or raised since, with an app, a security key or a recovery code."""
    records = get_authentication_records(request, request.user)
    return any(record.get("method") == "mfa" for record in records) and bool(
        is_mfa_enabled(request.user)
    )


def is_missing(request: HttpRequest) -> bool:
    return settings.STAFF_MFA_REQUIRED and request.user.is_authenticated and not has_shown(request)


class SecondFactorRequired:
    """Lets nobody through to the desks or the API by password alone, where the setting says so."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_view: Any) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or not DOORS & set(match.namespaces) or not is_missing(request):
            return None
        if match.url_name == "logout":
            return None
        if "api" in match.namespaces:
            return JsonResponse({"detail": _("Sign in with a second factor first.")}, status=403)
        if is_mfa_enabled(request.user):
            return redirect_to_login(request.get_full_path(), reverse("mfa_reauthenticate"))
        messages.info(request, _("Set up a second factor first: an app or a security key."))
        return redirect("mfa_index")
