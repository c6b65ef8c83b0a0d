"""A message as it will look: in a frame that can run nothing, on a desktop or phone, dark, as text."""

from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from campaigns import audience, services
from campaigns.admin import workspace
from campaigns.content import ContentError
from campaigns.models import Campaign, CampaignContent, Sender
from consent.models import Topic
from contacts import fields, languages, segments
from contacts.admin.names import may_see_identity, name_of
from contacts.models import Channel, Contact, DataField
from contacts.services import find_by_pseudonym

# What the composer's live preview sends along, all of it text.
PARTS = ("language", "layout", "markup", "subject", "preheader", "body")
VIEWS = {
    "desktop": gettext_lazy("Desktop"),
    "phone": gettext_lazy("Phone"),
    "dark": gettext_lazy("Dark"),
    "text": gettext_lazy("Text part"),
}


READERS = 20


class PreviewForm(forms.Form):
    language = forms.ChoiceField(
        label=gettext_lazy("Language"), required=False, widget=UnfoldAdminSelectWidget
    )
    person = forms.CharField(
        label=gettext_lazy("As this person"),
        required=False,
        max_length=36,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Pseudonym; empty: nobody in particular."),
    )

    def __init__(self, campaign: Campaign, *, may_choose: bool, data: Any) -> None:
        super().__init__(data)
        written = campaign.contents.order_by("pk").values_list("language", flat=True)
        named = [(each, languages.name_of(each)) for each in written]
        self.fields["language"].choices = named  # type: ignore[attr-defined]
        if may_choose:
            where = workspace.url(campaign, "readers")
            self.fields["person"].widget.attrs["data-readers-url"] = where
        else:
            del self.fields["person"]


def show_preview(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> HttpResponse:
    campaign = workspace.load(model_admin, request, object_id, workspace.VIEW)
    form = PreviewForm(campaign, may_choose=_may_choose(request), data=request.GET)
    seen_as = request.GET.get("as", "")
    seen_as = seen_as if seen_as in VIEWS else "desktop"
    rendered, problem = _render(request, campaign, form)
    if rendered:
        # Whatever the browser of staff prefers.
        asked = "all" if seen_as == "dark" else "not all"
        rendered = rendered._replace(
            html=rendered.html.replace("(prefers-color-scheme: dark)", asked)
        )
    return workspace.show(
        model_admin,
        request,
        campaign,
        "admin/campaigns/preview.html",
        title=campaign.name,
        form=form,
        rendered=rendered,
        problem=problem,
        views={} if campaign.channel == Channel.SMS else VIEWS,
        seen_as=seen_as,
    )


@require_safe
def list_readers(request: HttpRequest, object_id: int, model_admin: ModelAdmin) -> JsonResponse:
    """Some of those who would get it, to look at it as: pseudonym, and how they are called here."""
    campaign = workspace.load(model_admin, request, object_id, workspace.VIEW)
    if not _may_choose(request):
        raise PermissionDenied
    try:
        found, _older = audience.people(campaign, "", limit=READERS)
    except segments.RuleError:
        found = []
    known = Contact.objects.select_related("identity").defer("attributes").in_bulk(found)
    readers = []
    for contact in (known[pk] for pk in found):
        name = name_of(contact, is_clear=may_see_identity(request, contact.pk))
        readers.append([str(contact.subject), f"{name} · {contact.language}"])
    return JsonResponse({"readers": readers})


@require_POST
def show_live(
    request: HttpRequest, model_admin: ModelAdmin, object_id: int | None = None
) -> JsonResponse:
    """What is being written, as nobody or as one person: subject, html and text, or the problem.

    The channel, topic and sender are those chosen on the form, saved or not.
    """
    if object_id is not None:
        campaign = workspace.load(model_admin, request, object_id, workspace.CHANGE)
    elif model_admin.has_add_permission(request):
        campaign = Campaign()
    else:
        raise PermissionDenied
    _choose(campaign, request)
    if not (campaign.topic_id and campaign.sender_id):
        return JsonResponse({"problem": _("Choose a topic and a sender first.")})
    written = {part: request.POST.get(part, "") for part in PARTS}
    content = CampaignContent(campaign=campaign, **written)
    if content.layout not in content.Layout.values or content.markup not in content.Markup.values:
        return JsonResponse({"problem": _("There is no such layout or markup.")}, status=400)
    try:
        person = _person(request, request.POST.get("person", ""))
        rendered = services.preview(campaign=campaign, content=content, **person)
    except (ContentError, NobodyFound) as error:
        return JsonResponse({"problem": str(error)})
    is_text = campaign.channel == Channel.SMS
    return JsonResponse(
        rendered._asdict() | {"sender": campaign.sender.sms_from if is_text else ""}
    )


def _choose(campaign: Campaign, request: HttpRequest) -> None:
    """What the form says about the campaign, where it says anything that is there."""
    if request.POST.get("channel") in {Channel.EMAIL, Channel.SMS}:
        campaign.channel = request.POST["channel"]
    for name, model in (("topic", Topic), ("sender", Sender)):
        chosen = request.POST.get(name, "")
        if chosen.isdecimal() and len(chosen) < 10:
            found = model._default_manager.filter(pk=chosen).first()
            setattr(campaign, name, found or getattr(campaign, name, None))


def composer_fields() -> list[list[str]]:
    """What a message may say of a person: the name to write and the name to show."""
    labels = dict(DataField.objects.in_use().values_list("key", "label"))
    names = {"first_name": _("first name"), "last_name": _("last name")}
    return [
        [key, names.get(key) or labels.get(key, key)] for key in sorted(fields.template_names())
    ]


class NobodyFound(Exception):
    """Nobody, or more than one person, is known under this pseudonym."""

    def __str__(self) -> str:
        return _(self.__doc__ or "")


def _may_choose(request: HttpRequest) -> bool:
    return request.user.has_perm("contacts.view_contact")


def _person(request: HttpRequest, pseudonym: str) -> dict[str, Any]:
    """The person to show it to; the name only where it is open to this staff member at this time."""
    pseudonym = pseudonym.strip()
    if not pseudonym or not _may_choose(request):
        return {}
    found = find_by_pseudonym(pseudonym)
    if len(found) != 1:
        raise NobodyFound
    return {"contact": found[0], "has_names": may_see_identity(request, found[0].pk)}


def _render(request: HttpRequest, campaign: Campaign, form: PreviewForm) -> tuple[Any, str]:
    """The rendered message, or a sentence that says why there is none."""
    offered = [language for language, _name in form.fields["language"].choices]  # type: ignore[attr-defined]
    if not offered:
        return None, _("It says nothing yet: write it first.")
    if not form.is_valid():
        return None, ""
    try:
        person = _person(request, form.cleaned_data.get("person", ""))
        language = form.cleaned_data["language"] or offered[0]
        return services.preview(campaign=campaign, language=language, **person), ""
    except (ContentError, NobodyFound, services.CampaignError) as error:
        return None, str(error)
