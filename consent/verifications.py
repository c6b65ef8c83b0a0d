"""Readings of the whole ledger that staff asked for, done by a worker and never in a request.

A reading whose worker was killed is found by its state and done again, three times at most.
"""

import logging

from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from consent import sealing, signing, verification
from consent.models import LedgerVerification
from consent.services.outbox import nudge
from contacts.models import Sentence

LOCK = 0x0A55E29  # any number, as long as nothing else takes it
MOST_ATTEMPTS = 3
TOLD_FOR_S = 24 * 60 * 60
GIVEN_UP = Sentence("It was begun three times and never came to its end: see the workers' log.")

logger = logging.getLogger(__name__)


@transaction.atomic
def ask(*, staff_id: int | None, against: str = "") -> LedgerVerification:
    """Have the ledger read, against an exported checkpoint where one is given (a signed note).

    Raises `signing.SigningError` where that note is none, or not one of this ledger.
    """
    if against:
        signing.verify_note(against, sealing.public_keys())
    asked = LedgerVerification.objects.create(asked_by_id=staff_id, against=against)
    transaction.on_commit(nudge("consent.verify_ledger"), robust=True)
    return asked


def sealed_so_far(asked: LedgerVerification) -> int:
    """How many sealed events a reading has behind it."""
    return int(cache.get(_key(asked), 0))


def work() -> None:
    """Do what was asked, one reading after the other; a second worker leaves at once."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return
        try:
            while asked := LedgerVerification.objects.unfinished().order_by("pk").first():
                _read(asked)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def _read(asked: LedgerVerification) -> None:
    this = LedgerVerification.objects.filter(pk=asked.pk)
    if asked.attempts >= MOST_ATTEMPTS:
        logger.error("verification %d was given up", asked.pk)
        this.update(failure=GIVEN_UP, finished_at=Now())
        return
    this.update(attempts=F("attempts") + 1)
    try:
        report = verification.verify(
            against=asked.against or None,
            tell=lambda sealed: cache.set(_key(asked), sealed, TOLD_FOR_S),
        )
    except signing.SigningError as error:
        this.update(failure=Sentence(str(error) or str(error.__doc__)), finished_at=Now())
        return
    this.update(report=report.as_dict(), finished_at=Now())


def _key(asked: LedgerVerification) -> str:
    return f"verification:{asked.pk}"
