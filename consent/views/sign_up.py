"""Sign-up: the page, the form on other sites, and the one answer to every address."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from consent import forms, services
from consent.budgets import Budget, network_of
from consent.offers import offers
from consent.views import public
from contacts.models import Channel

# A text message needs a confirmation of its own, so a number is not taken here.
CHANNELS = [Channel.EMAIL, Channel.DATA]
FROM_OUR_PAGE = Budget("sign-up", limit=30, window_s=3600)
FROM_OTHER_SITES = Budget("sign-up-unstamped", limit=10, window_s=3600)


@public.page("POST")
def sign_up(request: HttpRequest) -> HttpResponse:
    offered = offers(language=get_language() or settings.LANGUAGE_CODE, channels=CHANNELS)
    wordings = [wording for offer in offered for wording in offer.wordings]
    form = forms.SignUpForm(request.POST if request.method == "POST" else None, wordings=wordings)
    status = 200
    if form.is_bound:
        if form.is_trap_sprung:
            return public.show(request, "sign_up_done.html")
        if form.is_valid():
            age = forms.seconds_since(request.POST.get("stamp", ""))
            if age is not None and age < forms.LEAST_SECONDS:
                form.add_error(None, _("That was very quick. Please press the button once more."))
            elif not (FROM_OTHER_SITES if age is None else FROM_OUR_PAGE).spend(
                network_of(request)
            ):
                status = 429
                form.add_error(
                    None,
                    _(
                        "Too many sign-ups come from your network just now. Please try again in an hour."
                    ),
                )
            else:
                return _take(request, form, is_ours=age is not None)
    return public.show(
        request,
        "sign_up.html",
        {"form": form, "offers": offered, "stamp": forms.form_stamp()},
        status=status,
    )


def _take(request: HttpRequest, form: forms.SignUpForm, *, is_ours: bool) -> HttpResponse:
    chosen = list(form.cleaned_data["yes"])
    services.request_consent(
        email=form.cleaned_data["email"],
        wordings=chosen,
        language=(get_language() or settings.LANGUAGE_CODE)[:2],
        details={
            "form": "our page" if is_ours else "another site",
            "site": "" if is_ours else _site(request),
            "network": network_of(request),
        },
    )
    return public.show(
        request,
        "sign_up_done.html",
        {"is_to_confirm": any(wording.topic.double_opt_in for wording in chosen)},
    )


def _site(request: HttpRequest) -> str:
    """The host that the browser says the form is on."""
    origin = request.headers.get("Origin", "") or request.headers.get("Referer", "")
    try:
        return (urlsplit(origin).hostname or "")[:253]
    except ValueError:
        return ""


@public.page()
def embed(request: HttpRequest) -> HttpResponse:
    """The form as plain HTML to paste into another site: no script, no cookie, its own words."""
    language = get_language() or settings.LANGUAGE_CODE
    return public.show(
        request,
        "embed.html",
        {
            "offers": offers(language=language, channels=CHANNELS),
            "action": f"{settings.PUBLIC_URL}{reverse('consent:sign_up')}?language={language}",
        },
    )
