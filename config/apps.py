from django.apps import AppConfig


class ConfigApp(AppConfig):
    name = "config"
    verbose_name = "Assent"

    def ready(self) -> None:
        # Makes the Celery application the current one, so that services can nudge tasks by name.
        from config import celery  # noqa: F401
