"""When a campaign starts: the hour on a chosen clock, the latest start, each person's own time."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminSingleTimeWidget,
    UnfoldBooleanSwitchWidget,
)

from campaigns.models import Campaign

PATIENCE = [
    ("", _("However late")),
    ("1", _("Within an hour")),
    ("3", _("Within 3 hours")),
    ("12", _("Within 12 hours")),
    ("24", _("Within a day")),
]


class ScheduleForm(forms.ModelForm):
    day = forms.DateField(
        label=_("Day"),
        widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    hour = forms.TimeField(
        label=_("Time"), widget=UnfoldAdminSingleTimeWidget(attrs={"type": "time"}, format="%H:%M")
    )
    timezone = forms.ChoiceField(label=_("Time zone"), widget=UnfoldAdminSelectWidget)
    patience = forms.ChoiceField(
        label=_("If it cannot start in time"),
        choices=PATIENCE,
        initial="3",
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text=_("Later than that, it is held for you to look at, not sent."),
    )

    class Meta:
        model = Campaign
        fields = ("timezone", "is_local_time", "quiet_from", "quiet_until")
        widgets = {
            "is_local_time": UnfoldBooleanSwitchWidget,
            "quiet_from": UnfoldAdminSingleTimeWidget(attrs={"type": "time"}, format="%H:%M"),
            "quiet_until": UnfoldAdminSingleTimeWidget(attrs={"type": "time"}, format="%H:%M"),
        }

    field_order = ("day", "hour", "timezone", "patience")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = sorted(zone for zone in available_timezones() if "/" in zone or zone == "UTC")
        self.fields["timezone"].choices = [(zone, zone) for zone in zones]  # type: ignore[attr-defined]
        soon = timezone.now().astimezone(_zone(self.instance.timezone)) + timedelta(minutes=10)
        self.initial.setdefault("day", soon.date())
        self.initial.setdefault("hour", soon.time().replace(second=0, microsecond=0))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if bool(cleaned.get("quiet_from")) != bool(cleaned.get("quiet_until")):
            self.add_error("quiet_until", _("Quiet hours have a beginning and an end."))
        return cleaned

    @property
    def send_at(self) -> datetime:
        """The chosen hour on the chosen clock."""
        chosen = datetime.combine(self.cleaned_data["day"], self.cleaned_data["hour"])
        return chosen.replace(tzinfo=_zone(self.cleaned_data["timezone"]))

    @property
    def latest_start_at(self) -> datetime | None:
        """Counted from the chosen hour, or from now where that is past."""
        hours = self.cleaned_data["patience"]
        base = max(self.send_at, timezone.now())
        return base + timedelta(hours=int(hours)) if hours else None


def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name if name in available_timezones() else "UTC")
