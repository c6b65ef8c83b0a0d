"""What is looked at before a campaign is scheduled, as a list that people read: passed, or what is wrong."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from campaigns import audience, stumbling
from campaigns.content import ContentError, Pieces, Rendered, branches
from campaigns.letters import NOWHERE, Letters, nobody
from campaigns.models import Campaign, CampaignContent
from campaigns.reading import Reading
from campaigns.texts import Texts, letters_of, said
from consent.models import Organization, Topic
from consent.sms import gsm
from contacts.models import Channel

# Gmail shows the beginning of a longer message and hides the rest, unsubscribe link included.
GMAIL_CLIPS_BYTES = 102 * 1024
SUBJECT_SHOWN = 60
PREHEADER_SHOWN = 120
# Styles of a writer's own, which MJML lets them add, must not take away what the law asks for.
_FOOTER = re.compile(r"\.footer\b")
_LIQUID = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the list about the content of one language; an error stops the start.

    `place` is where it is mended: a field of the composer, or `organization`, `topic_page`, `sender_page`.
    """

    language: str
    message: str
    is_error: bool = True
    is_passed: bool = False
    place: str = ""


def look(campaign: Campaign) -> list[Finding]:
    """Every check, errors first, then warnings, then what passed."""
    letters = letters_of(campaign)
    found = [*_house(campaign)]
    if not letters.contents:
        found.append(
            _error("", _("The campaign says nothing yet: write it in one language at least."))
        )
    for content in letters.contents.values():
        if isinstance(letters, Texts):
            found += _text(letters, content)
        else:
            found += _words(letters, content)
    return sorted(found, key=lambda finding: (finding.is_passed, not finding.is_error))


def _house(campaign: Campaign) -> Iterator[Finding]:
    """What stands around the words: who sends, and on which topic."""
    organization = Organization.objects.order_by("pk").first()
    if organization is None:
        yield _error(
            "", _("Say first which organization sends: it stands in every footer."), "organization"
        )
    elif campaign.channel == Channel.SMS:
        yield _passed("", _("Every text says who sends it and carries a link that stops it."))
    elif not organization.postal_address.strip():
        yield _error(
            "", _("The organization has no postal address: every footer needs it."), "organization"
        )
    if campaign.topic.status != Topic.Status.PUBLISHED:
        yield _error(
            "",
            _("The topic “%s” is not published: publish it, or choose another one.")
            % campaign.topic.public_name,
            "topic_page",
        )
    for problem in audience.unreadable(campaign):
        yield _error("", str(problem), "segments")
    if campaign.channel not in campaign.topic.channels:
        yield _error(
            "",
            _("The topic is not offered on this channel: choose another topic or channel."),
            "topic",
        )
    if campaign.is_measured and not Topic.objects.measuring().exists():
        yield _error(
            "",
            _("Nothing can be measured: no published topic permits measurement. Do not count."),
            "is_measured",
        )
    if campaign.channel == Channel.SMS:
        yield from _gateway(campaign)


def _gateway(campaign: Campaign) -> Iterator[Finding]:
    if not settings.SMS_GATEWAY_URL:
        yield _error(
            "",
            _("No SMS gateway is configured (SMS_URL): ask whoever runs Assent, or send by email."),
            "channel",
        )
    if not campaign.sender.sms_from:
        yield _error(
            "",
            _("The sender has no number or name for text messages: give it one."),
            "sender_page",
        )


def _text(texts: Texts, content: CampaignContent) -> Iterator[Finding]:
    """What is paid for each person: a text is sent in parts."""
    try:
        compiled = texts.compiled(content)
        text = texts.render(content, None).text
    except ContentError as error:
        yield _error(content.language, str(error), error.part)
        return
    yield from _fields(content.language, compiled.fields, body=compiled.pieces)
    for problem in stumbling.in_words(text, is_markdown=False):
        yield _warning(content.language, problem)
    length = gsm.measure(text)
    words = _("Sent and paid for each person, more where a field is longer: %s.") % said(length)
    yield Finding(
        content.language, words, is_error=False, is_passed=length.parts == 1, place="body"
    )


def _words(letters: Letters, content: CampaignContent) -> Iterator[Finding]:
    language = content.language
    if not content.subject.strip():
        yield _error(language, _("The subject is missing."), "subject")
    try:
        compiled = letters.compiled(content)
        values = letters.values(nobody(language), token=NOWHERE)
        rendered = compiled.render(values)
    except ContentError as error:
        yield _error(language, str(error), error.part)
        return
    everything = Reading(branches.whole(compiled.html, values))
    privacy_url = letters.identity(language).privacy_url
    yield from _footer(letters, content, rendered)
    yield from _fields(language, compiled.fields, subject=compiled.subject, body=compiled.html)
    yield from _lines(content, rendered)
    yield from _meant(content, subject=rendered.subject, words=everything.prose)
    yield from _links(everything, language, privacy_url)
    yield from _images(everything, language)
    yield _size(letters, content, rendered)


def _footer(letters: Letters, content: CampaignContent, rendered: Rendered) -> Iterator[Finding]:
    """What each part of the message has to show, in what its reader gets (GDPR art. 7(3), 13)."""
    language = content.language
    stop = letters.values(nobody(language), token=NOWHERE)["unsubscribe_url"]
    identity = letters.identity(language)
    wanted = [identity.legal_name, *identity.postal_address.splitlines()]
    seen = Reading(rendered.html)
    in_html = any(url == stop and words.strip() for url, words in seen.shown_links)
    is_hidden = any(not seen.footer.under(style).is_seen for style in _on_footer(seen.styles))
    shows_who = _shows(seen.text, wanted) and not is_hidden
    found = {
        _("The HTML part shows no unsubscribe link."): in_html and not is_hidden,
        _("The text part shows no unsubscribe link."): stop in rendered.text.split(),
        _("The HTML part does not show who sends it, with the postal address."): shows_who,
        _("The text part does not show who sends it, with the postal address."): _shows(
            rendered.text, wanted
        ),
    }
    missing = [sentence for sentence, is_there in found.items() if not is_there]
    for sentence in missing:
        yield _error(language, sentence)
    if not missing and identity.postal_address.strip():
        yield _passed(language, _("Both parts show an unsubscribe link and the postal address."))


