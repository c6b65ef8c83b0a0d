"""The answer to a request to renew: looking shows what stands and today's words, a button says yes or no."""

import logging

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from consent import links, offers, renewal, services
from consent.budgets import network_of
from consent.models import Method, Permission, Wording
from consent.views import public
from contacts.models import Address

logger = logging.getLogger(__name__)


@public.page("POST")
def renew(request: HttpRequest, token: str) -> HttpResponse:
    asked = links.read_manage("renew", token)
    permission = _asked_about(asked)
    if permission is None:
        return public.show(request, "renewal_over.html", status=410)
    public.speak_to(request, permission.contact)
    if request.method == "POST":
        return _answer(request, permission)
    return _show(request, permission)


def _asked_about(asked: dict[str, int]) -> Permission | None:
    """The yes that the mail asked about, while nothing has been answered since and the address is theirs."""
    address = Address.objects.current().filter(pk=asked["address"], contact__erased_at=None).first()
    if address is None:
        return None
    return (
        Permission.objects.filter(
            contact=address.contact_id,
            event=asked["event"],
            state=Permission.State.GRANTED,
            topic__isnull=False,
        )
        .select_related("contact", "topic", "wording")
        .first()
    )


def _show(
    request: HttpRequest, permission: Permission, *, has_changed: bool = False
) -> HttpResponse:
    context = {
        "permission": permission,
        "wording": _words_of(permission),
        "has_changed": has_changed,
    }
    return public.show(request, "renewal.html", context)


def _words_of(permission: Permission) -> Wording | None:
    """What a yes means today, in the language of the page."""
    if permission.topic is None:
        return None
    return offers.current_words(
        topic=permission.topic,
        channel=permission.channel,
        language=get_language() or settings.LANGUAGE_CODE,
    )


def _answer(request: HttpRequest, permission: Permission) -> HttpResponse:
    details = {"network": network_of(request)}
    if request.POST.get("do") == "no":
        return _stop(request, permission, details)
    wording = _words_of(permission)
    if wording is None or wording.digest != request.POST.get("words", ""):
        return _show(request, permission, has_changed=True)
    try:
        renewal.renew(
            contact=permission.contact,
            wordings=[wording],
            details=details | {"seen": _("Yes, go on")},
        )
    except services.ConsentError:
        return public.show(request, "renewal_over.html", status=410)
    return public.show(request, "renewal_done.html", {"topic": wording.topic, "wording": wording})


def _stop(request: HttpRequest, permission: Permission, details: dict[str, str]) -> HttpResponse:
    contact, topic, channel = permission.contact, permission.topic, permission.channel
    services.withdraw(
        contact=contact, topic=topic, channel=channel, method=Method.PREFERENCES, details=details
    )
    is_final = services.answer_is_final(contact=contact, topic=topic, channel=channel)
    if not is_final:
        logger.warning("A withdrawal of contact %s was answered in doubt", contact.pk)
    return public.show(request, "renewal_done.html", {"topic": topic, "is_final": is_final})
