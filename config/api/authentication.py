"""`Authorization: Token assent_…`, and how the API's description names it."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from config import trail
from config.access import tokens
from config.models import ApiToken, ScopedUser

KEYWORDS = {"token", "bearer"}


class TokenAuthentication(BaseAuthentication):
    """Says the same of a token that is unknown, ended, expired or cut off."""

    def authenticate(self, request: Request) -> tuple[ScopedUser, ApiToken] | None:
        keyword, _space, secret = request.headers.get("Authorization", "").partition(" ")
        if keyword.lower() not in KEYWORDS:
            return None
        found = tokens.find(secret.strip(), now=timezone.now())
        if found is None:
            raise AuthenticationFailed(_("This token opens nothing."))
        trail.attribute(request._request, found[0])
        return found

    def authenticate_header(self, request: Request) -> str:
        return "Token"


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = TokenAuthentication
    name = "tokenAuth"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "Token-based authentication with required prefix “Token”.",
        }
