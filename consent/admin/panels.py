"""What consent shows on a contact's page: permissions with the gate's answer, and the history."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from consent import gate
from consent.models import ConsentEvent, Permission, Topic
from contacts.admin import panels
from contacts.models import Channel, Contact

HISTORY = 50


@dataclass(frozen=True, slots=True)
class Line:
    """One topic on one channel: what stands, and whether a message could go now."""

    topic: Topic | None
    channel: Channel
    permission: Permission | None
    is_message: bool
    reason: Any

    @property
    def is_allowed(self) -> bool:
        return self.is_message and not self.reason


def permissions_of(request: HttpRequest, contact: Contact) -> panels.Panel | None:
    if not request.user.has_perm("consent.view_permission"):
        return None
    known = {
        (permission.topic_id, permission.channel): permission
        for permission in contact.permissions.select_related("topic", "event")
    }
    keys = [
        (topic, channel)
        for topic in Topic.objects.order_by("position", "key")
        for channel in topic.channels
        if topic.status == Topic.Status.PUBLISHED or (topic.pk, channel) in known
    ]
    messages = [key for key in keys if key[0].use == Topic.Use.MESSAGE]
    decisions = dict(zip(messages, gate.explain_each(contact=contact, asked=messages), strict=True))
    lines = [
        _line(topic, channel, known.get((topic.pk, channel)), decisions.get((topic, channel)))
        for topic, channel in keys
    ]
    everything = [
        Line(None, Channel(channel), permission, False, "")
        for (topic_id, channel), permission in known.items()
        if topic_id is None
    ]
    return panels.Panel(
        _("Permissions"), "admin/consent/permissions.html", {"lines": [*everything, *lines]}
    )


def _line(
    topic: Topic,
    channel: Channel,
    permission: Permission | None,
    decision: gate.Decision | None,
) -> Line:
    if decision is None:
        return Line(topic, channel, permission, False, "")
    reason = gate.Reason(decision.reason).label if decision.reason else ""
    return Line(topic, channel, permission, True, reason)


def history_of(request: HttpRequest, contact: Contact) -> panels.Panel | None:
    if not request.user.has_perm("consent.view_consentevent"):
        return None
    events = (
        ConsentEvent.objects.filter(subject=contact.subject)
        .select_related("entry", "topic")
        .order_by("-id")[: HISTORY + 1]
    )
    rows = list(events)
    context = {"events": rows[:HISTORY], "has_more": len(rows) > HISTORY}
    return panels.Panel(_("Consent history"), "admin/consent/history.html", context)


panels.register(permissions_of, position=10)
panels.register(history_of, position=40)
