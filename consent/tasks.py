"""The scheduled work of consent. Every task may run twice, late, or not at all until the next one."""

from celery import shared_task
from django.utils import timezone

from consent import (
    renewing,
    restoring,
    sealing,
    service_mail,
    services,
    uploads,
    uses,
    verifications,
)
from consent.sms import service_texts, short_links


@shared_task(name="consent.send_service_mail")
def send_service_mail() -> None:
    service_mail.sweep()


@shared_task(name="consent.send_service_texts")
def send_service_texts() -> None:
    service_texts.sweep()


@shared_task(name="consent.expire_permissions")
def expire_permissions() -> None:
    services.expire_permissions()
    services.forget_answers(now=timezone.now())
    short_links.forget_ended()
    uploads.erase_refused(now=timezone.now())


@shared_task(name="consent.ask_to_renew")
def ask_to_renew() -> None:
    renewing.ask()


@shared_task(name="consent.write_noes")
def write_noes() -> None:
    restoring.keep_up()


@shared_task(name="consent.seal")
def seal() -> None:
    sealing.seal()


@shared_task(name="consent.run_import")
def run_import(*, batch_id: int) -> None:
    if uploads.work(batch_id=batch_id):
        run_import.apply_async(kwargs={"batch_id": batch_id}, expires=60)


@shared_task(name="consent.end_uses")
def end_uses() -> None:
    uses.sweep()


@shared_task(name="consent.resume_imports")
def resume_imports() -> None:
    for batch_id in uploads.unfinished():
        run_import.apply_async(kwargs={"batch_id": batch_id}, expires=10)
    if uploads.has_erased():
        take_out_erased.apply_async(expires=10)
    uploads.discard_old()


@shared_task(name="consent.take_out_erased")
def take_out_erased() -> None:
    uploads.take_out_erased()


@shared_task(name="consent.verify_ledger")
def verify_ledger() -> None:
    verifications.work()
