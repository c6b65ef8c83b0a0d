"""What the rows of a file are read against: the registered fields, the topics and the published words."""

from collections.abc import Mapping
from dataclasses import dataclass

from consent.imports.errors import RowRefused
from consent.imports.topics import Topics
from consent.models import Topic, Wording
from contacts import fields
from contacts.models import DataField, Sentence


@dataclass(frozen=True, slots=True)
class Registry:
    """Loaded once for a run."""

    fields: Mapping[str, DataField]
    topics: Topics
    wordings: Mapping[tuple[int, str, str], Wording]
    digests: frozenset[str]

    @classmethod
    def load(cls) -> "Registry":
        wordings = list(Wording.objects.published().order_by("version"))
        return cls(
            fields.registered(),
            Topics(Topic.objects.all()),
            {
                (each.topic_id, each.channel, name): each
                for each in wordings
                for name in (" ".join(each.text.split()), str(each.digest))
            },
            frozenset(str(each.digest) for each in wordings),
        )

    def topic(self, name: str) -> Topic:
        found = self.topics.find(name)
        if found is None:
            raise RowRefused(Sentence("There is no topic “%s”.") % name[:60])
        return found
