"""The result of a campaign: opens and clicks, of those who permit that they are counted."""

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse

from campaigns import results
from campaigns.admin import workspace
from consent.models import Topic


def show_result(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    campaign = workspace.load(model_admin, request, object_id, "campaigns.view_delivery")
    found = results.of(campaign)
    shares = (found.percent(found.opened), found.percent(found.clicked)) if found else (0, 0)
    return workspace.show(
        model_admin,
        request,
        campaign,
        "admin/campaigns/result.html",
        title=campaign.name,
        result=found,
        opened_percent=shares[0],
        clicked_percent=shares[1],
        measured_percent=round(100 * found.measured / found.received, 1)
        if found and found.received
        else 0,
        can_be_measured=Topic.objects.measuring().exists(),
    )
