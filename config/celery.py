"""The Celery application. Workers and beat find their engines running."""

import gc
import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_init, worker_shutting_down

from config import engines

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("assent")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
@beat_init.connect
def hold_engines(**_: Any) -> None:
    with engines.refusals_as_sentences():
        engines.hold()
        from consent import restoring
        from contacts import rights, services  # only now: importing models needs the settings

        services.check_keys()
        rights.check_erasures()
        restoring.check()


@worker_init.connect
def share_memory(**_: Any) -> None:
    """What was imported before the fork stays shared: the collector of a child would copy its pages."""
    gc.collect()
    gc.freeze()


@worker_shutting_down.connect
def end_lanes(**_: Any) -> None:
    from campaigns import stopping

    stopping.stop()
