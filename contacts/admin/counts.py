"""Asks for a count that takes too long for a page, and goes back to the page that shows it."""

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from contacts import counting


@require_POST
def ask_count(request: HttpRequest, model_admin: ModelAdmin) -> HttpResponse:
    """Have a worker count; whoever may see the page that shows it may ask."""
    kind, about = request.POST.get("kind", ""), request.POST.get("about", "")[:200]
    try:
        permission = counting.permission_for(kind)
    except counting.UnknownKind:
        raise PermissionDenied from None
    if not request.user.has_perm(permission):
        raise PermissionDenied
    counting.ask(kind, about)
    back = request.POST.get("back", "")
    is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts=None) and back.startswith("/")
    return redirect(back if is_ours else reverse("admin:index"))
