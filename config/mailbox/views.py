"""The mailbox's pages, for development only: everything that was mailed, open to whoever asks."""

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from config.mailbox import Letter, Mailbox, NoSuchLetter

PAGE = 50


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    mailbox = _mailbox()
    to = request.GET.get("to", "").strip()
    page = Paginator(mailbox.names(to=to)[::-1], PAGE).get_page(request.GET.get("page"))
    letters = mailbox.read_all(list(page.object_list))
    return render(request, "config/mailbox.html", {"letters": letters, "page": page, "to": to})


@require_safe
def letter(request: HttpRequest, name: str) -> HttpResponse:
    return render(request, "config/mailbox_letter.html", {"letter": _letter(name)})


@require_safe
def source(request: HttpRequest, name: str) -> HttpResponse:
    return HttpResponse(_letter(name).source, content_type="text/plain; charset=utf-8")


def _mailbox() -> Mailbox:
    if not (settings.DEBUG and settings.ASSENT_MAILBOX):
        raise Http404
    return Mailbox(settings.ASSENT_MAILBOX)


def _letter(name: str) -> Letter:
    try:
        return _mailbox().read(name)
    except NoSuchLetter as error:
        raise Http404 from error
