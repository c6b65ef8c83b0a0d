"""The preference page, and the ways to a fresh link to it. It is shown only to whoever reads the mailbox."""

import logging
from collections.abc import Iterable

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone, translation
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from consent import forms, history, links, proving, self_service, services
from consent.budgets import Budget, network_of
from consent.models import ConsentEvent, Kind, Organization, Topic
from consent.preferences import groups_of
from consent.proving import NotSealedYet
from consent.receipts import NoConsentStandsError
from consent.services import Choice
from consent.sms import texting
from consent.views import public
from contacts import addresses
from contacts.addresses import AddressError
from contacts.models import Address, Channel, Contact, Identity
from contacts.services import ContactError, contact_of_subject

logger = logging.getLogger(__name__)

WEEKS = ("2", "4", "8", "12")
LINKS_MAILED = Budget("manage-links", limit=20, window_s=3600)


@public.page("POST", evenly=True)
def ask_for_link(request: HttpRequest) -> HttpResponse:
    """Send a fresh link to an address or number; the answer is the same for every one."""
    form = forms.ReachForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        budget = texting.FROM_NETWORK if "phone" in form.reached_at else LINKS_MAILED
        if budget.spend(network_of(request)):
            services.request_manage_link(
                **form.reached_at,
                language=(get_language() or settings.LANGUAGE_CODE)[:2],
            )
            return public.show(request, "link_sent.html", {"is_text": "phone" in form.reached_at})
        form.add_error(
            None, _("Too many links were asked for from your network. Please try again in an hour.")
        )
        return public.show(request, "ask_for_link.html", {"form": form}, status=429)
    return public.show(request, "ask_for_link.html", {"form": form})


@public.page("POST", evenly=True)
def ask_by_stop_link(request: HttpRequest, token: str) -> HttpResponse:
    """From a newsletter: one button that mails a fresh link to the person it was sent to, nobody else."""
    link = links.read_stop(token)
    contact = contact_of_subject(link.subject)
    public.speak_to(request, contact)
    if request.method != "POST":
        return public.show(request, "ask_by_stop_link.html")
    if contact and not contact.erased_at:
        services.send_manage_link(contact=contact, language=contact.language)
    return public.show(request, "link_sent.html", {"is_text": link.channel == Channel.SMS})


@public.page("POST")
def preferences(request: HttpRequest, token: str) -> HttpResponse:
    contact = contact_of(token)
    public.speak_to(request, contact)
    message, error = "", ""
    if request.method == "POST":
        try:
            if receipt := receipt_for(request, contact):
                return receipt
            message = _save(request, contact)
        except services.ConsentError:
            error = _("Some of the words have changed. Please read them and choose again.")
        except (NoConsentStandsError, NotSealedYet, Organization.DoesNotExist):
            error = _("There is no receipt to give at this moment. Please try again in a minute.")
        except AddressError:
            error = _("This is not a complete email address, like name@example.org.")
        except ValidationError as refused:
            error = " ".join(refused.messages)
    contact.refresh_from_db()
    return public.show(
        request,
        "preferences.html",
        {
            "groups": groups_of(contact, get_language() or settings.LANGUAGE_CODE),
            "moments": history.moments_of(contact),
            "masked": masked_address_of(contact),
            "number": masked_number_of(contact),
            "takes_numbers": texting.are_offered(),
            "message": message,
            "error": error,
            "contact": contact,
            "is_paused": contact.paused_until is not None and contact.paused_until > timezone.now(),
            "weeks": WEEKS,
            "token": token,
        },
    )


def contact_of(token: str) -> Contact:
    """The link is bound to the address it was mailed to. Raises `LinkError` or `LinkExpired`."""
    asked = links.read_manage("manage", token)
    address = (
        Address.objects.current()
        .filter(pk=asked["address"], contact__erased_at=None)
        .select_related("contact")
        .first()
    )
    if address is None:
        raise links.LinkExpired
    return address.contact


def masked_address_of(contact: Contact) -> str:
    """Where a link to these pages goes: the mailbox, or else the number."""
    identity = Identity.objects.filter(contact=contact).first()
    if identity and not identity.email:
        return addresses.mask(Channel.SMS, identity.phone)
    return addresses.mask(Channel.EMAIL, identity.email if identity else "")


def masked_number_of(contact: Contact) -> str:
    identity = Identity.objects.filter(contact=contact).first()
    return addresses.mask(Channel.SMS, identity.phone if identity else "")


def receipt_for(request: HttpRequest, contact: Contact) -> HttpResponse | None:
    """The receipt of the box whose button was pressed. It may seal the ledger first, so no GET gives it."""
    pressed, _colon, key = request.POST.get("do", "").partition(":")
    if pressed != "receipt":
        return None
    topic_key, _colon, channel = key.replace("\0", "").partition(":")
    topic = Topic.objects.filter(key=topic_key).first()
    if topic is None:
        raise NoConsentStandsError(NoConsentStandsError.__doc__)
    return JsonResponse(
        proving.standing_receipt_of(contact=contact, topic=topic, channel=channel),
        json_dumps_params={"ensure_ascii": False, "indent": 2},
        headers={"Content-Disposition": f'attachment; filename="receipt-{topic.key}.json"'},
    )


