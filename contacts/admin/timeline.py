"""One timeline per contact: what the person did, asked and was sent, in the order in which it happened."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import nlargest

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.admin import panels
from contacts.admin.lists import number
from contacts.models import Contact, SubjectRequest

SHOWN, MOST = 30, 2000
Text = str | Promise


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened: `tone` is `good`, `warn`, `bad` or nothing; `url` leads to its own page."""

    at: datetime
    kind: Text
    words: Text
    url: str = ""
    tone: str = ""


Source = Callable[[HttpRequest, Contact, int], Iterable[Moment]]

_sources: list[Source] = []


def register(source: Source) -> None:
    """Add a source: the newest moments of a contact that this staff member may see, at most so many."""
    if source not in _sources:
        _sources.append(source)


def newest(request: HttpRequest, contact: Contact, most: int = SHOWN) -> list[Moment]:
    """The newest moments of all sources, newest first; each source is asked for no more than that."""
    found = (moment for source in _sources for moment in source(request, contact, most))
    return nlargest(most, found, key=lambda moment: moment.at)


def panel_of(request: HttpRequest, contact: Contact) -> panels.Panel:
    """The newest, and a way to the older ones: the address of the page says how many are asked for."""
    most = min(max(number(request.GET.get("moments")) or SHOWN, SHOWN), MOST)
    moments = newest(request, contact, most + 1)
    return panels.Panel(
        gettext_lazy("Timeline"),
        "admin/contacts/timeline.html",
        {
            "moments": moments[:most],
            "more": min(most * 4, MOST) if len(moments) > most and most < MOST else None,
            "is_cut": len(moments) > most == MOST,
        },
    )


def of_the_profile(_request: HttpRequest, contact: Contact, _most: int) -> Iterator[Moment]:
    kind = gettext_lazy("profile")
    yield Moment(contact.created_at, kind, gettext_lazy("became known"))
    if contact.last_active_at:
        yield Moment(contact.last_active_at, kind, gettext_lazy("was last active"))
    if contact.restricted_at:
        yield Moment(contact.restricted_at, kind, gettext_lazy("restricted"), tone="warn")
    if contact.erased_at:
        yield Moment(contact.erased_at, kind, gettext_lazy("erased"), tone="bad")
    for address in contact.addresses.order_by("-created_at", "-pk")[:_most]:
        channel = address.get_channel_display()
        yield Moment(address.created_at, kind, _("new address: %s") % channel)
        if address.undeliverable_at:
            words = _("address undeliverable: %s") % channel
            yield Moment(address.undeliverable_at, kind, words, tone="bad")


def of_requests(request: HttpRequest, contact: Contact, most: int) -> Iterator[Moment]:
    if not request.user.has_perm("contacts.view_subjectrequest"):
        return
    kind = gettext_lazy("request")
    for asked in contact.requests.order_by("-received_at", "-pk")[:most]:
        yield Moment(asked.received_at, kind, asked.get_kind_display())
        if asked.settled_at:
            tone = "good" if asked.state == SubjectRequest.State.DONE else "warn"
            words = f"{asked.get_kind_display()} · {asked.get_state_display()}"
            yield Moment(asked.settled_at, kind, words, tone=tone)


register(of_the_profile)
register(of_requests)
panels.register(panel_of, position=5)
