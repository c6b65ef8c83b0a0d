"""What relays and providers say: in plain words of ours, and beside them their own, as a quotation."""

import re

from contacts.models import Sentence

# No part of a network address, which many replies name.
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")
_RULES = Sentence("the rules of the receiving side refuse it")
_TOO_LARGE = Sentence("the message is too large")
# RFC 3463 §3: the subject of an enhanced status code, and its detail where that says more.
_OF_SUBJECT = {
    "1": Sentence("something is wrong with the address"),
    "2": Sentence("the mailbox cannot take it"),
    "3": Sentence("the mail server cannot take it"),
    "4": Sentence("the way there is interrupted"),
    "5": Sentence("the mail servers did not understand each other"),
    "6": Sentence("the content cannot be taken"),
    "7": _RULES,
}
_OF_DETAIL = {
    "1.1": Sentence("there is no such mailbox"),
    "1.2": Sentence("there is no such domain"),
    "1.3": Sentence("the address is malformed"),
    "1.6": Sentence("the mailbox has moved"),
    "1.10": Sentence("the domain takes no mail"),
    "2.1": Sentence("the mailbox is switched off"),
    "2.2": Sentence("the mailbox is full"),
    "2.3": _TOO_LARGE,
    "3.4": _TOO_LARGE,
    "7.8": Sentence("the user name or the password is wrong"),
}
LOST_BEFORE = Sentence("connection lost before the final dot")
LOST_AFTER = Sentence("connection lost after the final dot")
TOO_LARGE = Sentence("larger than the relay takes")
TRANSPORT_FAILED = Sentence("the transport failed")
NO_ANSWER = Sentence("no answer from the provider")
NO_SMTP_ADDRESS = Sentence("not an address that SMTP can carry")
NEEDS_UTF8 = Sentence("the relay does not offer SMTPUTF8, which this address needs")
_GATEWAY_CODE = Sentence("gateway code %s")
_IS_GATEWAY_CODE = re.compile(r"gateway code (\d+)")
# What a delivery keeps as its diagnostic although no server said it.
_OURS = {
    each.text: each
    for each in (
        LOST_BEFORE,
        LOST_AFTER,
        TOO_LARGE,
        TRANSPORT_FAILED,
        NO_ANSWER,
        NO_SMTP_ADDRESS,
        NEEDS_UTF8,
    )
}


def status_in(text: str) -> str:
    """The first enhanced status code in a text (RFC 3463), or an empty string."""
    found = _STATUS.search(text)
    return found[0] if found else ""


def gateway_code(code: int) -> str:
    """How a delivery keeps what an SMS gateway said."""
    return _GATEWAY_CODE.text % code


def explained(words: str) -> Sentence | str:
    """The words of a server as a quotation, behind plain ones where its status code is known.

    What is ours among the diagnostics is no quotation.
    """
    if words in _OURS:
        return _OURS[words]
    if code := _IS_GATEWAY_CODE.fullmatch(words):
        return _GATEWAY_CODE % code[1]
    if not words:
        return ""
    quoted = Sentence("“%s”") % words
    status = _STATUS.search(words)
    plain = status and (_OF_DETAIL.get(f"{status[2]}.{status[3]}") or _OF_SUBJECT.get(status[2]))
    return (
        Sentence("%(plain)s: %(quoted)s") % {"plain": plain, "quoted": quoted} if plain else quoted
    )
