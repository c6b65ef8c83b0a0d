"""What may be spent on texts that anybody can ask for: SMS pumping earns money by making others send them.

Counted per number, per range of numbers and per network in Redis, without which none is sent; and over all
in the outbox.
"""

import logging
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from consent.budgets import Budget
from consent.models import ServiceMail
from contacts import addresses
from contacts.models import Channel

logger = logging.getLogger(__name__)

FROM_NETWORK = Budget("texts-from-network", limit=5, window_s=3600, is_strict=True)
TO_NUMBER = Budget("texts-to-number", limit=3, window_s=86_400, is_strict=True)
# Pumping walks through the numbers of a block that one operator was given.
TO_RANGE = Budget("texts-to-range", limit=10, window_s=3600, is_strict=True)
RANGE = 10_000


def are_offered() -> bool:
    """Whether there is a gateway that texts could go through."""
    return bool(settings.SMS_GATEWAY_URL)


def is_exhausted() -> bool:
    """Whether this hour's texts over all numbers are used up."""
    an_hour_ago = timezone.now() - timedelta(hours=1)
    texts = ServiceMail.objects.filter(channel=Channel.SMS, created_at__gte=an_hour_ago)
    return texts.count() >= settings.SMS_SERVICE_PER_HOUR


def may_write_to(number: str) -> bool:
    """Count one text to this number (E.164); False where it is one too many."""
    if is_exhausted():
        logger.error("Over %s service texts within an hour: no more", settings.SMS_SERVICE_PER_HOUR)
        return False
    keys = [number, str(int(number.lstrip("+")) // RANGE)]
    budgets = zip((TO_NUMBER, TO_RANGE), map(addresses.fingerprint, keys), strict=True)
    return all(budget.spend(key.hex()) for budget, key in budgets)
