"""Answers to our text messages, as the gateway passes them on: STOP is heard, everything else is not kept."""

import logging

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from consent import services
from consent.sms import gateway, keywords
from consent.views import public
from contacts.addresses import AddressError
from contacts.models import Channel

logger = logging.getLogger(__name__)

# An empty answer in TwiML: we say nothing back, the provider confirms a STOP of its own.
NOTHING = '<?xml version="1.0" encoding="UTF-8"?><Response/>'


@public.page("POST")
def receive(request: HttpRequest) -> HttpResponse:
    """Take one signed answer; the same one, passed on again, changes nothing."""
    if request.method != "POST" or not _is_from_gateway(request):
        return public.unreadable(request)
    said = request.POST
    if keywords.says_stop(said.get("Body", "")):
        try:
            _stop(said.get("From", ""), said.get("MessageSid", ""))
        except AddressError:
            logger.warning("A STOP came from what is no number")
    return HttpResponse(NOTHING, content_type="text/xml; charset=utf-8")


def _is_from_gateway(request: HttpRequest) -> bool:
    return gateway.is_signed(
        url=f"{settings.PUBLIC_URL}{reverse('consent:inbound_text')}",
        form=dict(request.POST.lists()),
        signature=request.headers.get("X-Twilio-Signature", ""),
    )


def _stop(number: str, message_id: str) -> None:
    contact = services.stop_by_answer(number=number, message_id=message_id)
    if not services.answer_is_final(contact=contact, topic=None, channel=Channel.SMS):
        logger.warning("A STOP by text was heard while a hand-over was in doubt")
