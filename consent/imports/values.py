"""What people and exporting programs write in a cell, and what it means here."""

import ipaddress
import re
from functools import lru_cache

from consent.imports.errors import RowRefused
from consent.imports.mapping import plain
from contacts import addresses
from contacts.models import Channel, Lifecycle, Sentence

LONGEST_NAMED_ADDRESS = 500

YES = "yes"
PENDING = "pending"
WITHDRAWN = "withdrawn"
OBJECTED = "objected"
COMPLAINED = "complained"
REFUSED = "refused"
SUPPRESSED = "suppressed"
BOUNCED = "bounced"
NONE = "none"

_STATUS_WORDS = {
    YES: """yes subscribed active enabled confirmed optedin optin granted given true 1 oui abonne inscrit
        actif consented marketing marketingcontact""",
    PENDING: "pending unconfirmed nonconfirmed notconfirmed requested enattente awaitingconfirmation",
    WITHDRAWN: """withdrawn withdrew unsubscribed unsubscribe optout optedout removed disabled inactive
        donotcontact donotemail desabonne desinscrit retire resilie stop stopped cancelled
        canceled""",
    OBJECTED: "objected objection opposition oppose",
    COMPLAINED: "complained complaint spam abuse junk plainte",
    REFUSED: "refused declined refuse",
    SUPPRESSED: "suppressed blocklisted blacklisted blocked blocklist blacklist bloque supprime",
    BOUNCED: "bounced bounce cleaned hardbounce hardbounced invalid undeliverable undelivered",
    NONE: """none no false 0 non neverasked never notasked nonsubscribed notsubscribed neversubscribed
        transactional nonmarketingcontact unknown archived jamais
        nonabonne noninscrit""",
}
# Whatever else such a word says, it is a no: “Opt-out (manual)”, “subscribed, then unsubscribed”.
_OF_NO = re.compile(
    "^(?!no|never|jamais|pas).*(unsub|optout|optedout|desabon|desinscri|blacklist|blocklist|donot)"
)
STATUSES = {word: status for status, words in _STATUS_WORDS.items() for word in words.split()}
_NOES = frozenset({WITHDRAWN, OBJECTED, COMPLAINED, REFUSED, SUPPRESSED})

_CHANNELS = {
    "email": Channel.EMAIL.value,
    "mail": Channel.EMAIL.value,
    "courriel": Channel.EMAIL.value,
    "sms": Channel.SMS.value,
    "text": Channel.SMS.value,
    "textmessage": Channel.SMS.value,
    "texto": Channel.SMS.value,
    "phone": Channel.SMS.value,
    "mobile": Channel.SMS.value,
}
_EMPTY = frozenset("0 no false n non f faux none null nil na never jamais".split())
_STAGES = {plain(str(name)): key for key, label in Lifecycle.choices for name in (key, label)} | {
    "marketingqualifiedlead": "lead",
    "salesqualifiedlead": "lead",
    "opportunity": "lead",
    "evangelist": "advocate",
}
_LANGUAGES = {"english": "en", "anglais": "en", "french": "fr", "francais": "fr", "german": "de"}
_NOTHING = " -\N{EN DASH}\N{EM DASH}./_[]{}()"
# What MySQL and programs written in Go write where nothing was ever said.
_NEVER = ("0000-00-00", "0001-01-01")
_SEPARATORS = re.compile(r"[;|,]")
# Brevo names in one cell what somebody is blocklisted for: [email_marketing|sms_marketing].
_OF_TEXTS = frozenset("sms smsmarketing whatsapp whatsappmarketing".split())
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
# “Ada Martin <ada@example.org>”, and an address between or before marks, as people copy them.
_NAMED_ADDRESS = re.compile(r"[^<>]*<\s*(?:mailto:)?([^\s<>]+)\s*>[\s;,.]*", re.IGNORECASE)
_MARKED_ADDRESS = re.compile(r"[\s\"'(\[]*(?:mailto:)?([^\s<>]+?)[\s\"')\];,.]*", re.IGNORECASE)
_LANGUAGE = re.compile(r"([a-z]{2,3})(?:[-_][a-z0-9]+)*", re.IGNORECASE)


@lru_cache(maxsize=4096)
def status(text: str) -> str:
    """One of the statuses above; raises `RowRefused` for a word nobody knows."""
    word = plain(text)
    found = STATUSES.get(word) or (WITHDRAWN if _OF_NO.search(word) else None)
    if found is None:
        raise RowRefused(Sentence("The status “%s” is not known.") % text[:60])
    return found


@lru_cache(maxsize=4096)
def is_no(text: str) -> bool:
    """Whether a status says no."""
    try:
        return status(text) in _NOES
    except RowRefused:
        return False


def weight(text: str) -> int:
    """Of several statuses in one row the greatest counts: a no, then whatever is no plain yes."""
    return 2 if is_no(text) else int(STATUSES.get(plain(text)) != YES)


@lru_cache(maxsize=4096)
def says_yes(text: str) -> bool:
    """Whether a column of yes and no, or of dates and reasons, says that it is so."""
    word = plain(text)
    said = word not in _EMPTY if word else bool(text.strip(_NOTHING))
    return said and not text.startswith(_NEVER)


@lru_cache(maxsize=4096)
def split_words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in _SEPARATORS.split(text) if word.strip()))


@lru_cache(maxsize=4096)
def is_of_texts(text: str) -> bool:
    """Whether a cell that says no names text messages, and nothing else."""
    words = {plain(word) for word in split_words(text)}
    return bool(words) and words <= _OF_TEXTS


def is_email_address(text: str) -> bool:
    try:
        return "@" in text and bool(addresses.normalize_email(bare_address(text)))
    except addresses.AddressError:
        return False


def bare_address(text: str) -> str:
    """The email address alone, where a name or marks stand around it; else the text as it is."""
    if len(text) > LONGEST_NAMED_ADDRESS:
        return text
    text = text.translate(_INVISIBLE)
    found = _NAMED_ADDRESS.fullmatch(text) or _MARKED_ADDRESS.fullmatch(text)
    return found[1] if found else text


@lru_cache(maxsize=256)
def channels_of(text: str) -> tuple[str, ...]:
    channels = []
    for word in split_words(text):
        if plain(word) not in _CHANNELS:
            raise RowRefused(Sentence("The channel “%s” is not known.") % word[:60])
        channels.append(_CHANNELS[plain(word)])
    return tuple(dict.fromkeys(channels))


def is_never(text: str) -> bool:
    """Whether a date says that there is none."""
    return not says_yes(text)


@lru_cache(maxsize=1024)
def language(text: str) -> str:
    """The primary subtag of a language, or empty where it cannot be told."""
    if match := _LANGUAGE.fullmatch(text):
        return match[1].lower()
    return _LANGUAGES.get(plain(text), "")


@lru_cache(maxsize=1024)
def stage(text: str) -> str:
    return _STAGES.get(plain(text), "")


def truncated_ip(text: str) -> str:
    """The network of an IP address, which is all that is kept of it (/24, /48); else empty."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    prefix = 24 if address.version == 4 else 48
    return str(ipaddress.ip_network((address, prefix), strict=False))
