"""The moves of a campaign, each a page that asks and a POST that does it through its service."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from campaigns import approval, services, throttle
from campaigns.admin import audience, mending, workspace
from campaigns.admin.schedule import ScheduleForm
from campaigns.content import ContentError
from campaigns.models import Campaign, CampaignContent
from contacts import languages
from contacts.admin import acts, overwriting

REFUSALS = (services.CampaignError,)


class LanguageForm(forms.Form):
    language = forms.ChoiceField(label=_("Language"), widget=UnfoldAdminSelectWidget)

    def __init__(self, campaign: Campaign, data: Any) -> None:
        super().__init__(data)
        written = campaign.contents.order_by("pk").values_list("language", flat=True)
        named = [(each, languages.name_of(each)) for each in written]
        self.fields["language"].choices = named  # type: ignore[attr-defined]


class WhyForm(forms.Form):
    reason = forms.CharField(
        label=_("Why?"), required=False, max_length=200, widget=UnfoldAdminTextInputWidget
    )


def _begin(
    request: HttpRequest, object_id: int, page: ModelAdmin, move: str
) -> tuple[Campaign, HttpResponse | None]:
    """The campaign; and where the state no longer allows the move, the way back with a sentence."""
    permission = next(entry[3] for entry in workspace.MOVES if entry[0] == move)
    campaign = workspace.load(page, request, object_id, permission)
    if workspace.can(request, campaign, move):
        return campaign, None
    messages.warning(request, _("The campaign has moved on: this is no longer possible."))
    return campaign, redirect(workspace.url(campaign, "progress"))


def send_test(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    campaign, moved_on = _begin(request, object_id, model_admin, "test")
    user: Any = request.user
    return moved_on or acts.ask(
        model_admin,
        request,
        campaign,
        title=_("Send a test"),
        sentence=_("One message, marked as a test, goes to %s. It makes no delivery.") % user.email,
        button=_("Send the test"),
        form=LanguageForm(campaign, request.POST or None),
        act=lambda language: services.send_test(campaign=campaign, language=language, staff=user),
        done=_("The test was sent."),
        refusals=REFUSALS,
        then=workspace.url(campaign, "preview"),
        **workspace.surroundings(model_admin, request, campaign),
    )


class NameForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=200, widget=UnfoldAdminTextInputWidget)


def duplicate(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    campaign, moved_on = _begin(request, object_id, model_admin, "duplicate")
    if moved_on:
        return moved_on
    form = NameForm(request.POST or None, initial={"name": _("%s (copy)") % campaign.name})
    if request.method == "POST" and form.is_valid():
        draft = services.duplicate_campaign(
            campaign=campaign, name=form.cleaned_data["name"], author_id=request.user.pk
        )
        messages.success(request, _("Here is the copy, as a draft."))
        return redirect(workspace.url(draft, "change"))
    return workspace.show(
        model_admin,
        request,
        campaign,
        "admin/desk/act.html",
        title=_("Duplicate"),
        sentence=_("A fresh draft with the same words, for the same segments."),
        button=_("Duplicate"),
        form=form,
        back=workspace.url(campaign, "change"),
    )


def schedule(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    campaign, moved_on = _begin(request, object_id, model_admin, "schedule")
    if moved_on:
        return moved_on
    seen = approval.digest(campaign)
    form = ScheduleForm(request.POST or None, instance=campaign)
    expected = audience.expected(campaign)
    return acts.ask(
        model_admin,
        request,
        campaign,
        title=_("Schedule"),
        sentence=_("It starts by itself at its hour. Until then it can be made a draft again."),
        button=_("Schedule"),
        form=form,
        act=lambda **_values: _schedule(request, campaign, form),
        done=_("The campaign is scheduled."),
        refusals=REFUSALS,
        template="admin/campaigns/schedule.html",
        seen=seen,
        then=workspace.url(campaign, "progress"),
        **expected,
        findings=mending.findings(request, campaign),
        audience_url=workspace.url(campaign, "audience"),
        lasts_until=_lasts_until(campaign, expected.get("will")),
        **workspace.surroundings(model_admin, request, campaign),
    )


def _lasts_until(campaign: Campaign, will: int | None) -> datetime | None:
    """When it would end that began now, at the pace that is allowed; None where nothing holds it back."""
    pace = throttle.pace(campaign)
    return throttle.lasts_until(will, pace) if will and pace else None


@transaction.atomic
def _schedule(request: HttpRequest, campaign: Campaign, form: ScheduleForm) -> None:
    chosen = {name: getattr(form.instance, name) for name in form.Meta.fields}
    if not Campaign.objects.filter(pk=campaign.pk, state=Campaign.State.DRAFT).update(**chosen):
        raise services.NotADraft
    services.schedule_campaign(
        campaign=campaign,
        send_at=form.send_at,
        latest_start_at=form.latest_start_at,
        actor_id=request.user.pk,
        seen=_seen(request),
    )


def _seen(request: HttpRequest) -> str:
    """The digest of what this page showed before its button was pressed."""
    return request.POST.get(overwriting.FIELD, "")


def unschedule(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    campaign, moved_on = _begin(request, object_id, model_admin, "unschedule")
    return moved_on or _simple(
        request,
        model_admin,
        campaign,
        title=_("Back to draft"),
        sentence=_("It does not start. It can be changed, and scheduled again."),
        button=_("Back to draft"),
        act=lambda: services.unschedule_campaign(campaign=campaign),
        done=_("The campaign is a draft again."),
        then=workspace.url(campaign, "change"),
    )


def ask(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    campaign, moved_on = _begin(request, object_id, model_admin, "ask")
    return moved_on or _simple(
        request,
        model_admin,
        campaign,
        title=_("Ask for approval"),
        sentence=_(
            "Everybody who may approve finds it on their first page. Write it to the end first: "
            "once words, audience or sender change, it has to be asked for again."
        ),
        button=_("Ask for approval"),
        act=lambda: services.ask_approval(campaign=campaign, actor_id=request.user.pk),
        done=_("Somebody else has to approve it now."),
    )


def approve(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    campaign, moved_on = _begin(request, object_id, model_admin, "approve")
    # Before anything is read: what changes in between counts as not seen.
    seen = approval.digest(campaign)
    return moved_on or _simple(
        request,
        model_admin,
        campaign,
        title=_("Approve"),
        sentence=_("You approve what it says now, and to whom. Any change ends the approval."),
        template="admin/campaigns/approve.html",
        seen=seen,
        findings=mending.findings(request, campaign),
        messages_of=[_shown(campaign, content) for content in campaign.contents.order_by("pk")],
        **({} if audience.is_frozen(campaign) else audience.expected(campaign)),
        is_frozen=audience.is_frozen(campaign),
        audience_url=workspace.url(campaign, "audience"),
        button=_("Approve"),
        act=lambda: services.approve_campaign(
            campaign=campaign, actor_id=request.user.pk, seen=_seen(request)
        ),
        done=_("The campaign is approved."),
    )


def _shown(campaign: Campaign, content: CampaignContent) -> dict[str, Any]:
    """One language of a campaign as its reader sees it, or the sentence that says why nobody can."""
    shown: dict[str, Any] = {"content": content}
    try:
        shown["rendered"] = services.preview(campaign=campaign, content=content)
    except (ContentError, services.CampaignError) as problem:
        shown["problem"] = str(problem)
    return shown


def pause(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    campaign, moved_on = _begin(request, object_id, model_admin, "pause")
    return moved_on or _simple(
        request,
        model_admin,
        campaign,
        title=_("Pause"),
        sentence=_("It stops within a few messages and goes on when you resume it."),
        button=_("Pause"),
        form=WhyForm(request.POST or None),
        act=lambda reason: services.pause_campaign(campaign=campaign, reason=reason),
        done=_("The campaign is paused."),
    )


class PaceForm(forms.Form):
    per_minute = forms.IntegerField(
        label=_("Messages a minute"),
        required=False,
        min_value=1,
        max_value=1_000_000,
        widget=UnfoldAdminIntegerFieldWidget(attrs={"min": 1}),
        help_text=_("At most, besides what the sender may. Empty: as fast as the sender may."),
    )


def pace(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    campaign, moved_on = _begin(request, object_id, model_admin, "pace")
    initial = {"per_minute": campaign.per_minute}
    return moved_on or _simple(
        request,
        model_admin,
        campaign,
        title=_("Pace"),
        sentence=_("How fast it goes at most. What is under way keeps to it within a minute."),
        button=_("Set the pace"),
        form=PaceForm(request.POST or None, initial=initial),
        act=lambda per_minute: services.set_pace(campaign=campaign, per_minute=per_minute),
        done=_("The pace is set."),
    )


def resume(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    campaign, moved_on = _begin(request, object_id, model_admin, "resume")
    return moved_on or _simple(
        request,
        model_admin,
        campaign,
        title=_("Resume"),
        sentence=_("It goes on where it was paused. Each permission is looked at again."),
        button=_("Resume"),
        act=lambda: services.resume_campaign(campaign=campaign),
        done=_("The campaign goes on."),
    )


def release(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    campaign, moved_on = _begin(request, object_id, model_admin, "release")
    return moved_on or _simple(
        request,
        model_admin,
        campaign,
        title=_("Release"),
        sentence=_("It was held for somebody to look at. Released, it is sent however late it is."),
        template="admin/campaigns/release.html",
        button=_("Release"),
        act=lambda: services.release_held(campaign=campaign),
        done=_("The campaign is released."),
    )


def cancel(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    campaign, moved_on = _begin(request, object_id, model_admin, "cancel")
    return moved_on or _simple(
        request,
        model_admin,
        campaign,
        title=_("Cancel"),
        sentence=_("It ends for good. What was not handed over yet is never sent."),
        button=_("Cancel the campaign"),
        act=lambda: services.cancel_campaign(campaign=campaign),
        done=_("The campaign is cancelled."),
    )


def _simple(
    request: HttpRequest, page: ModelAdmin, campaign: Campaign, **question: Any
) -> HttpResponse:
    return acts.ask(
        page,
        request,
        campaign,
        refusals=REFUSALS,
        **{"then": workspace.url(campaign, "progress")} | question,
        **workspace.surroundings(page, request, campaign),
    )


PAGES: dict[str, Callable[..., HttpResponse]] = {
    "test": send_test,
    "duplicate": duplicate,
    "schedule": schedule,
    "unschedule": unschedule,
    "ask": ask,
    "approve": approve,
    "pause": pause,
    "pace": pace,
    "resume": resume,
    "release": release,
    "cancel": cancel,
}
