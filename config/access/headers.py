"""What a browser may do on each kind of page. A page that has a policy of its own keeps it.

The desk's theme runs on Alpine, which compiles the expressions in its attributes: that is the one reason for
`unsafe-eval`, on the desk only. No inline script runs anywhere. Previews of messages live in sandboxed
frames that inherit the page's policy: their inline styles, and on the pages that show them the images that
are kept here. An image from elsewhere is not loaded: its server would learn who works at what, and when.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

_NOTHING = {
    "default-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
_OWN_FILES = _NOTHING | {
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
}
_DESK = _OWN_FILES | {
    "script-src": "'self' 'unsafe-eval'",
    "style-src": "'self' 'unsafe-inline'",
}
_DOCUMENTATION = _OWN_FILES | {"style-src": "'self' 'unsafe-inline'"}
_MAILBOX = _NOTHING | {
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "* data:",
    "font-src": "*",
}

SHOWING_MESSAGES = frozenset(
    {"campaigns_campaign_add", "campaigns_campaign_change", "campaigns_campaign_preview"}
)
ACCOUNT = ("account_", "mfa_")
UNUSED = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"


class Headers:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        policy = "; ".join(f"{name} {sources}" for name, sources in _policy(request).items())
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("Permissions-Policy", UNUSED)
        return response


def _policy(request: HttpRequest) -> dict[str, str]:
    match = request.resolver_match
    name = (match.url_name or "") if match else ""
    if match and "admin" in match.namespaces:
        return _message() if name in SHOWING_MESSAGES else _DESK
    if match and "mailbox" in match.namespaces:
        return _MAILBOX
    if name.startswith(ACCOUNT):
        return _OWN_FILES
    return _DOCUMENTATION if name == "docs" else _NOTHING


def _message() -> dict[str, str]:
    """Images of messages are addressed as readers address them, whatever host the desk runs on."""
    return _DESK | {"img-src": f"'self' data: {settings.PUBLIC_URL}"}
