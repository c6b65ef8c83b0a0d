"""The same message in a browser, for the person it was written to. Reads only."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from campaigns.content import ContentError
from campaigns.letters import Letters, person_of
from campaigns.models import Delivery
from consent import links
from consent.links import LinkError


@require_safe
@never_cache
def view_in_browser(request: HttpRequest, token: str) -> HttpResponse:
    """What was sent with the stop link of this token; 404 where there is none, or no person any more."""
    try:
        stop = links.read_stop(token)
    except LinkError:
        raise Http404 from None
    delivery = (
        Delivery.objects.filter(
            pk=stop.message, contact__subject=stop.subject, contact__erased_at=None
        )
        .exclude(state=Delivery.State.WITHHELD)
        .select_related("campaign__topic", "campaign__sender", "contact__identity")
        .first()
    )
    if delivery is None:
        raise Http404
    letters = Letters(delivery.campaign)
    content = letters.content_for(delivery.contact.language)
    try:
        rendered = letters.render(content, person_of(delivery.contact, None), token)
    except ContentError:
        raise Http404 from None
    response = HttpResponse(rendered.html)
    # The message is somebody else's words: it runs nothing and sends nothing.
    response["Content-Security-Policy"] = (
        "default-src 'none'; img-src https: data:; style-src 'unsafe-inline'; form-action 'none';"
        " base-uri 'none'; frame-ancestors 'none'"
    )
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response