def _on_footer(styles: str) -> Iterator[str]:
    """The declarations of each rule whose selector names the footer."""
    for selector, declarations in pairwise(re.split(r"[{}]", styles)):
        if _FOOTER.search(selector):
            yield declarations


def _shows(text: str, lines: list[str]) -> bool:
    """Whether each line stands there; where a line was broken does not matter."""
    shown = " ".join(text.split())
    return all(" ".join(line.split()) in shown for line in lines)


def _fields(language: str, fields: frozenset[str], **parts: Pieces) -> Iterator[Finding]:
    """Fields of a message by part: all registered, or it would not compile; which have no fallback."""
    if not fields:
        return
    yield _passed(language, _("All fields are registered: %s.") % ", ".join(sorted(fields)))
    bare: dict[str, str] = {}
    for part, pieces in parts.items():
        for key in sorted(set(branches.bare(pieces)) & fields):
            bare.setdefault(key, part)
    for key, part in bare.items():
        yield _warning(
            language,
            _(
                "“%s” has no fallback: where it is not known, nothing stands there. Write what "
                "to say instead, as in | default: '…'."
            )
            % key,
            part,
        )
    if not bare:
        yield _passed(language, _("Every field has a fallback or a condition around it."))


def _lines(content: CampaignContent, rendered: Rendered) -> Iterator[Finding]:
    language = content.language
    length = len(rendered.subject.strip())
    if length > SUBJECT_SHOWN:
        yield _warning(
            language,
            _("The subject has %d characters: phones show about 40, desktops 60. Shorten it.")
            % length,
            "subject",
        )
    elif length:
        yield _passed(language, _("The subject is short enough: %d characters.") % length)
    if not content.preheader:
        yield _warning(
            language,
            _("Without a preview line, mail programs show the first words of the text: write one."),
            "preheader",
        )
    elif (length := len(_LIQUID.sub("", content.preheader))) > PREHEADER_SHOWN:
        yield _warning(
            language,
            _(
                "The preview line has %d characters: few mail programs show more than 120. "
                "Shorten it."
            )
            % length,
            "preheader",
        )


def _meant(content: CampaignContent, *, subject: str, words: str) -> Iterator[Finding]:
    """What was meant as something else than words, in each part."""
    is_markdown = content.markup == content.Markup.MARKDOWN
    preheader = _LIQUID.sub("", content.preheader)
    for part, said_there in {"subject": subject, "preheader": preheader, "body": words}.items():
        for problem in stumbling.in_words(said_there, is_markdown=is_markdown and part == "body"):
            yield _warning(content.language, problem, part)


def _links(everything: Reading, language: str, privacy_url: str) -> Iterator[Finding]:
    for url, words in dict.fromkeys(everything.links):
        if problem := stumbling.in_link(url, words):
            yield _warning(language, problem, "organization" if url == privacy_url else "body")
    count = len(everything.links)
    yield _passed(
        language,
        ngettext("%d link was read.", "%d links were read.", count) % count,
    )


def _images(everything: Reading, language: str) -> Iterator[Finding]:
    images = dict.fromkeys(everything.images)
    for url, alt in images:
        if not alt.strip():
            yield _warning(
                language,
                _("The image “%s” has no alternative text: say what it shows.") % url,
            )
        if not _is_ours(url):
            yield _warning(
                language,
                _(
                    "The image “%s” is on another server, which learns who opens the message and when. "
                    "Upload it here."
                )
                % url,
            )
    for url in dict.fromkeys(everything.fetched):
        if not _is_ours(url):
            yield _warning(
                language,
                _(
                    "A style loads “%s” from another server, which learns who opens the message and "
                    "when. Take it out, or upload the image here."
                )
                % url,
            )
    if images and all(alt.strip() for _url, alt in images):
        count = len(images)
        yield _passed(
            language,
            ngettext("%d image has its words.", "%d images have their words.", count) % count,
        )


def _is_ours(url: str) -> bool:
    return f"{url}/".startswith(f"{settings.PUBLIC_URL}/")


def _size(letters: Letters, content: CampaignContent, rendered: Rendered) -> Finding:
    """In its longer form, where one is sent to those who permit measurement."""
    language = content.language
    longest = letters.as_measured(content) if letters.campaign.is_measured else rendered
    size = len(longest.html.encode())
    if size > GMAIL_CLIPS_BYTES:
        return _warning(
            language,
            _(
                "The message has %d kB: past 102, Gmail hides the end with the unsubscribe link. "
                "Shorten it."
            )
            % round(size / 1024),
        )
    return _passed(
        language, _("%d kB: Gmail shows it whole (102 at most).") % max(1, round(size / 1024))
    )


def _error(language: str, message: str, place: str = "body") -> Finding:
    return Finding(language, message, place=place)


def _warning(language: str, message: str, place: str = "body") -> Finding:
    return Finding(language, message, is_error=False, place=place)


def _passed(language: str, message: str) -> Finding:
    return Finding(language, message, is_error=False, is_passed=True)
