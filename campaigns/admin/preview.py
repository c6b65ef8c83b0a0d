"""A message as it will look: in a frame that can run nothing, on a desktop, on a phone, as text."""

from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from campaigns import services
from campaigns.admin import workspace
from campaigns.content import ContentError
from campaigns.letters import NOWHERE, Letters
from campaigns.models import Campaign, CampaignContent
from contacts import fields
from contacts.admin.finding import find_person
from contacts.admin.names import VIEW_IDENTITY, may_see_identity
from contacts.models import DataField

# What the composer's live preview sends along, all of it text.
PARTS = ("language", "layout", "markup", "subject", "preheader", "body")
VIEWS = {
    "desktop": gettext_lazy("Desktop"),
    "phone": gettext_lazy("Phone"),
    "text": gettext_lazy("Text part"),
}


class PreviewForm(forms.Form):
    language = forms.ChoiceField(
        label=gettext_lazy("Language"), required=False, widget=UnfoldAdminSelectWidget
    )
    person = forms.CharField(
        label=gettext_lazy("As this person"),
        required=False,
        max_length=320,
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("Exact address or pseudonym; empty: nobody in particular."),
    )

    def __init__(self, campaign: Campaign, *, may_choose: bool, data: Any) -> None:
        super().__init__(data)
        languages = campaign.contents.order_by("pk").values_list("language", flat=True)
        self.fields["language"].choices = [(each, each) for each in languages]  # type: ignore[attr-defined]
        if not may_choose:
            del self.fields["person"]


def show_preview(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    campaign = workspace.load(model_admin, request, object_id, workspace.VIEW)
    form = PreviewForm(campaign, may_choose=request.user.has_perm(VIEW_IDENTITY), data=request.GET)
    seen_as = request.GET.get("as", "")
    rendered, problem = _render(request, campaign, form)
    return workspace.show(
        model_admin,
        request,
        campaign,
        "admin/campaigns/preview.html",
        title=campaign.name,
        form=form,
        rendered=rendered,
        problem=problem,
        views=VIEWS,
        seen_as=seen_as if seen_as in VIEWS else "desktop",
    )


@require_POST
def show_live(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> JsonResponse:
    """What is being written, rendered for nobody in particular: subject and html, or the problem."""
    campaign = workspace.load(model_admin, request, object_id, workspace.CHANGE)
    written = {part: request.POST.get(part, "") for part in PARTS}
    content = CampaignContent(campaign=campaign, **written)
    if content.layout not in content.Layout.values or content.markup not in content.Markup.values:
        return JsonResponse({"problem": _("There is no such layout or markup.")}, status=400)
    try:
        rendered = Letters(campaign).render(content, None, NOWHERE)
    except ContentError as error:
        return JsonResponse({"problem": str(error)})
    return JsonResponse({"subject": rendered.subject, "html": rendered.html})


def composer_fields() -> list[list[str]]:
    """What a message may say of a person: the name to write and the name to show."""
    labels = dict(DataField.objects.in_use().values_list("key", "label"))
    names = {"first_name": _("first name"), "last_name": _("last name")}
    return [
        [key, names.get(key) or labels.get(key, key)] for key in sorted(fields.template_names())
    ]


def _render(request: HttpRequest, campaign: Campaign, form: PreviewForm) -> tuple[Any, str]:
    """The rendered message, or a sentence that says why there is none."""
    languages = [language for language, _name in form.fields["language"].choices]  # type: ignore[attr-defined]
    if not languages:
        return None, _("It says nothing yet: write it first.")
    if not form.is_valid():
        return None, ""
    sought = form.cleaned_data.get("person", "")
    person = find_person(request, sought) if sought else None
    if sought and person is None:
        return None, _("Nobody is known under this address or pseudonym.")
    if person and not may_see_identity(request, person.pk):
        return None, _("Open this person's page first and say there why you need to see the name.")
    try:
        language = form.cleaned_data["language"] or languages[0]
        return services.preview(campaign=campaign, language=language, contact=person), ""
    except (ContentError, services.CampaignError) as error:
        return None, str(error)
