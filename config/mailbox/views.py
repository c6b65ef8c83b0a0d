"""The mailbox's pages, for development only: everything that was mailed, open to whoever asks."""

import uuid

import requests
from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from config.mailbox import Letter, Mailbox, NoSuchLetter
from consent.sms.signature import sign

PAGE = 50
LONGEST = 160
PATIENCE_S = 30


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


@require_POST
def reply(request: HttpRequest, name: str) -> HttpResponse:
    """Answer a text from its phone: signed and posted to the public door, as the gateway would."""
    letter = _letter(name)
    if not letter.is_text_message:
        raise Http404
    said = request.POST.get("said", "").strip()[:LONGEST]
    taken = bool(said) and _pass_on(letter, said)
    return render(
        request, "config/mailbox_letter.html", {"letter": letter, "said": said, "taken": taken}
    )


def _pass_on(letter: Letter, said: str) -> bool:
    url = f"{settings.PUBLIC_URL}{reverse('consent:inbound_text')}"
    form = {
        "From": [letter.recipients[0]],
        "To": [letter.sender],
        "Body": [said],
        "MessageSid": [f"SM{uuid.uuid4().hex}"],
    }
    signature = sign(url, form, token=settings.SMS_AUTH_TOKEN)
    answer = requests.post(
        url, data=form, headers={"X-Twilio-Signature": signature}, timeout=PATIENCE_S
    )
    return answer.status_code == 200


def _mailbox() -> Mailbox:
    if not (settings.DEBUG and settings.ASSENT_MAILBOX):
        raise Http404
    return Mailbox(settings.ASSENT_MAILBOX)


def _letter(name: str) -> Letter:
    try:
        return _mailbox().read(name)
    except NoSuchLetter as error:
        raise Http404 from error
