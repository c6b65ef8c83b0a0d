"""Links out of text messages: the same pages as behind long links, at an address that fits."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from consent.sms import short_links
from consent.views import confirmation, preferences, public, stop

PAGES: dict[str, Callable[[HttpRequest, str], HttpResponse]] = {
    "stop": stop.stop,
    "confirm": confirmation.confirm,
    "preferences": preferences.preferences,
    "new_number": preferences.new_number,
}


@public.page("POST")
def follow(request: HttpRequest, code: str) -> HttpResponse:
    """Show, or do, what the link stands for; nobody is sent on to a longer address."""
    page, token = short_links.read(code)
    return PAGES[page](request, token)
