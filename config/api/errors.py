"""A refusal of the domain is an answer, not a fault."""

from typing import Any

from django.utils.translation import gettext as _
from rest_framework import status, views
from rest_framework.response import Response

from campaigns.services import CampaignError
from consent.services import ConsentError
from contacts.addresses import AddressError
from contacts.services import ContactError


def answer_refusal(error: Exception, context: dict[str, Any]) -> Response | None:
    """409 with the sentence of the refusal; 400 where an address is malformed."""
    if isinstance(error, AddressError):
        return Response({"detail": _(str(error))}, status=status.HTTP_400_BAD_REQUEST)
    if isinstance(error, CampaignError | ConsentError | ContactError):
        return Response({"detail": _(str(error))}, status=status.HTTP_409_CONFLICT)
    return views.exception_handler(error, context)
