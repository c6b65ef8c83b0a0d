"""Sign-up: the page, the form on other sites, and the one answer to every address."""

import logging
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from consent import forms, services, work
from consent.answers import questions
from consent.budgets import Budget, network_of
from consent.models import Wording
from consent.offers import Offer, offers
from consent.sms import texting
from consent.views import public
from contacts.models import Channel

logger = logging.getLogger(__name__)

FROM_OUR_PAGE = Budget("sign-up", limit=30, window_s=3600)
FROM_OTHER_SITES = Budget("sign-up-unstamped", limit=10, window_s=3600)
# Whoever is over the budget of their network may go on, a little slower, by a proof of work.
BY_WORK = Budget("sign-up-by-work", limit=300, window_s=3600)
# A browser without scripts cannot do the work: a few of a network may go on, and not too many of all.
WITHOUT_SCRIPTS = Budget("sign-up-without-scripts", limit=6, window_s=3600)
ALL_WITHOUT_SCRIPTS = Budget("sign-up-all-without-scripts", limit=600, window_s=3600)
EVERYWHERE = Budget("sign-up-everywhere", limit=5000, window_s=3600)


@public.page("POST", evenly=True)
def sign_up(request: HttpRequest) -> HttpResponse:
    offered = offers(language=get_language() or settings.LANGUAGE_CODE, channels=_channels())
    wordings = _words(offered)
    form = forms.SignUpForm(
        request.POST if request.method == "POST" else None,
        wordings=wordings,
        questions=questions(offered),
    )
    context = {"form": form, "offers": offered, "stamp": forms.form_stamp()}
    if not form.is_bound:
        return public.show(request, "sign_up.html", context)
    if form.is_trap_sprung:
        return public.show(request, "sign_up_done.html", {"form": form})
    if not form.is_valid():
        return public.show(request, "sign_up.html", context)
    age = forms.seconds_since(request.POST.get("stamp", ""))
    if age is not None and age < forms.LEAST_SECONDS:
        form.add_error(None, _("That was very quick. Please press the button once more."))
        return public.show(request, "sign_up.html", context)
    if not _is_within_budget(request, is_ours=age is not None):
        return _ask_for_work(request, form, context)
    if form.by_text and not _may_send_texts(request):
        form.add_error(
            None,
            _(
                "We cannot send you a text message just now. Please try again in an hour, or leave"
                " the boxes about text messages empty."
            ),
        )
        return public.show(request, "sign_up.html", context, status=429)
    return _take(request, form, is_ours=age is not None)


def _words(offered: Iterable[Offer]) -> list[Wording]:
    return [wording for offer in offered for wording in offer.wordings]


def _channels() -> list[Channel]:
    texts = [Channel.SMS] if texting.are_offered() else []
    return [Channel.EMAIL, *texts, Channel.DATA]


def _may_send_texts(request: HttpRequest) -> bool:
    """No proof of work helps here: texts cost more than a computation."""
    return not texting.is_exhausted() and texting.FROM_NETWORK.spend(network_of(request))


def _is_within_budget(request: HttpRequest, *, is_ours: bool) -> bool:
    network = network_of(request)
    everywhere = EVERYWHERE.count("all")
    if everywhere == EVERYWHERE.limit + 1:
        logger.error(
            "Over %s sign-ups within an hour: every form now asks for work", everywhere - 1
        )
    budget = FROM_OUR_PAGE if is_ours else FROM_OTHER_SITES
    if everywhere <= EVERYWHERE.limit and budget.spend(network):
        return True
    answer = request.POST.get("work", "")
    if work.is_done(answer):
        return BY_WORK.spend(network)
    return (
        work.is_only_shown(answer)
        and WITHOUT_SCRIPTS.spend(network)
        and ALL_WITHOUT_SCRIPTS.spend("all")
    )


def _ask_for_work(
    request: HttpRequest, form: forms.SignUpForm, context: dict[str, object]
) -> HttpResponse:
    """The form again, with a small computation for the browser; without scripts a few may go on."""
    form.add_error(
        None,
        _(
            "Many sign-ups come from your network just now. Please press the button once more;"
            " if that does not help, try again in an hour."
        ),
    )
    context |= {"challenge": work.challenge(), "bits": work.BITS}
    response = public.show(request, "sign_up.html", context, status=429)
    response.headers["Content-Security-Policy"] = (
        f"{public.HEADERS['Content-Security-Policy']}; script-src 'self'"
    )
    return response


def _take(request: HttpRequest, form: forms.SignUpForm, *, is_ours: bool) -> HttpResponse:
    asked: dict[str, Any] = {
        "language": (get_language() or settings.LANGUAGE_CODE)[:2],
        "details": {
            "form": "our page" if is_ours else "another site",
            "site": "" if is_ours else _site(request),
            "network": network_of(request),
        },
    }
    if form.by_email:
        services.request_consent(
            email=form.cleaned_data["email"],
            wordings=form.by_email,
            answers=form.answers,
            **asked,
        )
    if form.by_text:
        services.request_consent(
            phone=form.cleaned_data["phone"],
            wordings=form.by_text,
            answers={} if form.by_email else form.answers,
            **asked,
        )
    return public.show(request, "sign_up_done.html", {"form": form})


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
    offered = offers(language=language, channels=_channels())
    return public.show(
        request,
        "embed.html",
        {
            "offers": offered,
            "form": forms.SignUpForm(
                wordings=_words(offered), questions=questions(offered), auto_id=False
            ),
            "action": f"{settings.PUBLIC_URL}{reverse('consent:sign_up')}?language={language}",
        },
    )
