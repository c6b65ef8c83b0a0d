from celery import shared_task

from config import forgetting
from config.access import resetting


@shared_task(name="config.send_password_reset")
def send_password_reset(*, user_id: int, language: str) -> None:
    resetting.send_link(user_id=user_id, language=language)


@shared_task(name="config.forget_trail")
def forget_trail() -> None:
    forgetting.forget_old()
