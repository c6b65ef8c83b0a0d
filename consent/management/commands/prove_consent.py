import json
from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from consent import proving
from consent.management import arguments
from consent.models import Organization
from contacts.models import Channel


class Command(BaseCommand):
    help = (
        "Proves whether one person's consent was in force at one moment, by which words, and how."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        arguments.add_question(parser)
        parser.add_argument("--at", type=moment, help="the moment in ISO 8601; without it, now")
        parser.add_argument("--html", type=Path, metavar="FILE", help="write a page to print, too")

    def handle(self, *args: Any, **options: Any) -> None:
        contact, topic = arguments.contact(options["contact"]), arguments.topic(options["topic"])
        bundle = proving.proof_of(
            contact=contact,
            topic=topic,
            channel=Channel(options["channel"]),
            at=options["at"] or timezone.now(),
        )
        self.stdout.write(json.dumps(bundle, ensure_ascii=False, indent=2))
        if options["html"]:
            page = render_to_string(
                "consent/proof.html",
                {"proof": bundle, "organization": Organization.objects.order_by("pk").first()},
            )
            try:
                options["html"].write_text(page, encoding="utf-8")
            except OSError as error:
                raise CommandError(f"{options['html']} cannot be written.") from error


def moment(text: str) -> datetime:
    """A moment without a zone is one of this installation."""
    at = parse_datetime(text) or parse_datetime(f"{text}T00:00")
    if at is None:
        raise ValueError(text)
    return at if at.tzinfo else timezone.make_aware(at)
