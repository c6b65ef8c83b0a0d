from contacts.models.fields import DataField
from contacts.models.keys import KeyCheck
from contacts.models.people import Address, Channel, Contact, Identity, Lifecycle, Tag
from contacts.models.rights import Hold, IdentityView, SubjectRequest
from contacts.models.segments import Segment, StaticList

__all__ = [
    "Address",
    "Channel",
    "Contact",
    "DataField",
    "Hold",
    "Identity",
    "IdentityView",
    "KeyCheck",
    "Lifecycle",
    "Segment",
    "StaticList",
    "SubjectRequest",
    "Tag",
]
