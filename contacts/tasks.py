"""The scheduled work of contacts."""

from celery import shared_task

from contacts import counting, retention


@shared_task(name="contacts.erase_expired")
def erase_expired() -> None:
    retention.erase_expired()


@shared_task(name="contacts.settle_choices")
def settle_choices() -> None:
    retention.settle_choices()


@shared_task(name="contacts.count_expired")
def count_expired() -> None:
    retention.count_asked()


@shared_task(name="contacts.count_asked")
def count_asked() -> None:
    counting.work()
