"""The API's own pages: a token for a password, the schema and its documentation."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, Throttled
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from config import trail
from config.access import tokens


class TokenRequestSerializer(serializers.Serializer[None]):
    username = serializers.CharField()
    password = serializers.CharField(trim_whitespace=False)
    code = serializers.CharField(
        required=False, help_text="Of the authenticator app, or a recovery code."
    )
    purpose = serializers.CharField(required=False, default="API", max_length=200)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=list(tokens.SCOPES)),
        required=False,
        help_text="Without it, all that the user may do here except see identities.",
    )
    days = serializers.IntegerField(
        required=False, default=tokens.DEFAULT_DAYS, min_value=1, max_value=tokens.MOST_DAYS
    )


class TokenMadeSerializer(serializers.Serializer[dict[str, Any]]):
    token = serializers.CharField(help_text="Shown this once.")
    scopes = serializers.ListField(child=serializers.CharField())
    expires_at = serializers.DateTimeField()


class TokenView(APIView):
    """Exchange a staff user's name, password and code for a token (`Authorization: Token …`)."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (ScopedRateThrottle,)
    throttle_scope = "token"

    @extend_schema(request=TokenRequestSerializer, responses=TokenMadeSerializer)
    def post(self, request: Request) -> Response:
        asked = TokenRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        known: dict[str, Any] = asked.validated_data
        owner = _owner(request, known["username"], known["password"])
        _check_second_factor(owner, known.get("code", ""))
        trail.attribute(request._request, owner)
        try:
            token, secret = tokens.make(
                owner=owner,
                purpose=known["purpose"],
                scopes=known.get("scopes"),
                days=known["days"],
            )
        except tokens.TokenError as refusal:
            raise PermissionDenied(str(refusal)) from refusal
        made = {"token": secret, "scopes": token.scopes, "expires_at": token.expires_at}
        return Response(TokenMadeSerializer(made).data)


def _owner(request: Request, username: str, password: str) -> User:
    """The staff user; a wrong name, a wrong password and no staff look the same."""
    try:
        user = get_adapter().authenticate(request._request, username=username, password=password)
    except ValidationError as refusal:
        raise Throttled(detail=" ".join(refusal.messages)) from refusal
    if not isinstance(user, User) or not (user.is_active and user.is_staff):
        raise serializers.ValidationError(_("This name and password open nothing."))
    return user


def _check_second_factor(owner: User, code: str) -> None:
    if is_mfa_enabled(owner):
        form = AuthenticateForm({"code": code}, user=owner)
        if not form.is_valid():
            raise serializers.ValidationError({"code": form.errors.get("code", [])})
        form.authenticator.record_usage()
    elif settings.STAFF_MFA_REQUIRED:
        raise PermissionDenied(_("Set up a second factor first: an app or a security key."))


class SchemaView(SpectacularAPIView):
    permission_classes = [IsAuthenticated]


class DocumentationView(SpectacularSwaggerSplitView):
    permission_classes = [IsAuthenticated]
