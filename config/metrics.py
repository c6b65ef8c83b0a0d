"""`/metrics` for Prometheus: what people on call watch. Only a scraper that shows METRICS_TOKEN is answered.

Each figure is of the whole installation and read from the database or Redis at the scrape, so it does not
matter which web process answers. No query grows with the lists.
"""

from collections.abc import Iterable

import redis
from django.conf import settings
from django.db import DatabaseError
from django.db.models import Count, Max, Min
from django.db.models.functions import Extract, Now
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from campaigns.models import Campaign, Delivery, Heartbeat, Unit
from consent.models import LedgerCheckpoint, ServiceMail, Unsealed, UnwrittenNo
from contacts.models import SubjectRequest

QUEUES = ("default", "service", "deliver", "long")
ANSWER_WITHIN_S = 1.0


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures in the text format 0.0.4; 404 without the token, 503 where an engine does not answer."""
    shown = request.headers.get("Authorization", "")
    expected = f"Bearer {settings.METRICS_TOKEN}"
    if not settings.METRICS_TOKEN or not constant_time_compare(shown, expected):
        raise Http404
    registry = CollectorRegistry()
    registry.register(Figures())
    try:
        page = generate_latest(registry)
    except (DatabaseError, redis.RedisError):
        return HttpResponse("The database or Redis does not answer.\n", status=503)
    return HttpResponse(page, content_type=CONTENT_TYPE_PLAIN_0_0_4)


class Figures(Collector):
    """Reads every figure anew at each scrape; registering it reads none."""

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return []

    def collect(self) -> Iterable[GaugeMetricFamily]:
        yield _campaigns()
        yield _queues()
        beat = Heartbeat.objects.filter(name="tick").aggregate(age=_age(Min("at")))
        mail = ServiceMail.objects.filter(sent_at=None, given_up_at=None).aggregate(
            waiting=Count("pk"), age=_age(Min("created_at"))
        )
        signed = LedgerCheckpoint.objects.aggregate(age=_age(Max("created_at")))
        overdue = SubjectRequest.objects.filter(state="open", due_at__lt=Now()).count()
        for name, what, value in (
            ("tick_age_seconds", "Seconds since beat and a worker last ticked.", beat["age"]),
            ("units_in_hand", "Units claimed and not recorded yet.", Unit.objects.count()),
            (
                "deliveries_undecided",
                "Deliveries of unknown outcome that staff have not settled.",
                Delivery.objects.undecided().count(),
            ),
            ("service_mails_waiting", "Service mails not sent yet.", mail["waiting"]),
            ("service_mail_age_seconds", "Age of the oldest one waiting.", mail["age"]),
            ("events_unsealed", "Consent events that are not sealed.", Unsealed.objects.count()),
            ("checkpoint_age_seconds", "Seconds since the last checkpoint.", signed["age"]),
            (
                "noes_unwritten",
                "Lines that the journal of noes could not take yet.",
                UnwrittenNo.objects.count(),
            ),
            ("requests_overdue", "Requests of people past their due date.", overdue),
        ):
            if value is not None:
                yield GaugeMetricFamily(f"assent_{name}", what, value=float(value))


def _age(moment: Min | Max) -> Extract:
    return Extract(Now() - moment, "epoch")


def _campaigns() -> GaugeMetricFamily:
    family = GaugeMetricFamily("assent_campaigns", "Campaigns by state.", labels=["state"])
    counted = dict(Campaign.objects.order_by().values_list("state").annotate(number=Count("pk")))
    for state in Campaign.State.values:
        family.add_metric([state], counted.get(state, 0))
    return family


def _queues() -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "assent_queue_length", "Nudges in Celery's queues.", labels=["queue"]
    )
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=ANSWER_WITHIN_S) as client:
        for queue in QUEUES:
            family.add_metric([queue], float(client.llen(queue)))
    return family
