"""Who is interesting: rules over people, read, checked, said in words and compiled to one query.

A rule is JSON: `{}` is everybody; `{"all": [rule, …]}`, `{"any": [rule, …]}`, `{"not": rule}`; and
`{"condition": "language", "operator": "is", "value": "fr"}`. What can be asked is `known()`. A rule never
says who may be mailed.
"""

from contacts.segments.conditions import (
    Condition,
    Label,
    Operator,
    RuleError,
    by_name,
    has,
    known,
    register,
)
from contacts.segments.membership import segments_of
from contacts.segments.profile import midnight
from contacts.segments.tree import (
    chosen,
    conditions_of,
    describe,
    fields_of,
    lists_of,
    matching,
    members,
    names_in,
    validate,
)

__all__ = [
    "Condition",
    "Label",
    "Operator",
    "RuleError",
    "by_name",
    "chosen",
    "conditions_of",
    "describe",
    "fields_of",
    "has",
    "known",
    "lists_of",
    "matching",
    "members",
    "midnight",
    "names_in",
    "register",
    "segments_of",
    "validate",
]
