"""One timeline per contact: what the person did, asked and was sent, in the order in which it happened."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import nlargest
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.admin import panels
from contacts.models import Contact, SubjectRequest

SHOWN = 30
Text = str | Promise


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened: `tone` is `good`, `warn`, `bad` or nothing; `url` leads to its own page."""

    at: datetime
    kind: Text
    words: Text
    url: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """What a page shows of a timeline: at most so many moments, all before one if there is one."""

    most: int = SHOWN
    before: datetime | None = None

    def of(self, rows: "QuerySet[Any]", at: str) -> "QuerySet[Any]":
        """The newest of these rows by that column, none later than the window."""
        if self.before:
            rows = rows.filter(**{f"{at}__lt": self.before})
        return rows.order_by(f"-{at}", "-pk")[: self.most]

    def holds(self, moment: Moment) -> bool:
        return self.before is None or moment.at < self.before


Source = Callable[[HttpRequest, Contact, Window], Iterable[Moment]]

_sources: list[Source] = []


def register(source: Source) -> None:
    """Add a source: the newest moments of a contact within a window that this staff member may see."""
    if source not in _sources:
        _sources.append(source)


def newest(request: HttpRequest, contact: Contact, window: Window) -> list[Moment]:
    """The newest moments of all sources, newest first; each source is asked for no more than that."""
    found = (moment for source in _sources for moment in source(request, contact, window))
    return nlargest(window.most, filter(window.holds, found), key=lambda moment: moment.at)


def panel_of(request: HttpRequest, contact: Contact) -> panels.Panel:
    """A page of moments, and the way to the older ones: what happened at once stands on one page."""
    before = _moment(request.GET.get("before", ""))
    found = newest(request, contact, Window(SHOWN + 1, before))
    moments, older = found, ""
    if len(found) > SHOWN:
        moments = [each for each in found if each.at > found[-1].at] or found[:SHOWN]
        older = moments[-1].at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return panels.Panel(
        gettext_lazy("Timeline"),
        "admin/contacts/timeline.html",
        {"moments": moments, "older": older, "is_newest": before is None},
    )


def _moment(text: str) -> datetime | None:
    """The end of the page before; None where it is no moment."""
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found and found.tzinfo else None


def of_the_profile(_request: HttpRequest, contact: Contact, window: Window) -> Iterator[Moment]:
    kind = gettext_lazy("profile")
    yield Moment(contact.created_at, kind, gettext_lazy("became known"))
    if contact.last_active_at:
        yield Moment(contact.last_active_at, kind, gettext_lazy("was last active"))
    if contact.restricted_at:
        yield Moment(contact.restricted_at, kind, gettext_lazy("restricted"), tone="warn")
    if contact.erased_at:
        yield Moment(contact.erased_at, kind, gettext_lazy("erased"), tone="bad")
    for address in contact.addresses.order_by("-created_at", "-pk")[: window.most]:
        channel = address.get_channel_display()
        yield Moment(address.created_at, kind, _("new address: %s") % channel)
        if address.undeliverable_at:
            words = _("address undeliverable: %s") % channel
            yield Moment(address.undeliverable_at, kind, words, tone="bad")


def of_requests(request: HttpRequest, contact: Contact, window: Window) -> Iterator[Moment]:
    if not request.user.has_perm("contacts.view_subjectrequest"):
        return
    kind = gettext_lazy("request")
    for asked in window.of(contact.requests.all(), "received_at"):
        yield Moment(asked.received_at, kind, asked.get_kind_display())
        if asked.settled_at:
            tone = "good" if asked.state == SubjectRequest.State.DONE else "warn"
            words = f"{asked.get_kind_display()} · {asked.get_state_display()}"
            yield Moment(asked.settled_at, kind, words, tone=tone)


register(of_the_profile)
register(of_requests)
panels.register(panel_of, position=5)
