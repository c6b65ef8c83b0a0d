"""My data: what is held about a person, to read, to take away and to object to, by a fresh link."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _

from consent import links, my_data, rights, services
from consent.budgets import network_of
from consent.models import Method
from consent.views import public
from consent.views.preferences import contact_of
from contacts import rights as requests
from contacts.models import Contact, SubjectRequest


@public.page("POST")
def page(request: HttpRequest, token: str) -> HttpResponse:
    """Show what is held; on POST, take a request."""
    try:
        contact = contact_of(token)
    except links.LinkExpired:
        return public.show(request, "expired.html", status=410)
    except links.LinkError:
        return public.unreadable(request)
    public.speak_to(request, contact)
    message = _ask(request, contact) if request.method == "POST" else ""
    contact.refresh_from_db()
    return public.show(
        request,
        "my_data.html",
        {
            "sections": my_data.readable(contact),
            "requests": SubjectRequest.objects.open().filter(contact=contact).order_by("due_at"),
            "contact": contact,
            "message": message,
            "token": token,
        },
    )


def _ask(request: HttpRequest, contact: Contact) -> str:
    details = {"network": network_of(request)}
    asked = request.POST.get("ask", "")
    if asked == "correct":
        words = request.POST.get("words", "").replace("\0", "").strip()
        if not words:
            return _("Please write what should be corrected.")
        my_data.ask(contact=contact, kind=my_data.Kind.RECTIFICATION, words=words)
        return _("We have noted what should be corrected.")
    if asked == "erase":
        event = my_data.ask_to_be_forgotten(contact=contact, details=details)
        services.answer_is_final(contact=contact, topic=None, channel=event.channel)
        return _("We have noted that your data is to be erased. Nothing is sent to you any more.")
    if asked == "restrict":
        my_data.restrict(contact=contact, details=details)
        services.answer_is_final(contact=contact, topic=None, channel="")
        return _("We keep your data and use it for nothing.")
    if asked == "unrestrict":
        rights.lift_restriction(contact=contact, method=Method.PREFERENCES, details=details)
        return _("We may use your data again, as far as you permit it.")
    return ""


@public.page()
def download(request: HttpRequest, token: str) -> HttpResponse:
    """Everything as JSON (GDPR art. 15 and 20)."""
    try:
        contact = contact_of(token)
    except links.LinkExpired:
        return public.show(request, "expired.html", status=410)
    except links.LinkError:
        return public.unreadable(request)
    return JsonResponse(
        requests.export(contact=contact),
        json_dumps_params={"ensure_ascii": False, "indent": 2},
        headers={"Content-Disposition": 'attachment; filename="my-data.json"'},
    )
