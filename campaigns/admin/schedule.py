"""When a campaign starts and how fast it goes: hour, clock, latest start, each person's own time, pace."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminSingleTimeWidget,
    UnfoldBooleanSwitchWidget,
)

from campaigns import local_time
from campaigns.models import Campaign

PATIENCE = [
    ("", _("However late")),
    ("1", _("Within an hour")),
    ("3", _("Within 3 hours")),
    ("12", _("Within 12 hours")),
    ("24", _("Within a day")),
]
# A form that was open for a while still starts at once.
LATE = timedelta(minutes=30)


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
        fields = ("timezone", "is_local_time", "per_minute", "quiet_from", "quiet_until")
        widgets = {
            "is_local_time": UnfoldBooleanSwitchWidget,
            "per_minute": UnfoldAdminIntegerFieldWidget(attrs={"min": 1}),
            "quiet_from": UnfoldAdminSingleTimeWidget(attrs={"type": "time"}, format="%H:%M"),
            "quiet_until": UnfoldAdminSingleTimeWidget(attrs={"type": "time"}, format="%H:%M"),
        }

    field_order = ("day", "hour", "timezone", "patience")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = sorted(zone for zone in available_timezones() if "/" in zone or zone == "UTC")
        self.fields["timezone"].choices = [(zone, zone) for zone in zones]  # type: ignore[attr-defined]
        self.initial["timezone"] = zone = _usual_zone(self.instance)
        soon = timezone.now().astimezone(_zone(zone)) + timedelta(minutes=10)
        self.initial.setdefault("day", soon.date())
        self.initial.setdefault("hour", soon.time().replace(second=0, microsecond=0))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if bool(cleaned.get("quiet_from")) != bool(cleaned.get("quiet_until")):
            self.add_error("quiet_until", _("Quiet hours have a beginning and an end."))
        if {"day", "hour", "timezone"} <= cleaned.keys():
            self._look_at(self.send_at)
        return cleaned

    def _look_at(self, send_at: datetime) -> None:
        """A wrong day sends nothing at once: whoever wants that names the present hour."""
        if not local_time.is_near(send_at):
            self.add_error("day", _("That is more than a hundred years away: look at the year."))
        elif send_at < timezone.now() - LATE:
            self.add_error(
                "hour" if send_at > timezone.now() - timedelta(days=1) else "day",
                _("That is past. To start at once, choose the present time."),
            )
        elif not local_time.exists(send_at):
            self.add_error(
                "hour",
                _("There is no such time that day: the clocks are put forward over it."),
            )

    @property
    def send_at(self) -> datetime:
        """The chosen hour on the chosen clock; the first of the two where clocks are put back over it."""
        chosen = datetime.combine(self.cleaned_data["day"], self.cleaned_data["hour"])
        return chosen.replace(tzinfo=_zone(self.cleaned_data["timezone"]))

    @property
    def latest_start_at(self) -> datetime | None:
        """Counted from the chosen hour, or from now where that is past."""
        hours = self.cleaned_data["patience"]
        base = max(self.send_at, timezone.now())
        return base + timedelta(hours=int(hours)) if hours else None


def _usual_zone(campaign: Campaign) -> str:
    """The campaign's own zone or, where nobody has chosen one yet, that of the last one scheduled."""
    field = Campaign._meta.get_field("timezone")
    if campaign.timezone != field.default:
        return campaign.timezone
    known = (
        Campaign.objects.exclude(send_at=None).order_by("-pk").values_list("timezone", flat=True)
    )
    return known.first() or campaign.timezone


def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name if name in available_timezones() else "UTC")
