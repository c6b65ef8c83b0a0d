"""Finds the topic that a file means: by its key, its public name, or what is like one of them."""

from collections.abc import Iterable, Iterator

from consent.imports.mapping import plain
from consent.models import Topic


class Topics:
    """All topics. A name that several go by names none: a yes must not land on another topic."""

    def __init__(self, topics: Iterable[Topic]) -> None:
        self._topics = list(topics)
        self._by_key = {topic.key: topic for topic in self._topics}
        self._by_name = _of_one((topic.public_name, topic) for topic in self._topics)
        self._by_likeness = _of_one(
            (plain(name), topic)
            for topic in self._topics
            for name in (topic.key, topic.public_name)
        )

    def __iter__(self) -> Iterator[Topic]:
        return iter(self._topics)

    def find(self, name: str) -> Topic | None:
        return (
            self._by_key.get(name) or self._by_name.get(name) or self._by_likeness.get(plain(name))
        )


def _of_one(named: Iterable[tuple[str, Topic]]) -> dict[str, Topic]:
    found: dict[str, set[Topic]] = {}
    for name, topic in named:
        found.setdefault(name, set()).add(topic)
    return {name: topic for name, (topic, *others) in found.items() if name and not others}
