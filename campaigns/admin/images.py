"""Images on the desk: uploaded with words for those who do not see them, picked in the composer."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import ModelAdmin as DjangoModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.html import format_html, format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe
from unfold.decorators import display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextInputWidget

from campaigns import images
from campaigns.admin import workspace
from campaigns.models import Image
from campaigns.reencoding import ImageError
from contacts.admin import acts
from contacts.admin.lists import BigList

PICKED_FROM = 60
ACCEPT = "image/jpeg,image/png,image/gif,image/webp"


class UploadForm(forms.Form):
    """A file and its words; `image` is what was kept once the form is valid."""

    file = forms.FileField(
        label=_("File"),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ACCEPT}),
        help_text=_(
            "JPEG, PNG, GIF or WebP, 10 MB at most. Place, camera and other hidden data are removed."
        ),
    )
    alt = forms.CharField(
        label=capfirst(_("alternative text")),
        max_length=250,
        widget=UnfoldAdminTextInputWidget,
        help_text=_(
            "What people read who do not see the image: say what it shows, in one sentence."
        ),
    )


def _keep(request: HttpRequest, form: UploadForm) -> Image | None:
    """The image kept, or None with the sentence on the form."""
    if not form.is_valid():
        return None
    upload = form.cleaned_data["file"]
    try:
        return images.keep(
            upload=upload,
            size=upload.size,
            alt=form.cleaned_data["alt"],
            staff_id=request.user.pk,
        )
    except ImageError as error:
        form.add_error("file", str(error))
        return None


def _shown(image: Image) -> dict[str, Any]:
    """What the composer needs to show and insert an image."""
    return {
        "alt": image.alt,
        "thumbnail": image.path(image.widths[-1]),
        "widths": [[width, image.url(width)] for width in image.widths],
    }


@require_safe
def list_choices(request: HttpRequest, model_admin: DjangoModelAdmin) -> JsonResponse:
    """The newest images, or those whose words contain `q`."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    found = Image.objects.order_by("-pk")
    if sought := request.GET.get("q", "").strip()[:100]:
        found = found.filter(alt__icontains=sought)
    return JsonResponse({"images": [_shown(image) for image in found[:PICKED_FROM]]})


@require_POST
def upload(request: HttpRequest, model_admin: DjangoModelAdmin) -> JsonResponse:
    """Keep an image sent by the composer; or the sentence that says why not."""
    if not model_admin.has_add_permission(request):
        raise PermissionDenied
    form = UploadForm(request.POST, request.FILES)
    if image := _keep(request, form):
        return JsonResponse(_shown(image))
    problems = " ".join(str(error) for errors in form.errors.values() for error in errors)
    return JsonResponse({"problem": problems})


@admin.register(Image)
class ImageAdmin(BigList):
    empty_text = _(
        "Images that messages show. Each is made ready for mail when it is added, and asks for "
        "words for those who do not see it."
    )
    list_display = ("thumbnail", "alt", "pixels", "kilobytes", "created_at")
    list_display_links = ("thumbnail", "alt")
    search_fields = ("alt",)
    fields = ("shown", "alt", "pixels", "kilobytes", "used_by", "addresses", "created_at")
    readonly_fields = tuple(name for name in fields if name != "alt")

    def get_custom_urls(self) -> tuple[Any, ...]:
        return (
            ("choices/", "campaigns_image_choices", list_choices),
            ("upload/", "campaigns_image_upload", upload),
        )

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = UploadForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and (image := _keep(request, form)):
            messages.success(request, _("The image is kept."))
            return redirect(acts.url_of(self, image))
        return acts.show(
            self,
            request,
            None,
            "admin/campaigns/upload.html",
            title=_("Add an image"),
            sentence=_("It is made ready for mail: scaled for phones and dense screens, stripped."),
            button=_("Keep the image"),
            form=form,
            back="../",
        )

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        image = acts.load(self, request, object_id)
        if self.has_delete_permission(request, image) and images.used_by(image):
            messages.error(request, _("A campaign shows it: take it out there first."))
            return redirect(acts.url_of(self, image))
        page: HttpResponse = super().delete_view(request, object_id, extra_context)
        return page

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        images.delete(image=obj)

    @display(description=_("image"))
    def thumbnail(self, image: Image) -> str:
        return format_html(
            '<img class="desk-thumbnail" src="{}" alt="{}" loading="lazy">',
            image.path(image.widths[-1]),
            image.alt,
        )

    @display(description=_("image"))
    def shown(self, image: Image) -> str:
        return format_html(
            '<img class="desk-picture" src="{}" alt="{}">', image.path(image.widths[0]), image.alt
        )

    @display(description=_("pixels"))
    def pixels(self, image: Image) -> str:
        return f"{image.width} × {image.height}"  # noqa: RUF001 - the sign of dimensions

    @display(description=_("size"))
    def kilobytes(self, image: Image) -> Any:
        return _("%d kB, all widths") % max(1, round(image.size / 1000))

    @display(description=_("shown in"))
    def used_by(self, image: Image) -> Any:
        campaigns = images.used_by(image)
        if not campaigns:
            return _("No campaign: it can be deleted.")
        return format_html_join(
            ", ",
            '<a class="desk-link" href="{}">{}</a>',
            ((workspace.url(campaign, "change"), campaign) for campaign in campaigns[:50]),
        )

    @display(description=_("to write it by hand"))
    def addresses(self, image: Image) -> str:
        return format_html_join(
            "",
            '<code class="desk-address">![{}]({})</code>',
            ((image.alt, image.url(width)) for width in image.widths),
        )
