from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ConsentConfig(AppConfig):
    name = "consent"
    verbose_name = _("Consent")

    def ready(self) -> None:
        from consent import conditions, holding, parties
        from contacts import holders, segments
        from contacts import parties as known_parties

        segments.register(conditions.permissions)
        known_parties.register_controller(parties.controller)
        known_parties.register_recipients(parties.recipients)
        holders.register(holding.HOLDER)
        holders.declare_impersonal(*holding.IMPERSONAL)
