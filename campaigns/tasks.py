"""Nudges that carry ids: run twice, late or never, the outcome is the same."""

from celery import shared_task

from campaigns import delivery, figures, progress, results, tally

# A nudge that nobody took in a minute is worth nothing: the next tick gives a fresh one.
STALE_AFTER_S = 60


@shared_task(name="campaigns.tick")
def tick() -> None:
    progress.beat()
    progress.sweep()
    progress.end_done()
    _open_lanes()
    progress.start_due()
    _open_lanes()
    tally.keep_due()
    results.keep_due()


@shared_task(name="campaigns.deliver")
def deliver(*, campaign_id: int, lane: int) -> None:
    ending = delivery.work(campaign_id=campaign_id, number=lane)
    if ending is delivery.Ending.TIME_OVER:
        deliver.apply_async(
            kwargs={"campaign_id": campaign_id, "lane": lane}, expires=STALE_AFTER_S
        )
    elif ending is delivery.Ending.NOTHING_LEFT:
        tick.apply_async(expires=STALE_AFTER_S)


@shared_task(name="campaigns.count_audience")
def count_audience() -> None:
    figures.count()


def _open_lanes() -> None:
    for lane in progress.open_lanes():
        deliver.apply_async(
            kwargs={"campaign_id": lane.campaign_id, "lane": lane.number}, expires=STALE_AFTER_S
        )
