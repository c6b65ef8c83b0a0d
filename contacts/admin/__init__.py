"""The pages of contacts: people, tags and segments."""

from contacts.admin import holds, people, places, registry, segments

__all__ = ["holds", "people", "places", "registry", "segments"]
