"""One act on one object: a page that asks, and a POST that does it. GET changes nothing."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

Text = str | Promise


class ReasonForm(forms.Form):
    """Why somebody looks at, or takes out, what names people."""

    reason = forms.CharField(
        label=_("Why?"), min_length=5, max_length=500, widget=UnfoldAdminTextInputWidget
    )


def load(page: ModelAdmin, request: HttpRequest, object_id: str) -> Any:
    """The object of an admin page, or a 404 that says no more than that."""
    found = page.get_object(request, object_id)
    if found is None:
        raise Http404
    return found


def url_of(page: ModelAdmin, obj: Model, name: str = "change") -> str:
    meta = obj._meta
    return reverse(
        f"{page.admin_site.name}:{meta.app_label}_{meta.model_name}_{name}", args=[obj.pk]
    )


def show(
    page: ModelAdmin, request: HttpRequest, obj: Model | None, template: str, **context: Any
) -> TemplateResponse:
    """A page of the admin with its sidebar, about one object of `page`."""
    request.current_app = page.admin_site.name
    return TemplateResponse(
        request,
        template,
        {
            **page.admin_site.each_context(request),
            "opts": page.opts,
            "model_admin": page,
            "original": obj,
            "is_nav_sidebar_enabled": True,
            **context,
        },
    )


def ask(
    page: ModelAdmin,
    request: HttpRequest,
    obj: Model,
    *,
    title: Text,
    sentence: Text,
    button: Text,
    act: Callable[..., object],
    done: object,
    refusals: tuple[type[Exception], ...],
    form: forms.BaseForm | None = None,
    template: str = "admin/desk/act.html",
    then: str = "",
    **context: Any,
) -> HttpResponse:
    """Ask by GET, do by POST: calls `act` with the cleaned values, and says `done` (as text) or why not.

    Goes on to `then`, or to the object's own page.
    """
    if request.method == "POST" and (form is None or form.is_valid()):
        try:
            act(**(form.cleaned_data if form else {}))
        except refusals as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, str(done))
            return redirect(then or url_of(page, obj))
    return show(
        page,
        request,
        obj,
        template,
        title=title,
        sentence=sentence,
        button=button,
        form=form,
        back=url_of(page, obj),
        **context,
    )
