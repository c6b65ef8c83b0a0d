"""The confirmation of a sign-up: looking shows, the button confirms."""

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from consent import links, services
from consent.answers import readable
from consent.budgets import network_of
from consent.models import Topic, Wording
from consent.views import public
from contacts.models import Address, Channel


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
        is_text = address.channel == Channel.SMS
        context = {"wordings": wordings, "answers": told, "is_text": is_text}
        return public.show(request, "confirm.html", context)
    services.confirm(
        contact=address.contact,
        wordings=wordings,
        address=address,
        details={"network": network_of(request), "seen": _("Yes, confirm")},
        mail_id=asked.get("mail"),
    )
    standing = [
        wording
        for wording in wordings
        if services.is_permitted(
            contact=address.contact, topic=wording.topic, channel=wording.channel
        )
    ]
    has_mailbox = address.contact.addresses.current().filter(channel=Channel.EMAIL).exists()
    context = {
        "wordings": standing,
        "answers": told,
        "is_about_answers": not asked["wordings"],
        "has_mailbox": has_mailbox,
    }
    return public.show(request, "confirmed.html", context)
