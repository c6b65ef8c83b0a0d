"""The pages of contacts: people, tags and segments."""

from contacts.admin import people, places, registry, segments

__all__ = ["people", "places", "registry", "segments"]
