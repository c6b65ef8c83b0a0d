"""The pages of contacts: people, tags and segments, what is kept of them and why, and files of them."""

from contacts.admin import (
    exports,
    holds,
    memberships,
    named,
    people,
    places,
    registry,
    segments,
    static_lists,
    timeline,
    values,
)

__all__ = [
    "exports",
    "holds",
    "memberships",
    "named",
    "people",
    "places",
    "registry",
    "segments",
    "static_lists",
    "timeline",
    "values",
]
