from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate


class ConfigApp(AppConfig):
    name = "config"
    verbose_name = "Assent"

    def ready(self) -> None:
        # Makes the Celery application the current one, so that services can nudge tasks by name.
        from config import (
            celery,  # noqa: F401
            roles,
        )

        # The last of the apps whose permissions roles are made of.
        post_migrate.connect(roles.make_missing, sender=apps.get_app_config("campaigns"))
