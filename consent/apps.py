from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ConsentConfig(AppConfig):
    name = "consent"
    verbose_name = _("Consent")

    def ready(self) -> None:
        from consent import conditions, holding
        from contacts import holders, segments

        segments.register(conditions.permissions)
        holders.register(holding.HOLDER)
        holders.declare_impersonal(*holding.IMPERSONAL)
