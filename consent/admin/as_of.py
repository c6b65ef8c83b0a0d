"""What a person permitted at a moment in the past, folded from the ledger as it was recorded by then."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from consent import ledger
from consent.models import Permission, Topic
from consent.standing import Standing
from contacts.admin import panels
from contacts.models import Contact


class MomentForm(forms.Form):
    as_of = forms.DateTimeField(
        label=_("At this moment (UTC)"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        widget=UnfoldAdminTextInputWidget(attrs={"type": "datetime-local"}),
    )


@dataclass(frozen=True, slots=True)
class Line:
    topic: Topic
    channel: Any
    state: Any
    standing: Standing


def standing_at(contact: Contact, moment: datetime) -> list[Line]:
    """What stood for each topic and channel, by the events recorded up to a moment."""
    history = [entry for entry in ledger.acts_of(contact) if entry[2].recorded_at <= moment]
    lines = []
    for topic in Topic.objects.order_by("position", "key"):
        for channel in topic.channels:
            standing = ledger.standing_of(history, topic.key, channel)
            if standing:
                state = Permission.State(standing.state).label
                lines.append(Line(topic, channel, state, standing))
    return lines


def panel(request: HttpRequest, contact: Contact) -> panels.Panel | None:
    if not request.user.has_perm("consent.view_consentevent"):
        return None
    form = MomentForm(request.GET if "as_of" in request.GET else None)
    moment = form.cleaned_data["as_of"] if form.is_valid() else None
    lines = standing_at(contact, moment) if moment else []
    may_prove = request.user.has_perm("consent.view_consentevidence")
    context = {"form": form, "moment": moment, "lines": lines, "may_prove": may_prove}
    return panels.Panel(_("Consent at a moment"), "admin/consent/as_of.html", context)


panels.register(panel, position=35)
