"""What a second person approves, as one digest: any change to it ends the approval."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection

from contacts import segments

# Lists are kept by hand: who is on them is part of the rule. Of a large one only the sum is read.
_MEMBERS = """
    SELECT l.id, encode(sha256(coalesce(
        (SELECT string_agg(int8send(m.contact_id), ''::bytea ORDER BY m.contact_id)
         FROM contacts_staticlist_contacts m WHERE m.staticlist_id = l.id), ''::bytea)), 'hex')
    FROM contacts_staticlist l WHERE l.id = ANY(%s) ORDER BY l.id
"""


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of JSON values."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def members(rules: Iterable[object]) -> list[tuple[int, str]]:
    """The lists that rules name, each with a digest of who is on it."""
    lists = {key for rule in rules for key in segments.lists_of(rule)}
    if not lists:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_MEMBERS, [sorted(lists)])
        return list(cursor.fetchall())
