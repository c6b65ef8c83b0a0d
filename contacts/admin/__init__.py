"""The pages of contacts: people, tags and segments."""

from contacts.admin import people, places, segments

__all__ = ["people", "places", "segments"]
