"""Where providers post what became of messages; django-anymail knows their formats and signatures."""

from anymail.urls import urlpatterns as _anymail
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from campaigns import text_reports
from consent.sms import gateway

_SUFFIX = "_tracking_webhook"
_VIEWS = {
    pattern.name.removesuffix(_SUFFIX): pattern.callback
    for pattern in _anymail
    if pattern.name and pattern.name.endswith(_SUFFIX)
}


@csrf_exempt
@login_not_required
@require_http_methods(["HEAD", "POST"])
def take(request: HttpRequest, provider: str) -> HttpResponseBase:
    """The tracking webhook of one provider, with `ANYMAIL_WEBHOOK_SECRET` as its basic authentication.

    404 for a provider that anymail does not know, and for all while there is no secret; 400 for a wrong
    one. A report is taken twice without harm, so providers may repeat it.
    """
    view = _VIEWS.get(provider)
    if view is None or not settings.ANYMAIL.get("WEBHOOK_SECRET"):
        raise Http404
    answer: HttpResponseBase = view(request)
    return answer


@csrf_exempt
@login_not_required
@require_POST
def take_text_report(request: HttpRequest, delivery_id: int) -> HttpResponse:
    """What the SMS gateway says of one text; 404 where it is not signed by the account's token."""
    is_signed = gateway.is_signed(
        url=f"{settings.PUBLIC_URL}{request.path}",
        form=dict(request.POST.lists()),
        signature=request.headers.get("X-Twilio-Signature", ""),
    )
    if not is_signed:
        raise Http404
    text_reports.settle(
        delivery_id=delivery_id,
        provider_id=request.POST.get("MessageSid", ""),
        status=request.POST.get("MessageStatus", ""),
        code=request.POST.get("ErrorCode", ""),
    )
    return HttpResponse(status=204)
