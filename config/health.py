"""`/healthz`: are the database, Redis, a worker and beat alive? For load balancers and people on call."""

from collections.abc import Callable
from datetime import timedelta

import redis
from celery import current_app
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models.functions import Now
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError

from campaigns.models import Heartbeat
from consent.models import UnwrittenNo

TICK_IS_LATE = timedelta(seconds=30)
ASK_FOR_S = 1.0
NOT_WRITTEN = "Noes cannot be written to the journal: is the disk of ASSENT_JOURNAL full?"


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """200 where everything is alive, else 503; each part says `ok` or a sentence."""
    parts = {name: check() for name, check in CHECKS.items()}
    return JsonResponse(parts, status=200 if set(parts.values()) == {"ok"} else 503)


def database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "The database does not answer."
    return "ok"


def memory() -> str:
    try:
        client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=ASK_FOR_S)
        client.ping()
        client.close()
    except redis.RedisError:
        return "Redis does not answer."
    return "ok"


def worker() -> str:
    try:
        with current_app.connection_for_write(
            transport_options={"socket_timeout": ASK_FOR_S}
        ) as link:
            answers = current_app.control.ping(timeout=ASK_FOR_S, limit=1, connection=link)
    except (OperationalError, OSError):
        return "No worker can be asked, because Redis does not answer."
    return "ok" if answers else "No worker answers."


def beat() -> str:
    try:
        ticked = Heartbeat.objects.filter(name="tick", at__gte=Now() - TICK_IS_LATE).exists()
    except DatabaseError:
        return "No tick can be looked up, because the database does not answer."
    return "ok" if ticked else "No tick in the last 30 seconds: beat or every worker has stopped."


def journal() -> str:
    try:
        waiting = UnwrittenNo.objects.exists()
    except DatabaseError:
        return "The journal cannot be looked up, because the database does not answer."
    return NOT_WRITTEN if waiting else "ok"


CHECKS: dict[str, Callable[[], str]] = {
    "database": database,
    "redis": memory,
    "worker": worker,
    "beat": beat,
    "journal": journal,
}
