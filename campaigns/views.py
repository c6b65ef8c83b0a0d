"""What mail programs and browsers of readers ask for: a message once more, its images, its links.

Reads only, but for hits: of people who permit measurement a GET is counted.
"""

import base64
import logging

from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import condition, require_safe

from campaigns import images, measurement
from campaigns.content import ContentError
from campaigns.letters import Letters, person_of
from campaigns.models import Delivery, Destination
from consent import links
from consent.links import LinkError
from contacts.models import Channel

log = logging.getLogger(__name__)


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


PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


@require_safe
def lead_on(request: HttpRequest, token: str, number: int) -> HttpResponse:
    """To where a link of a measured message leads: the same answer for everybody, counted or not."""
    hit = _hit(token)
    destination = measurement.destination_of(hit, number)
    if destination is None:
        raise Http404
    _note(request, hit, destination)
    return _unseen(Onward(destination.url))


@require_safe
def show_pixel(request: HttpRequest, token: str) -> HttpResponse:
    """The picture of one pixel at the end of a measured message: the same one, counted or not."""
    _note(request, _hit(token), None)
    response = HttpResponse(PIXEL, content_type="image/gif")
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    return _unseen(response)


class Onward(HttpResponseRedirect):
    """To a destination that was written down when its campaign started."""

    allowed_schemes = ["http", "https"]


def _hit(token: str) -> links.Hit:
    try:
        return links.read_hit(token)
    except LinkError:
        raise Http404 from None


def _note(request: HttpRequest, hit: links.Hit, destination: Destination | None) -> None:
    """Nothing that goes wrong in counting keeps a reader from what they asked for."""
    if request.method != "GET" or _is_fetched_ahead(request):
        return
    try:
        measurement.note(hit, destination)
    except DatabaseError as error:
        log.warning("a hit of delivery %s is not counted: %s", hit.delivery, type(error).__name__)


def _is_fetched_ahead(request: HttpRequest) -> bool:
    """A program loads it before the person asks, if they ever do."""
    told = (request.headers.get(name, "") for name in ("Sec-Purpose", "Purpose", "X-Moz"))
    return any("prefetch" in each or "preview" in each for each in told)


def _unseen(response: HttpResponse) -> HttpResponse:
    """Kept nowhere, and telling nobody where the reader comes from."""
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
