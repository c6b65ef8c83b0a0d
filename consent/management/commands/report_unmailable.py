import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from consent import old_lists
from consent.gate import Reason
from consent.management import arguments
from consent.models import Topic
from consent.old_lists import Evidence, Line


class Command(BaseCommand):
    help = "Says how many people may not be mailed about a topic, and why, by what can be shown."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--topic", help="the key of a topic; without it, every published one")
        parser.add_argument("--channel", choices=["email", "sms"], default="email")
        parser.add_argument("--json", action="store_true", help="print one JSON object a topic")

    def handle(self, *args: Any, **options: Any) -> None:
        chosen = options["topic"]
        topics = (
            [arguments.topic(chosen)]
            if chosen
            else Topic.objects.published().filter(use=Topic.Use.MESSAGE).order_by("position", "key")
        )
        for topic in topics:
            lines = old_lists.report(topic=topic, channel=options["channel"])
            say = self._say_json if options["json"] else self._say
            say(topic, options["channel"], lines)

    def _say(self, topic: Topic, channel: str, lines: list[Line]) -> None:
        unmailable = sum(line.people for line in lines if line.reason)
        self.stdout.write(f"{topic.name} by {channel}: {unmailable} people you may not mail.")
        for evidence in Evidence:
            of_class = [line for line in lines if line.evidence == evidence]
            self.stdout.write(
                f"  {evidence.value}  {sum(line.people for line in of_class):>9}  {evidence.label}"
            )
            for line in of_class:
                if line.reason:
                    self.stdout.write(f"     {line.people:>9}  {Reason(line.reason).label}")

    def _say_json(self, topic: Topic, channel: str, lines: list[Line]) -> None:
        found = {
            "topic": topic.key,
            "channel": channel,
            "mailable": sum(line.people for line in lines if not line.reason),
            "unmailable": sum(line.people for line in lines if line.reason),
            "classes": [
                {"class": line.evidence, "reason": line.reason, "people": line.people}
                for line in lines
            ],
        }
        self.stdout.write(json.dumps(found))
