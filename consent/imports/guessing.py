"""Guesses what each column of a file is, by its name and by what stands in it.

A column that speaks of a no is taken for one however its name goes on: passed over, it would leave people
mailed who said no.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath

from consent.imports import moments, values
from consent.imports.mapping import FIELD, plain
from consent.imports.reading import is_phone_number
from contacts.models import DataField

# As exported by Mailchimp, Brevo, listmonk, Mautic, HubSpot, and as people name columns themselves.
_NAMES = {
    "email": """email emailaddress mail adressemail adresseemail adresseelectronique courriel
        emailadresse subscriberemail correo contactemail primaryemail workemail mel""",
    "phone": """phone phonenumber sms mobile mobilephone mobilephonenumber telephone tel portable
        mobilenumber smsphonenumber smsphone cellphone telephonemobile telephoneportable
        numerodetelephone numerodemobile gsm""",
    "first_name": "firstname givenname prenom fname vorname",
    "last_name": "lastname surname familyname nom nomdefamille lname nachname",
    "name": "name fullname nomcomplet",
    "language": "language lang locale preferredlocale preferredlanguage langue sprache hslanguage",
    "timezone": "timezone tz fuseauhoraire hstimezone contacttimezone",
    "lifecycle": "lifecycle lifecyclestage stage stade",
    "tags": "tags tag etiquettes labels",
    "created_at": """createdat created dateadded addedtime createdate inscription creele
        dateidentified firstknown""",
    "last_active_at": "lastactive lastactiveat lastactivity lastactivitydate",
    "attributes": "attributes attribs",
    "status": """status statut subscriptionstatus emailstatus consent consentstatus consentement
        subscriberstatus marketingstatus emailmarketingstatus contactstatus memberstatus
        emailsubscriptionstatus emailmarketingconsent marketingconsent emailconsent""",
    "topic": "topic topics list lists listname newsletter newsletters theme themes sujet liste listes",
    "channel": "channel channels canal canaux",
    "source": """source consentsource optinsource signupsource origine provenance consentmethod
        originalsource evidencesource""",
    "consented_at": """confirmtime optintime consentedat consentdate consentat optindate dateconsent
        dateconsentement dateduconsentement consentgivenat confirmedat dateoptin date evidencedate
        optinat optintimestamp subscribedat subscribedon datesubscribed subscriptiondate
        dateinscription dateabonnement emailmarketingconsenttimestamp""",
    "wording": """wording consentwording consenttext texte textconsent formulation words
        textduconsentement evidencewording legalbasistext""",
    "ip": "confirmip optinip ip ipaddress consentip",
    "stopped": """unsubscribedfromallemail emailblacklisted emailblocklisted hasoptedoutofemail
        portalunsubscribe globalunsubscribe portalspamreport""",
    "stopped_at": """unsubtime unsubscribedat unsubscribedon datedesabonnement optoutat desinscritle
        withdrawnat withdrawnon stoppedon desabonnele""",
    "bounced": "cleantime portalbounce globalbounce",
}
_TARGET_OF = {name: target for target, names in _NAMES.items() for name in names.split()}
# They can be something else, like the state of an address: a status where one stands in them.
_PERHAPS_STATUS = frozenset(
    """state etat subscribed optin optedin emailoptin optinemail marketingoptin newsletteroptin
    optinnewsletter acceptsmarketing acceptsemailmarketing emailmarketing abonne inscrit""".split()
)

_OF_NO = re.compile(
    "unsub|optout|optedout|desabon|desinscri|blacklist|blocklist|listenoire|suppress|spamreport"
    "|complain|donotcontact|donote?mail|nepascontacter|^dnc"
)
_OF_BOUNCE = re.compile("bounce|(invalid|bad)email|email(invalid|bad)|badaddress|quarantin|npai")
_OF_TEXTS = re.compile("sms|texto|textmessage")
# Other ways to reach people (HubSpot: a seller's own letters), and what is only about a no.
_OF_SOMETHING_ELSE = re.compile(
    "whatsapp|push|phone|call|postal|directmail|fax|onetoone|softbounce"
    "|title|campaignid|link|(?<!c)lien|url|token|(?<!ac)count(?!ry)|nombre"
)
_OF_TIME = re.compile("date|time")
# HubSpot's file of those who unsubscribed has one more column for each kind of email.
_HUBSPOTS_NOES = "portalunsubscribe"
_NUMBERED = re.compile(r" \(\d+\)$")

# One file per status, and the status only in the file's name.
_STATUS_OF_FILE = {
    "unsubscribed": "unsubscribed",
    "cleaned": "cleaned",
    "blocklist": "blocklisted",
    "blacklist": "blocklisted",
    "suppress": "suppressed",
    "pending": "pending",
    "nonsubscribed": "none",
    "archived": "none",
}


def guess(
    columns: Sequence[str],
    fields: Iterable[DataField],
    cells: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, str]:
    """Column → target; empty where the column will not be imported.

    Registered fields are found by key or label. Columns that mean the same may share a target: the first
    that is filled counts. `cells` are some values of each column.
    """
    filled = cells or {}
    known = {
        plain(each): f"{FIELD}{field.key}" for field in fields for each in (field.key, field.label)
    }
    guessed = {
        column: _target(plain(_NUMBERED.sub("", column)), known, filled.get(column, ()))
        for column in columns
    }
    if _HUBSPOTS_NOES in map(plain, columns):
        guessed = {column: target or "stopped" for column, target in guessed.items()}
    if not {"email", "phone"} & set(guessed.values()):
        guessed |= _addresses(guessed, filled)
    return guessed


def _target(name: str, known: Mapping[str, str], cells: Sequence[str]) -> str:
    target = _TARGET_OF.get(name) or known.get(name)
    if target == "topic" and cells and all(map(_is_status, cells)):
        return "status"  # a column “Newsletter” of yes and no
    if target:
        return target
    return _perhaps_status(cells) if name in _PERHAPS_STATUS else _no(name)


def _perhaps_status(cells: Sequence[str]) -> str:
    if cells and all(map(moments.is_moment, cells)):
        return "consented_at"
    return "status" if not cells or any(map(_is_status, cells)) else ""


def _is_status(cell: str) -> bool:
    return plain(cell) in values.STATUSES or values.is_no(cell)


def _no(name: str) -> str:
    if _OF_TEXTS.search(name):
        return "stopped_sms" if _OF_NO.search(name) else ""
    if _OF_SOMETHING_ELSE.search(name):
        return ""
    if _OF_NO.search(name):
        return "stopped_at" if _OF_TIME.search(name) else "stopped"
    return "bounced" if _OF_BOUNCE.search(name) else ""


def _addresses(guessed: Mapping[str, str], cells: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The column that holds addresses, or else phone numbers, where no name says so."""
    for target, is_one in (("email", values.is_email_address), ("phone", is_phone_number)):
        found = {column: sum(map(is_one, each)) for column, each in cells.items()}
        best = max(found, key=lambda column: found[column], default="")
        if found.get(best) and not guessed[best]:
            return {best: target}
    return {}


def guess_status(name: str, targets: Iterable[str] = ()) -> str:
    """The status of everybody in a file, where its name says so, and no column says it of each."""
    said, by_row = plain(PurePath(name).stem), set(targets)
    if "status" in by_row:
        return ""
    for word, status in _STATUS_OF_FILE.items():
        if said.startswith(word):
            return status
    if by_row & {"stopped", "bounced"}:
        return ""
    if _OF_NO.search(said):
        return "unsubscribed"
    return "bounced" if "bounce" in said and "soft" not in said else ""
