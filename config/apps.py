from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ConfigApp(AppConfig):
    name = "config"
    verbose_name = "Assent"

    def ready(self) -> None:
        # Makes the Celery application the current one, so that services can nudge tasks by name.
        from config import (
            celery,  # noqa: F401
            checks,  # noqa: F401 - registers itself
            forgetting,
            roles,
            watch,
        )
        from config.access import signals  # noqa: F401 - connects itself
        from config.api import authentication  # noqa: F401 - describes itself to the API's schema
        from contacts import holders

        # This app is the last one installed: by now every table and permission is there.
        post_migrate.connect(roles.hold, sender=self)
        post_migrate.connect(watch.hold, sender=self)
        post_migrate.connect(forgetting.hold, sender=self)
        holders.declare_impersonal("config.ApiToken", "config.AuditEntry", "config.ScopedUser")
