from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ConsentConfig(AppConfig):
    name = "consent"
    verbose_name = _("Consent")

    def ready(self) -> None:
        from consent import conditions, holding, old_lists, parties, renewing, uses
        from contacts import counting, holders, segments, services
        from contacts import parties as known_parties

        segments.register(conditions.permissions)
        known_parties.register_controller(parties.controller)
        known_parties.register_recipients(parties.recipients)
        counting.register(old_lists.KIND, old_lists.count, permission="consent.view_permission")
        for kind, counter in renewing.COUNTERS.items():
            counting.register(kind, counter, permission="consent.view_renewalround")
        uses.register(services.forget_unpermitted, sweep=services.forget_all_unpermitted)
        holders.register(holding.HOLDER)
        holders.declare_impersonal(*holding.IMPERSONAL)