def _save(request: HttpRequest, contact: Contact) -> str:
    """Do what the pressed button says; returns what to tell the person."""
    details = {"network": network_of(request)}
    pressed = request.POST.get("do", "")
    if pressed == "language":
        return _speak(contact, request.POST.get("language", ""))
    if pressed == "address":
        services.request_new_address(
            contact=contact,
            email=request.POST.get("email", ""),
            language=(get_language() or settings.LANGUAGE_CODE)[:2],
        )
        return _("We have written to your new address. Press the button in the message there.")
    if pressed == "number" and texting.are_offered():
        return _ask_number(request, contact)
    if pressed == "pause":
        return _pause(contact, request.POST.get("weeks", ""))
    if pressed == "resume":
        services.resume(contact=contact)
        return _("Welcome back. From now on you get again what you permit.")
    if pressed == "stop":
        stopped = self_service.keep_only_name(contact=contact, details=details)
        return _wait_for(contact, [stopped])
    if pressed == "object":
        objected = self_service.object_to_everything(contact=contact, details=details)
        return _wait_for(contact, [objected] if objected else [])
    choices = (
        forms.every_box(request.POST) if pressed == "all" else forms.changed_boxes(request.POST)
    )
    # A no stands even where the words of a yes beside it have changed meanwhile.
    events = _record(contact, (c for c in choices if not c.is_wanted), details)
    doubt = _wait_for(contact, events)
    events += _record(contact, (c for c in choices if c.is_wanted), details)
    return doubt if events else _("Nothing was changed.")


def _ask_number(request: HttpRequest, contact: Contact) -> str:
    """Write to a number that the person typed; raises `ValidationError` with what is wrong with it."""
    number = forms.clean_number(request.POST.get("phone", "").replace("\0", ""))
    if texting.is_exhausted() or not texting.FROM_NETWORK.spend(network_of(request)):
        return _("We cannot send you a text message just now. Please try again in an hour.")
    services.request_new_number(
        contact=contact,
        phone=number,
        language=(get_language() or settings.LANGUAGE_CODE)[:2],
    )
    return _("We have sent a text to this number. Open the link in it and press the button there.")


def _record(
    contact: Contact, choices: Iterable[Choice], details: dict[str, str]
) -> list[ConsentEvent]:
    return services.save_preferences(contact=contact, choices=list(choices), details=details)


def _wait_for(contact: Contact, events: list[ConsentEvent]) -> str:
    """After the commit: wait for what is on its way, and say so where that takes too long."""
    return _saved(
        contact,
        is_final=all(
            services.answer_is_final(contact=contact, topic=event.topic, channel=event.channel)
            for event in events
            if event.kind in {Kind.WITHDRAWN, Kind.OBJECTED}
        ),
    )


def _saved(contact: Contact, *, is_final: bool) -> str:
    if is_final:
        return _("Saved.")
    logger.warning("A withdrawal or a pause of contact %s was answered in doubt", contact.pk)
    return _("Saved. One message was being sent at this moment and may still arrive.")


def _pause(contact: Contact, weeks: str) -> str:
    if weeks not in WEEKS:
        return _("Nothing was changed.")
    services.pause(contact=contact, weeks=int(weeks), now=timezone.now())
    is_final = services.answer_is_final(contact=contact, topic=None, channel="")
    return _saved(contact, is_final=is_final)


def _speak(contact: Contact, language: str) -> str:
    if language in dict(settings.LANGUAGES):
        services.choose_language(contact=contact, language=language)
        translation.activate(language)
    return _("Saved.")


@public.page("POST")
def new_address(request: HttpRequest, token: str) -> HttpResponse:
    """From the message to a new address: looking shows, the button moves the person there."""
    asked = links.read_manage("new_address", token)
    contact = _living(asked["contact"])
    public.speak_to(request, contact)
    masked = addresses.mask(Channel.EMAIL, asked["email"])
    if request.method != "POST":
        return public.show(request, "new_address.html", {"masked": masked})
    try:
        address = services.move_to_address(contact=contact, email=asked["email"])
    except ContactError:
        return public.show(request, "new_address_taken.html", {"masked": masked}, status=409)
    fresh = links.manage_token("manage", lifetime_s=links.MANAGE_LIFETIME_S, address=address.pk)
    return public.show(request, "new_address_done.html", {"masked": masked, "token": fresh})


@public.page("POST")
def new_number(request: HttpRequest, token: str) -> HttpResponse:
    """From the text to a new number: looking shows, the button makes it the person's own.

    It opens nothing else: whoever got the text by a mistake of typing learns nothing of the person.
    """
    asked = links.read_manage("new_number", token)
    contact = _living(asked["contact"])
    public.speak_to(request, contact)
    masked = addresses.mask(Channel.SMS, asked["phone"])
    if request.method != "POST":
        return public.show(request, "new_number.html", {"masked": masked})
    try:
        services.move_to_number(contact=contact, phone=asked["phone"])
    except ContactError:
        raise links.LinkExpired from None
    return public.show(request, "new_number_done.html", {"masked": masked})


def _living(contact_id: int) -> Contact:
    """Raises `LinkExpired`: a link ends with the person it was made for."""
    contact = Contact.objects.living().filter(pk=contact_id).first()
    if contact is None:
        raise links.LinkExpired
    return contact
