from contacts.models.counts import Count
from contacts.models.fields import DataField
from contacts.models.giving import Export, IdentityView, Processor
from contacts.models.keys import KeyCheck
from contacts.models.people import Address, Channel, Contact, Identity, Lifecycle, Tag
from contacts.models.retention import RetentionRun
from contacts.models.rights import Hold, SubjectRequest
from contacts.models.segments import Segment, StaticList
from contacts.models.sentences import Sentence, SentenceField

__all__ = [
    "Address",
    "Channel",
    "Contact",
    "Count",
    "DataField",
    "Export",
    "Hold",
    "Identity",
    "IdentityView",
    "KeyCheck",
    "Lifecycle",
    "Processor",
    "RetentionRun",
    "Segment",
    "Sentence",
    "SentenceField",
    "StaticList",
    "SubjectRequest",
    "Tag",
]
