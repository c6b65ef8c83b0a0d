"""The API's own pages: a token for a password, the schema and its documentation."""

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.authtoken.views import ObtainAuthToken
from rest_framework.permissions import IsAuthenticated
from rest_framework.throttling import ScopedRateThrottle


class TokenView(ObtainAuthToken):
    """Exchange a staff user's name and password for a token (`Authorization: Token …`)."""

    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "token"


class SchemaView(SpectacularAPIView):
    permission_classes = [IsAuthenticated]


class DocumentationView(SpectacularSwaggerView):
    permission_classes = [IsAuthenticated]
