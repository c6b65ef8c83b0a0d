"""Who is interesting: rules over people, read, checked, said in words and compiled to one query.

A rule is JSON: `{}` is everybody; `{"all": [rule, …]}`, `{"any": [rule, …]}`, `{"not": rule}`; and
`{"condition": "language", "operator": "is", "value": "fr"}`. What can be asked is `known()`. A rule never
says who may be mailed.
"""

from contacts.segments.conditions import (
    Condition,
    Operator,
    RuleError,
    by_name,
    known,
    register,
)
from contacts.segments.membership import segments_of
from contacts.segments.profile import moments
from contacts.segments.tree import (
    chosen,
    conditions_of,
    describe,
    fields_of,
    lists_of,
    matching,
    members,
    validate,
)

__all__ = [
    "Condition",
    "Operator",
    "RuleError",
    "by_name",
    "chosen",
    "conditions_of",
    "describe",
    "fields_of",
    "known",
    "lists_of",
    "matching",
    "members",
    "moments",
    "register",
    "segments_of",
    "validate",
]
