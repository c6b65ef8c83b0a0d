from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class ContactsConfig(AppConfig):
    name = "contacts"
    verbose_name = _("Contacts")

    def ready(self) -> None:
        post_migrate.connect(_record_key_checks, sender=self)
        from contacts import counting, holders, holding, segments, stages
        from contacts.segments import profile

        counting.register(stages.KIND, stages.count, permission="contacts.view_contact")
        holders.register(holding.HOLDER)
        holders.declare_impersonal(*holding.IMPERSONAL)

        for source in (
            profile.profile,
            profile.tags,
            profile.registered_fields,
            profile.static_lists,
        ):
            segments.register(source)


def _record_key_checks(**_: Any) -> None:
    from contacts import services

    services.record_key_checks()
