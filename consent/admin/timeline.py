"""Acts of consent on a contact's timeline."""

from collections.abc import Iterator

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from consent.models import ConsentEvent
from contacts.admin import timeline
from contacts.models import Contact

TONES = {"given": "good", "renewed": "good", "withdrawn": "warn", "objected": "bad"}
TONES |= {"complained": "bad", "refused": "warn", "revoked": "warn", "expired": "warn"}


def acts_of(
    request: HttpRequest, contact: Contact, window: timeline.Window
) -> Iterator[timeline.Moment]:
    if not request.user.has_perm("consent.view_consentevent"):
        return
    events = ConsentEvent.objects.filter(subject=contact.subject)
    for event in window.of(events.select_related("topic"), "occurred_at"):
        parts = [
            event.get_kind_display(),
            event.topic.name if event.topic else _("every topic"),
            event.get_channel_display() if event.channel else _("every channel"),
        ]
        yield timeline.Moment(
            event.occurred_at,
            _("permission"),
            " · ".join(map(str, parts)),
            reverse("admin:consent_consentevent_change", args=[event.pk]),
            TONES.get(event.kind, ""),
        )


timeline.register(acts_of)
