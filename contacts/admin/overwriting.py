"""Nobody overwrites what they have not seen: a form carries a digest of what it was filled from."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from contacts import approval

FIELD = "_seen"
CONTEXT = "seen"
OVERTAKEN = "overtaken"
SENTENCE = _(
    "Somebody saved this after you opened it. Nothing of yours is lost: it stands below, not "
    "saved yet. Look at what is saved now; saving again replaces it."
)


class Saved(NamedTuple):
    """A part of what is saved now, for whoever would have overwritten it."""

    title: str
    text: str
    note: str = ""


def version(model: type[Model], key: object) -> str:
    """SHA-256, in hex, of a row as it is saved now."""
    rows = model._base_manager.filter(pk=key).values_list()
    return approval.digest({"saved": [[str(value) for value in row] for row in rows]})


class SeenForm(forms.ModelForm):
    """Refuses once to save over what somebody else saved meanwhile. For a `NotOverwritten` page."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.instance.pk:
            self.hold()
            seen = self.data.get(FIELD)
            if seen and seen != self.version():
                raise ValidationError(SENTENCE, OVERTAKEN)
        return cleaned

    def hold(self) -> None:
        """Hold others off until the transaction ends."""
        saved = type(self.instance)._base_manager.select_for_update(of=("self",))
        saved.filter(pk=self.instance.pk).first()

    def version(self) -> str:
        return version(type(self.instance), self.instance.pk)


class NotOverwritten(ModelAdmin):
    """A page whose `SeenForm` says what it was filled from; refused, it shows what is saved now."""

    change_form_before_template = "admin/desk/seen.html"

    def version(self, key: str) -> str:
        return version(self.model, key)

    def saved_now(self, obj: Any) -> Sequence[Saved]:
        """What the page shows of it; each page has its own parts."""
        raise NotImplementedError

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        context = extra_context or {}
        if request.method == "GET" and object_id and object_id.isdecimal():
            # Before the form is filled: what is saved in between counts as not seen.
            context[CONTEXT] = self.version(object_id)
        return super().changeform_view(request, object_id, form_url, context)

    def render_change_form(
        self,
        request: HttpRequest,
        context: Any,
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None and request.method == "POST":
            # From here on its writer has seen what is saved now.
            context[CONTEXT] = self.version(str(obj.pk))
            if context["adminform"].form.has_error(NON_FIELD_ERRORS, OVERTAKEN):
                context["saved_now"] = self.saved_now(obj)
        page: HttpResponse = super().render_change_form(
            request, context, add, change, form_url, obj
        )
        return page
