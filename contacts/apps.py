from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ContactsConfig(AppConfig):
    name = "contacts"
    verbose_name = _("Contacts")

    def ready(self) -> None:
        from contacts import segments
        from contacts.segments import profile

        for source in (
            profile.profile,
            profile.tags,
            profile.registered_fields,
            profile.static_lists,
        ):
            segments.register(source)
