import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from consent import proving, receipts
from consent.management import arguments
from consent.models import Organization

REFUSALS = (receipts.NoConsentStandsError, receipts.NothingSaidError, proving.NotSealedYet)


class Command(BaseCommand):
    help = "Prints the receipt of a consent that stands; `python -m consent.verifier` checks it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        arguments.add_question(parser)
        parser.add_argument(
            "--history", action="store_true", help="the whole history, as JSON-LD (DPV)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        contact, topic = arguments.contact(options["contact"]), arguments.topic(options["topic"])
        about = {"contact": contact, "topic": topic, "channel": options["channel"]}
        try:
            if options["history"]:
                receipt = proving.history_receipt_of(**about)
            else:
                receipt = proving.standing_receipt_of(**about)
        except Organization.DoesNotExist as error:
            raise CommandError("A receipt names the organization: enter it first.") from error
        except REFUSALS as error:
            raise CommandError(str(error.__doc__)) from error
        self.stdout.write(json.dumps(receipt, ensure_ascii=False, indent=2))
