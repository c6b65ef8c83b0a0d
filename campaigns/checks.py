"""What is looked at before a campaign is scheduled, as a list that people read: passed, or what is wrong."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.output import OutputNode

from campaigns import audience
from campaigns.content import Compiled, ContentError, Pieces, Rendered
from campaigns.letters import NOWHERE, Letters, nobody
from campaigns.models import Campaign, CampaignContent
from campaigns.shown import Look
from campaigns.texts import Texts, letters_of, said
from consent.models import Organization, Topic
from consent.sms import gsm
from contacts.models import Channel

# Gmail shows the beginning of a longer message and hides the rest, unsubscribe link included.
GMAIL_CLIPS_BYTES = 102 * 1024
SUBJECT_SHOWN = 60
PREHEADER_SHOWN = 120
_UNSEEN = {"style", "script", "title"}
# Styles of a writer's own, which MJML lets them add, must not take away what the law asks for.
_ON_FOOTER = re.compile(r"\.footer\b[^{}]*\{([^{}]*)\}")
# Elements without an end: nothing stands inside them.
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
_STAND_INS = re.compile(
    r"(^|\.)(example\.(com|org|net)|localhost|your-?site\.\w+)$|\.(test|invalid)$"
)


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
        length = gsm.measure(texts.render(content, None).text)
    except ContentError as error:
        yield _error(content.language, str(error), error.part)
        return
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
        rendered = letters.render(content, None, NOWHERE)
    except ContentError as error:
        yield _error(language, str(error), error.part)
        return
    if compiled.fields:
        names = ", ".join(sorted(compiled.fields))
        yield _passed(language, _("All fields are registered: %s.") % names)
    yield from _footer(letters, content, rendered)
    yield from _fallbacks(compiled, language)
    yield from _lines(content, rendered)
    yield from _links(rendered, language)
    yield from _images(rendered, language)
    yield _size(rendered, language)


def _footer(letters: Letters, content: CampaignContent, rendered: Rendered) -> Iterator[Finding]:
    """What each part of the message has to show, in what its reader gets (GDPR art. 7(3), 13)."""
    language = content.language
    stop = letters.values(nobody(language), token=NOWHERE)["unsubscribe_url"]
    identity = letters.identity(language)
    wanted = [identity.legal_name, *identity.postal_address.splitlines()]
    seen = _read(rendered.html)
    in_html = any(url == stop and words.strip() for url, words in seen.shown_links)
    is_hidden = any(
        not seen.footer.under(style).is_seen for style in _ON_FOOTER.findall(seen.styles)
    )
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


def _shows(text: str, lines: list[str]) -> bool:
    """Whether each line stands there; where a line was broken does not matter."""
    shown = " ".join(text.split())
    return all(" ".join(line.split()) in shown for line in lines)


def _fallbacks(compiled: Compiled, language: str) -> Iterator[Finding]:
    in_subject = set(_bare(compiled.subject))
    bare = sorted({key for part in (compiled.subject, compiled.html) for key in _bare(part)})
    known = set(compiled.fields)
    for key in bare:
        if key in known:
            yield _warning(
                language,
                _(
                    "“%s” has no fallback: where it is not known, nothing stands there. Write what "
                    "to say instead, as in | default: '…'."
                )
                % key,
                "subject" if key in in_subject else "body",
            )
    if known and not set(bare) & known:
        yield _passed(language, _("Every field has a fallback or a condition around it."))


def _bare(pieces: Pieces) -> Iterator[str]:
    """Names printed as they are: without `default`, and not inside a condition."""
    for hole in pieces.holes:
        expression = hole.node.expression if isinstance(hole.node, OutputNode) else None
        if (
            isinstance(expression, FilteredExpression)
            and isinstance(expression.left, Path)
            and "default" not in {each.name for each in expression.filters or []}
        ):
            yield str(expression.left.path[-1])


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
    elif len(content.preheader) > PREHEADER_SHOWN:
        yield _warning(
            language,
            _(
                "The preview line has %d characters: few mail programs show more than 120. "
                "Shorten it."
            )
            % len(content.preheader),
            "preheader",
        )


def _links(rendered: Rendered, language: str) -> Iterator[Finding]:
    links = _read(rendered.html).links
    for url, words in links:
        if problem := _problem_of(url, words):
            yield _warning(language, problem)
    count = len(links)
    yield _passed(
        language,
        ngettext("%d link was read.", "%d links were read.", count) % count,
    )


def _problem_of(url: str, words: str) -> str:
    """What a reader would stumble over. Nothing is fetched: no server learns of the draft."""
    nowhere = _("The link “%s” leads nowhere: write it with https:// and its host.") % url
    try:
        parts = urlsplit(url)
    except ValueError:
        return nowhere
    if parts.scheme in {"mailto", "tel"}:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return nowhere
    if re.search(r"\s", url):
        return _("The link “%s” holds a space: write %%20 for it.") % url
    if _STAND_INS.search(parts.hostname) and not url.startswith(settings.PUBLIC_URL):
        return _("The link “%s” looks like a stand-in: write the real address.") % url
    if parts.scheme == "http" and not url.startswith(settings.PUBLIC_URL):
        return _("The link “%s” is not encrypted: write https://.") % url
    if not words.strip():
        return (
            _("The link to “%s” has no words: screen readers spell the address. Give it some.")
            % url
        )
    return ""


def _images(rendered: Rendered, language: str) -> Iterator[Finding]:
    images = _read(rendered.html).images
    if not images:
        return
    for url, alt in images:
        if not alt.strip():
            yield _warning(
                language,
                _("The image “%s” has no alternative text: say what it shows.") % url,
            )
        if not url.startswith((settings.PUBLIC_URL, "cid:")):
            yield _warning(
                language,
                _(
                    "The image “%s” is on another server, which learns who opens the message and when. "
                    "Upload it here."
                )
                % url,
            )
    if all(alt.strip() for _url, alt in images):
        count = len(images)
        yield _passed(
            language,
            ngettext("%d image has its words.", "%d images have their words.", count) % count,
        )


def _size(rendered: Rendered, language: str) -> Finding:
    size = len(rendered.html.encode())
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


class _Reader(HTMLParser):
    """Links and images with their words in the order of the message, the text that is seen, the styles."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[tuple[str, str]] = []
        self.shown_links: list[tuple[str, str]] = []
        self.images: list[tuple[str, str]] = []
        self.text = self.styles = ""
        self.footer = Look()
        self._unseen = ""
        self._around: list[tuple[str, Look]] = []
        self._open: tuple[str, list[str], list[str]] | None = None

    @property
    def _look(self) -> Look:
        return self._around[-1][1] if self._around else Look()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _UNSEEN:
            self._unseen = tag
        look = self._look.under(
            f"background:{given.get('bgcolor', 'none')};{given.get('style', '')}"
        )
        if tag not in _VOID:
            self._around.append((tag, look))
        if "footer" in given.get("class", "").split():
            self.footer = look
        if tag == "a":
            self._open = (given.get("href", ""), [], [])
        elif tag == "img":
            self.images.append((given.get("src", ""), given.get("alt", "")))
            self._say_in_link(given.get("alt", ""), look)

    def handle_endtag(self, tag: str) -> None:
        if tag == self._unseen:
            self._unseen = ""
        if any(tag == each for each, _look in self._around):
            while self._around.pop()[0] != tag:
                pass
        if tag == "a" and self._open:
            url, words, shown = self._open
            self.links.append((url, "".join(words)))
            self.shown_links.append((url, "".join(shown)))
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._unseen == "style":
            self.styles += data
        elif not self._unseen and self._look.is_seen:
            self.text += data
        self._say_in_link(data, self._look)

    def _say_in_link(self, words: str, look: Look) -> None:
        if self._open:
            self._open[1].append(words)
            if look.is_seen:
                self._open[2].append(words)


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


def _error(language: str, message: str, place: str = "body") -> Finding:
    return Finding(language, message, place=place)


def _warning(language: str, message: str, place: str = "body") -> Finding:
    return Finding(language, message, is_error=False, place=place)


def _passed(language: str, message: str) -> Finding:
    return Finding(language, message, is_error=False, is_passed=True)
