"""The confirmation of a sign-up: looking shows, the button confirms."""

from collections.abc import Iterable

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from consent import links, offers, services
from consent.answers import readable
from consent.budgets import network_of
from consent.models import Topic, Wording
from consent.views import public
from contacts.models import Address, Channel, Contact


@public.page("POST", over="confirmation_over.html")
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    asked = links.read_manage("confirm", token)
    address = (
        Address.objects.current()
        .filter(pk=asked["address"], contact__erased_at=None)
        .select_related("contact")
        .first()
    )
    if address is None:
        raise links.LinkExpired
    public.speak_to(request, address.contact)
    wordings = list(
        Wording.objects.published()
        .filter(pk__in=asked["wordings"], topic__status=Topic.Status.PUBLISHED)
        .select_related("topic")
        .order_by("topic__position", "topic", "channel")
    )
    mail = address.contact.service_mails.filter(pk=asked.get("mail", 0)).first()
    told = readable(mail) if mail else []
    if request.method != "POST":
        waiting = [
            wording
            for wording in wordings
            if offers.is_unconfirmed(contact=address.contact, wording=wording)
        ]
        if waiting or (told and not asked["wordings"]):
            is_text = address.channel == Channel.SMS
            context = {"wordings": waiting, "answers": told, "is_text": is_text}
            return public.show(request, "confirm.html", context)
        return _show_standing(request, address.contact, wordings)
    services.confirm(
        contact=address.contact,
        wordings=wordings,
        address=address,
        details={"network": network_of(request), "seen": _("Yes, confirm")},
        mail_id=asked.get("mail"),
    )
    has_mailbox = address.contact.addresses.current().filter(channel=Channel.EMAIL).exists()
    if not asked["wordings"] and told:
        return public.show(request, "remembered.html")
    if standing := _standing(address.contact, wordings):
        context = {"wordings": standing, "has_mailbox": has_mailbox}
        return public.show(request, "confirmed.html", context)
    return public.show(request, "nothing_to_confirm.html")


def _standing(contact: Contact, wordings: Iterable[Wording]) -> list[Wording]:
    return [
        wording
        for wording in wordings
        if services.is_permitted(contact=contact, topic=wording.topic, channel=wording.channel)
    ]


def _show_standing(
    request: HttpRequest, contact: Contact, wordings: Iterable[Wording]
) -> HttpResponse:
    """To whoever opens the link again: that it was confirmed, where it stands, and else only that nothing
    is left to confirm. Why it stands no more is for the person alone, by a link that is mailed to them."""
    if standing := _standing(contact, wordings):
        return public.show(request, "confirmed_before.html", {"wordings": standing})
    return public.show(request, "nothing_to_confirm.html")
