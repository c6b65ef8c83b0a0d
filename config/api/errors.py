"""A refusal of the domain is an answer, not a fault."""

import logging
from typing import Any

from django.db import DataError
from django.utils.translation import gettext as _
from rest_framework import status, views
from rest_framework.response import Response

from campaigns.services import CampaignError
from consent.services import ConsentError
from contacts.addresses import AddressError
from contacts.services import ContactError

log = logging.getLogger(__name__)


def answer_refusal(error: Exception, context: dict[str, Any]) -> Response | None:
    """409 with the sentence of the refusal; 400 where an address is malformed, or a value cannot be kept."""
    if isinstance(error, DataError):
        log.warning("the database takes no such value: %s", type(error.__cause__).__name__)
        words = _("A value is out of range, or holds characters that no text has.")
        return Response({"detail": words}, status=status.HTTP_400_BAD_REQUEST)
    if isinstance(error, AddressError):
        return Response({"detail": _(str(error))}, status=status.HTTP_400_BAD_REQUEST)
    if isinstance(error, CampaignError | ConsentError | ContactError):
        return Response({"detail": _(str(error))}, status=status.HTTP_409_CONFLICT)
    return views.exception_handler(error, context)
