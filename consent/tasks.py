"""The scheduled work of consent. Every task may run twice, late, or not at all until the next one."""

from celery import shared_task
from django.utils import timezone

from consent import sealing, service_mail, services


@shared_task(name="consent.send_service_mail")
def send_service_mail() -> None:
    service_mail.sweep()


@shared_task(name="consent.expire_permissions")
def expire_permissions() -> None:
    services.expire_permissions()
    services.forget_answers(now=timezone.now())


@shared_task(name="consent.seal")
def seal() -> None:
    sealing.seal()
