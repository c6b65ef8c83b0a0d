import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from campaigns import audience
from campaigns.models import Campaign
from consent import gate
from consent.management import arguments
from contacts.models import Contact


class Command(BaseCommand):
    help = (
        "Says why a person got a campaign, or why not: as it was decided, and as the gate says now."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--contact", required=True, help="pseudonym, email address or phone number"
        )
        parser.add_argument("--campaign", required=True, type=int, help="the campaign's id")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        contact = arguments.contact(options["contact"])
        campaign = Campaign.objects.select_related("topic").filter(pk=options["campaign"]).first()
        if campaign is None:
            raise CommandError(f"There is no campaign {options['campaign']}.")
        answer = _answer(campaign, contact)
        if options["json"]:
            self.stdout.write(json.dumps(answer))
        else:
            for line in _sentences(answer):
                self.stdout.write(line)


def _answer(campaign: Campaign, contact: Contact) -> dict[str, Any]:
    delivery = campaign.deliveries.filter(contact=contact).first()
    decision = gate.explain(contact=contact, topic=campaign.topic, channel=campaign.channel)
    unreadable = [str(problem) for problem in audience.unreadable(campaign)]
    meant = Contact.objects.none() if unreadable else audience.candidates(campaign)
    return {
        "contact": str(contact.subject),
        "campaign": campaign.pk,
        "in_segments": meant.filter(pk=contact.pk).exists(),
        "unreadable": unreadable,
        "delivery": delivery
        and {"state": delivery.state, "reason": delivery.reason, "event": delivery.event_id},
        "now": {
            "is_allowed": decision.is_allowed,
            "reason": decision.reason,
            "event": decision.event_id,
        },
    }


def _sentences(answer: dict[str, Any]) -> list[str]:
    delivery, now = answer["delivery"], answer["now"]
    lines = []
    if delivery:
        why = f" ({delivery['reason']})" if delivery["reason"] else ""
        event = f", by consent event {delivery['event']}" if delivery["event"] else ""
        lines.append(f"The delivery is {delivery['state']}{why}{event}.")
    else:
        lines.append("There is no delivery of this campaign to this person.")
    lines += answer["unreadable"]
    if not (answer["in_segments"] or answer["unreadable"]):
        lines.append("The person is not in the campaign's segments.")
    label = gate.Reason(now["reason"]).label if now["reason"] else ""
    event = f" (consent event {now['event']})" if now["event"] else ""
    lines.append(
        f"Now a message would not be sent: {label}{event}."
        if now["reason"]
        else f"Now a message would be sent{event}."
    )
    return lines
