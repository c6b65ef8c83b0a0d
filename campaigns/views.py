"""What mail programs and browsers of readers ask for: a message once more, and its images. Reads only."""

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import condition, require_safe

from campaigns import images
from campaigns.content import ContentError
from campaigns.letters import Letters, person_of
from campaigns.models import Delivery
from consent import links
from consent.links import LinkError
from contacts.models import Channel


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
        .filter(campaign__channel=Channel.EMAIL)
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


KINDS = {"jpg": "image/jpeg", "png": "image/png"}


def _tag(_request: HttpRequest, digest: str, width: int, extension: str) -> str:
    return f'"{digest}-{width}.{extension}"'


@require_safe
@condition(etag_func=_tag)
def show_image(_request: HttpRequest, digest: str, width: int, extension: str) -> HttpResponse:
    """One file of an image: its address names nobody, and what is behind it never changes."""
    try:
        with images.storage().open(images.name_of(digest, width, extension)) as file:
            content = file.read()
    except FileNotFoundError:
        raise Http404 from None
    response = HttpResponse(content, content_type=KINDS[extension])
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response
