"""The door of consent: every act of a person or of staff that gives, changes or takes back permission.

A service writes the act and what follows from it in one transaction. It refuses by raising a
`ConsentError`, and never brings back a person who said no.
"""

from consent.services.answers import forget_answers
from consent.services.asking import (
    CONFIRMATIONS_A_DAY,
    CONFIRMATIONS_A_MONTH,
    ask_to_confirm,
    confirm,
    give_with_evidence,
    request_consent,
)
from consent.services.ending import expire_permissions, record_complaint, record_unsubscription
from consent.services.errors import (
    AddressMissing,
    ConsentError,
    EvidenceMissing,
    NothingChosen,
    NotPublishable,
    PersonSaidNo,
    SecondPersonNeeded,
    UndoNotPossible,
    WordingNotOffered,
)
from consent.services.outbox import nudge, queue_service_mail
from consent.services.preferences import (
    NEW_ADDRESSES_A_DAY,
    Choice,
    choose_language,
    move_to_address,
    move_to_number,
    pause,
    request_manage_link,
    request_new_address,
    request_new_number,
    resume,
    save_preferences,
    send_manage_link,
)
from consent.services.publishing import publish_topic, publish_wording, retire_topic
from consent.services.questions import answer_is_final, has_said_no, is_allowed, is_permitted
from consent.services.stopping import (
    Stopped,
    object_to_everything,
    stop_by_answer,
    stop_by_link,
    suppress_address,
    undo_withdrawal,
    withdraw,
)

__all__ = [
    "CONFIRMATIONS_A_DAY",
    "CONFIRMATIONS_A_MONTH",
    "NEW_ADDRESSES_A_DAY",
    "AddressMissing",
    "Choice",
    "ConsentError",
    "EvidenceMissing",
    "NotPublishable",
    "NothingChosen",
    "PersonSaidNo",
    "SecondPersonNeeded",
    "Stopped",
    "UndoNotPossible",
    "WordingNotOffered",
    "answer_is_final",
    "ask_to_confirm",
    "choose_language",
    "confirm",
    "expire_permissions",
    "forget_answers",
    "give_with_evidence",
    "has_said_no",
    "is_allowed",
    "is_permitted",
    "move_to_address",
    "move_to_number",
    "nudge",
    "object_to_everything",
    "pause",
    "publish_topic",
    "publish_wording",
    "queue_service_mail",
    "record_complaint",
    "record_unsubscription",
    "request_consent",
    "request_manage_link",
    "request_new_address",
    "request_new_number",
    "resume",
    "retire_topic",
    "save_preferences",
    "send_manage_link",
    "stop_by_answer",
    "stop_by_link",
    "suppress_address",
    "undo_withdrawal",
    "withdraw",
]
