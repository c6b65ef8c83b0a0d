from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CampaignsConfig(AppConfig):
    name = "campaigns"
    verbose_name = _("Campaigns")

    def ready(self) -> None:
        from anymail.signals import tracking

        from campaigns import (
            audience,
            claims,
            conditions,
            holding,
            justification,
            measured_conditions,
            measurement,
            parties,
            receivers,
        )
        from consent import in_flight, justified, uses
        from contacts import counting, holders, segments
        from contacts import parties as known_parties

        tracking.connect(receivers.take_tracking, dispatch_uid="campaigns.feedback")
        segments.register(conditions.past_campaigns)
        segments.register(measured_conditions.measured)
        counting.register(audience.KIND, audience.count, permission="campaigns.view_campaign")
        in_flight.register(claims.is_in_flight)
        uses.register(measurement.forget_unpermitted, sweep=measurement.forget_all_unpermitted)
        justified.register(justification.messages_of)
        known_parties.register_recipients(parties.recipients)
        holders.register(holding.HOLDER)
        holders.declare_impersonal(*holding.IMPERSONAL)
