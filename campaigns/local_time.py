"""The same hour on everybody's own clock."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

from campaigns import quiet
from campaigns.models import Campaign
from contacts.models import Contact

NEAR = timedelta(days=36_525)


def first(campaign: Campaign, send_at: datetime) -> datetime:
    """When the hour that `send_at` shows on the campaign's clock comes first, anywhere among contacts."""
    hour = send_at.astimezone(zone_of(campaign)).replace(tzinfo=None)
    names = Contact.objects.order_by().values_list("timezone", flat=True).distinct()
    zones = [zone for name in names if (zone := quiet.zone(name))]
    return min([send_at, *(hour.replace(tzinfo=zone) for zone in zones)])


def zone_of(campaign: Campaign) -> ZoneInfo:
    """The zone of the campaign's own clock; UTC where its name is none."""
    return quiet.zone(campaign.timezone) or ZoneInfo("UTC")


def is_near(moment: datetime) -> bool:
    """Within a hundred years of now: every clock on earth can show it."""
    return abs(moment - timezone.now()) < NEAR


def exists(hour: datetime) -> bool:
    """Whether a clock in the zone of `hour` ever shows it: not where clocks are put forward over it."""
    there_and_back = hour.astimezone(ZoneInfo("UTC")).astimezone(hour.tzinfo)
    return there_and_back.replace(tzinfo=None) == hour.replace(tzinfo=None)
