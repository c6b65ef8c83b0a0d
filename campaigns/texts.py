"""Turns a campaign's content into text messages: compiled once per language, filled for each person."""

import html
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from django.conf import settings
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from campaigns.content import CompiledText, Rendered, Values, compile_text
from campaigns.letters import Contents, Letters, Person, nobody
from campaigns.models import Campaign, CampaignContent
from consent.sms import gsm, short_links
from consent.sms.gsm import Length
from contacts.models import Channel

# As long as a real one, so that a preview is as long as the text.
NOWHERE = "x" * short_links.LENGTH


class TextMessage(NamedTuple):
    """One person's text; `report_to` is where the gateway says what became of it."""

    recipient: str
    body: str
    sender: str
    report_to: str


class Texts(Contents):
    """The texts of one campaign. Reads content and sender when first needed."""

    @cached_property
    def _compiled(self) -> dict[str, CompiledText]:
        return {}

    @cached_property
    def _links(self) -> list[short_links.Minted]:
        return []

    def compiled(self, content: CampaignContent) -> CompiledText:
        """The content of one language, compiled; raises `ContentError`."""
        with translation.override(content.language):
            stop = _("Stop:")
        return compile_text(
            content.body,
            sender=self.campaign.sender.from_name,
            stop=stop,
            fields=self._fields,
            language=content.language,
        )

    def prepare(self) -> set[str]:
        """Compile every language now; returns the registered fields they use. Raises `ContentError`."""
        for language, content in self.contents.items():
            self._compiled[language] = self.compiled(content)
        return {field for compiled in self._compiled.values() for field in compiled.fields}

    def to(self, person: Person, *, delivery_id: int, date: datetime) -> TextMessage:
        """The text to one person, whose link works after `keep_links`; raises `ContentError`."""
        content = self.content_for(person.language)
        if content.language not in self._compiled:
            self._compiled[content.language] = self.compiled(content)
        link = short_links.mint("stop", self._token(person, delivery_id))
        body = self._compiled[content.language].render(_values(person, link.url))
        self._links.append(link)
        report = reverse("campaigns:text_report", args=[delivery_id])
        return TextMessage(
            person.phone, body, self.campaign.sender.sms_from, f"{settings.PUBLIC_URL}{report}"
        )

    def keep_links(self) -> None:
        """Make the links of the texts made since the last time work, in one statement."""
        if self._links:
            short_links.keep(self._links)
            self._links.clear()

    def render(self, content: CampaignContent, person: Person | None) -> Rendered:
        """The very text that one person, or nobody in particular, would get, with a link to nowhere."""
        url = f"{settings.PUBLIC_URL}/s/{NOWHERE}"
        text = self.compiled(content).render(_values(person or nobody(content.language), url))
        return Rendered(subject=said(gsm.measure(text)), html=_bubble(text), text=text)


def letters_of(campaign: Campaign) -> Letters | Texts:
    """What a campaign says, in the form of its channel."""
    return Texts(campaign) if campaign.channel == Channel.SMS else Letters(campaign)


def said(length: Length) -> str:
    """How long a text is and what is paid for it, in words."""
    words = _("%(parts)d SMS, %(units)d characters (%(alphabet)s)") % {
        "parts": length.parts,
        "units": length.units,
        "alphabet": length.alphabet,
    }
    if not length.beyond:
        return words
    return _("%(length)s, because of %(characters)s") % {
        "length": words,
        "characters": " ".join(length.beyond[:10]),
    }


def _values(person: Person, stop_url: str) -> Values:
    return {
        **person.attributes,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "unsubscribe_url": stop_url,
    }


def _bubble(text: str) -> str:
    """The text as a phone shows it, for previews."""
    return (
        '<!doctype html><meta charset="utf-8"><body style="margin:1.5rem;background:#fff">'
        '<p style="max-width:20rem;padding:.75rem 1rem;border-radius:1rem;background:#e9e9eb;color:#111;'
        'font:1rem/1.4 system-ui,sans-serif;white-space:pre-wrap;overflow-wrap:anywhere">'
        f"{html.escape(text)}</p></body>"
    )
