"""The stop link: one click in the mail program (RFC 8058), one button on the page, ten minutes to undo.

A stop link only ever reduces what is permitted, so whoever holds it may use it, as often as they like.
"""

import logging

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse, QueryDict, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from consent import links, services
from consent.budgets import Budget, network_of
from consent.models import ConsentEvent, Method, Topic
from consent.preferences import CHANNELS
from consent.services import Stopped
from consent.standing import UNDO_WINDOW
from consent.views import public
from contacts.models import Address, Channel, Contact
from contacts.services import contact_of_subject

logger = logging.getLogger(__name__)

BURST = Budget("withdrawals", limit=100, window_s=600)
REASONS = {
    "too_many": _("Too many messages"),
    "not_for_me": _("Not interesting to me"),
    "never_asked": _("I never asked for them"),
    "other": _("Something else"),
}
DONE = "Done: you will get no more of these messages.\n"
IN_DOUBT = "One message was being handed over at this moment and may still arrive.\n"


@public.page("POST")
def stop(request: HttpRequest, token: str) -> HttpResponse:
    """Show one button; on POST, stop. What is not posted by our page is a mail program's one click."""
    posted = _posted(request) if request.method == "POST" else QueryDict()
    is_one_click = request.method == "POST" and "page" not in posted
    try:
        link = links.read_stop(token)
    except links.LinkError:
        # A mail provider can do nothing about a broken link, and learns nothing from the answer.
        return _plain(DONE) if is_one_click else public.unreadable(request)
    if request.method != "POST":
        return _ask(request, link)
    everything = posted.get("stop") == "everything"
    details = {"network": network_of(request)}
    if (reason := str(posted.get("reason", ""))) in REASONS:
        details["reason"] = reason
    stopped = services.stop_by_link(
        stop=link,
        everything=everything,
        method=Method.ONE_CLICK if is_one_click else Method.STOP_PAGE,
        details=details,
    )
    is_final = services.answer_is_final(
        contact=stopped.contact, topic=stopped.topic, channel=link.channel
    )
    if not is_final and stopped.event:
        logger.warning(
            "Withdrawal %s was answered while a hand-over was in doubt", stopped.event.pk
        )
    _watch_for_bursts(stopped, link.channel)
    if is_one_click:
        return _plain(DONE if is_final else DONE + IN_DOUBT)
    return _say_done(request, link, stopped, is_final=is_final)


def _posted(request: HttpRequest) -> QueryDict:
    """The form, or an empty one where the body is broken: the link alone says what to stop."""
    try:
        return request.POST
    except (MultiPartParserError, SuspiciousOperation, UnreadablePostError):
        return QueryDict()


def _plain(text: str) -> HttpResponse:
    """For machines: the same bytes in one language, whoever it was."""
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


def _ask(request: HttpRequest, link: links.Stop) -> HttpResponse:
    public.speak_to(request, contact_of_subject(link.subject))
    return public.show(request, "stop.html", _words(link) | {"reasons": REASONS})


def _say_done(
    request: HttpRequest, link: links.Stop, stopped: Stopped, *, is_final: bool
) -> HttpResponse:
    public.speak_to(request, stopped.contact)
    undo = ""
    if stopped.can_undo and stopped.event and stopped.contact:
        token = links.manage_token(
            "undo",
            lifetime_s=int(UNDO_WINDOW.total_seconds()),
            event=stopped.event.pk,
            contact=stopped.contact.pk,
        )
        undo = reverse("consent:undo", args=[token])
    return public.show(
        request,
        "stopped.html",
        _words(link) | {"everything": stopped.topic is None, "undo": undo, "is_final": is_final},
    )


def _words(link: links.Stop) -> dict[str, object]:
    """What a stranger with a forwarded message may see: the topic's name and the channel."""
    return {
        "topic": Topic.objects.filter(key=link.topic).first(),
        "channel": CHANNELS[Channel(link.channel)],
    }


def _watch_for_bursts(stopped: Stopped, channel: str) -> None:
    """A scanner that presses buttons for a whole company shows as a burst; nothing is held back for it."""
    if stopped.contact is None:
        return
    address = Address.objects.current().filter(contact=stopped.contact, channel=channel).first()
    if address and address.domain and BURST.count(address.domain) == BURST.limit + 1:
        logger.error(
            "An unusual burst: over %s withdrawals from %s within ten minutes",
            BURST.limit,
            address.domain,
        )


@public.page("POST", over="undo_over.html")
def undo(request: HttpRequest, token: str) -> HttpResponse:
    """Put back what the page before took, within ten minutes; the link can do nothing else."""
    taken = links.read_manage("undo", token)
    event = ConsentEvent.objects.filter(pk=taken["event"]).first()
    contact = Contact.objects.filter(pk=taken["contact"]).first()
    if event is None or contact is None:
        raise links.LinkError
    public.speak_to(request, contact)
    context = {"topic": event.topic, "channel": CHANNELS[Channel(event.channel)]}
    if request.method != "POST":
        return public.show(request, "undo.html", context)
    try:
        services.undo_withdrawal(event=event, contact=contact)
    except services.UndoNotPossible:
        return public.show(request, "undo_over.html", context, status=410)
    return public.show(request, "undone.html", context)
