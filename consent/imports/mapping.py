"""Which column means what: the targets there are, and a guess from the names that exports use."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from consent.imports.errors import MappingRefused
from contacts.models import DataField, Sentence

ATTRIBUTES = "attributes"
TARGETS: dict[str, str | Promise] = {
    "email": _("email address"),
    "phone": _("phone number"),
    "first_name": _("first name"),
    "last_name": _("last name"),
    "name": _("full name"),
    "language": _("language"),
    "timezone": _("time zone"),
    "lifecycle": _("lifecycle stage"),
    "tags": _("tags"),
    "created_at": _("first known on"),
    "last_active_at": _("last active on"),
    ATTRIBUTES: _("attributes (JSON)"),
    "status": _("status"),
    "topic": _("topic"),
    "channel": _("channel"),
    "source": _("evidence: source"),
    "consented_at": _("evidence: date"),
    "wording": _("evidence: words shown"),
    "ip": _("evidence: IP address"),
    "stopped": _("unsubscribed (yes or no)"),
    "stopped_sms": _("unsubscribed from text messages (yes or no)"),
    "stopped_at": _("unsubscribed on"),
    "bounced": _("bounced (yes, no or reason)"),
}
FIELD = "field."

# As exported by Mailchimp, Brevo, listmonk, Mautic, HubSpot, and as people name columns themselves.
_NAMES = {
    "email": """email emailaddress mail adressemail adresseemail adresseelectronique courriel
        emailadresse subscriberemail correo""",
    "phone": "phone phonenumber sms mobile mobilephone mobilephonenumber telephone tel portable mobilenumber",
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
    "status": """status state statut etat subscriptionstatus emailstatus consent consentstatus
        subscriberstatus marketingstatus emailmarketingstatus""",
    "topic": "topic topics list lists listname newsletter newsletters theme themes sujet liste listes",
    "channel": "channel channels canal canaux",
    "source": """source consentsource optinsource signupsource origine provenance consentmethod
        originalsource evidencesource""",
    "consented_at": """confirmtime optintime consentedat consentdate consentat optindate dateconsent
        dateconsentement dateduconsentement consentgivenat confirmedat dateoptin date
        evidencedate""",
    "wording": """wording consentwording consenttext texte textconsent formulation words
        textduconsentement evidencewording legalbasistext""",
    "ip": "confirmip optinip ip ipaddress consentip",
    "stopped": """unsubscribed optout optedout donotcontact donotemail dnc unsubscribedfromallemail
        optedoutofemail desabonne desinscrit emailblacklisted emailblocklisted hasoptedoutofemail
        portalunsubscribe globalunsubscribe portalspamreport""",
    "stopped_sms": """smsblacklisted smsblocklisted smsoptout optedoutofsms smsunsubscribed
        unsubscribedsms unsubscribedfromsms""",
    "stopped_at": """unsubtime unsubscribedat unsubscribedate optoutdate datedesabonnement
        optouttime desinscritle withdrawnat unsubscribedon withdrawnon stoppedon""",
    "bounced": """cleantime bounced hardbounce emailhardbouncereason hardbounced bouncedat portalbounce
        globalbounce""",
}
_TARGET_OF = {name: target for target, names in _NAMES.items() for name in names.split()}

# One file per status, and the status only in the file's name.
_STATUS_OF_FILE = {
    "unsubscribed": "unsubscribed",
    "cleaned": "cleaned",
    "blocklist": "blocklisted",
    "blacklist": "blocklisted",
    "bounced": "bounced",
    "suppress": "suppressed",
    "pending": "pending",
    "nonsubscribed": "none",
}


def plain(name: str) -> str:
    """A name without case, accents, spaces and marks, to compare by."""
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    return re.sub(r"[^a-z0-9]", "", decomposed)


def guess(columns: Sequence[str], fields: Iterable[DataField]) -> dict[str, str]:
    """Column → target; empty where the column will not be imported.

    Registered fields are found by key or label. Columns that mean the same may share a target: the first
    that is filled counts.
    """
    named = {
        plain(each): f"{FIELD}{field.key}" for field in fields for each in (field.key, field.label)
    }
    return {column: _target(plain(column)) or named.get(plain(column), "") for column in columns}


def fields_of(mapping: Mapping[str, str]) -> set[str]:
    """The keys of the registered fields that a mapping writes."""
    targets = (target for target in mapping.values() if target.startswith(FIELD))
    return {target.removeprefix(FIELD) for target in targets}


def _target(name: str) -> str:
    """HubSpot has a column for each kind of email that people opted out of; a seller's letters are none."""
    if name.startswith("optedoutofemail") and name != "optedoutofemailonetoone":
        return "stopped"
    return _TARGET_OF.get(name, "")


def guess_status(name: str) -> str:
    """The status of everybody in a file, where its name says so."""
    lowered = PurePath(name).name.lower()
    found = (status for word, status in _STATUS_OF_FILE.items() if lowered.startswith(word))
    return next(found, "")


def check(
    mapping: Mapping[str, str], columns: Sequence[str], fields: Mapping[str, DataField]
) -> None:
    """Raises `MappingRefused` where a column or target is not there, or nobody could be found."""
    for column, target in mapping.items():
        if column not in columns:
            raise MappingRefused(Sentence("There is no column “%s”.") % column[:60])
        if target.startswith(FIELD) and target.removeprefix(FIELD) not in fields:
            raise MappingRefused(Sentence("There is no registered field “%s”.") % target[:60])
        if target and target not in TARGETS and not target.startswith(FIELD):
            raise MappingRefused(Sentence("Nothing can be imported as “%s”.") % target[:60])
    if not {"email", "phone"} & set(mapping.values()):
        raise MappingRefused(
            Sentence("One column has to hold the email address or the phone number.")
        )
