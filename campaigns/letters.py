"""Turns a campaign's content into letters: compiled once per language, filled for each person."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple, cast

from django.conf import settings

from campaigns import message_ids
from campaigns.content import (
    Compiled,
    Layout,
    Markup,
    Measuring,
    PostalIdentity,
    Rendered,
    Source,
    Values,
    compile_source,
)
from campaigns.content.language import HIT
from campaigns.mime import Letter, Origin, Skeleton
from campaigns.models import Campaign, CampaignContent
from consent import links
from consent.models import Organization
from contacts import fields
from contacts.models import Address, Contact

# Links of messages that reach nobody: pages that say that the link is not a real one.
NOWHERE = "preview"


class Person(NamedTuple):
    """Whom a letter is for, with what the vault and the registered fields say.

    `is_measured`: they permit, at this moment, that what they open and click is counted.
    """

    subject: uuid.UUID
    language: str
    email: str
    first_name: str
    last_name: str
    attributes: Mapping[str, Any]
    fingerprint: bytes
    phone: str = ""
    is_measured: bool = False


class Contents:
    """What a campaign says in each language, to whomever and on whatever channel."""

    def __init__(self, campaign: Campaign) -> None:
        self.campaign = campaign
        self._generation = len(settings.ASSENT_KEYS["fingerprint"])

    @cached_property
    def contents(self) -> dict[str, CampaignContent]:
        """By language; the first one written is the one for everybody else."""
        return {content.language: content for content in self.campaign.contents.order_by("pk")}

    @cached_property
    def _fields(self) -> frozenset[str]:
        return fields.template_names()

    def content_for(self, language: str) -> CampaignContent:
        """In the person's language, else without its region, else the first one."""
        for wanted in (language, language.partition("-")[0]):
            if wanted in self.contents:
                return self.contents[wanted]
        return next(iter(self.contents.values()))

    def _token(self, person: Person, delivery_id: int) -> str:
        return links.stop_token(
            links.Stop(
                subject=person.subject,
                fingerprint=person.fingerprint,
                generation=self._generation,
                topic=self.campaign.topic.key,
                channel=self.campaign.channel,
                message=delivery_id,
            )
        )


class Letters(Contents):
    """The letters of one campaign. Reads content, sender and organization when first needed."""

    def __init__(self, campaign: Campaign) -> None:
        super().__init__(campaign)
        self._skeletons: dict[str, Skeleton] = {}
        self._measured: dict[str, Skeleton] = {}
        self._domain = campaign.sender.from_email.rpartition("@")[2]
        self._key = message_ids.current_key()

    @cached_property
    def _organization(self) -> Organization | None:
        return Organization.objects.order_by("pk").first()

    @cached_property
    def _measuring(self) -> Measuring:
        kept = self.campaign.destinations.values_list("url", "number")
        return Measuring(settings.PUBLIC_URL, dict(kept))

    def compiled(self, content: CampaignContent, *, measuring: Measuring | None = None) -> Compiled:
        """The content of one language, compiled; raises `ContentError`."""
        return compile_source(
            _source(content),
            identity=self.identity(content.language),
            fields=self._fields,
            measuring=measuring,
        )

    def destinations(self) -> list[str]:
        """Where the links lead that can be measured, in every language, ours left out.

        Raises `ContentError`.
        """
        found = (
            url
            for language in self.contents
            for url in self._skeleton(language).compiled.destinations
        )
        own = f"{settings.PUBLIC_URL}/"
        return [url for url in dict.fromkeys(found) if not f"{url}/".startswith(own)]

    def prepare(self) -> set[str]:
        """Compile every language now; returns the registered fields they use. Raises `ContentError`."""
        return {
            field
            for language in self.contents
            for field in self._skeleton(language).compiled.fields
        }

    def to(self, person: Person, *, delivery_id: int, date: datetime) -> Letter:
        """The letter to one person; raises `ContentError` where it cannot be rendered for them."""
        values = self.values(person, token=self._token(person, delivery_id))
        if person.is_measured:
            skeleton = self._measured_skeleton(person.language)
            values = {**values, HIT: self._hit_token(delivery_id, date)}
        else:
            skeleton = self._skeletons.get(person.language) or self._skeleton(person.language)
        return skeleton.address(
            person.email,
            values=values,
            message_id=message_ids.spell(
                self.campaign.pk, delivery_id, domain=self._domain, key=self._key
            ),
            date=date,
        )

    def test(self, content: CampaignContent, *, email: str, name: str, date: datetime) -> Letter:
        """A letter to one of us, marked as a test; its links lead nowhere."""
        skeleton = Skeleton(self.compiled(content), self._origin(content.language))
        letter = skeleton.address(
            email,
            values=self.values(nobody(content.language, name), token=NOWHERE),
            message_id=f"<assent.test.{uuid.uuid4().hex}@{self._domain}>",
            date=date,
        )
        return letter._replace(subject=f"[Test] {letter.subject}")

    def render(self, content: CampaignContent, person: Person | None, token: str) -> Rendered:
        """What one person, or nobody in particular, would see."""
        person = person or nobody(content.language)
        return self.compiled(content).render(self.values(person, token=token))

    def as_measured(self, content: CampaignContent) -> Rendered:
        """What somebody would see of whom nothing is known but that they permit measurement."""
        urls = self.compiled(content).destinations
        numbers = {url: number for number, url in enumerate(urls, start=1)}
        compiled = self.compiled(content, measuring=Measuring(settings.PUBLIC_URL, numbers))
        token = self._hit_token(0, datetime.now(UTC))
        values = self.values(nobody(content.language), token=NOWHERE)
        return compiled.render({**values, HIT: token})

    def values(self, person: Person, *, token: str) -> Values:
        """What the holes are filled with."""
        base = settings.PUBLIC_URL
        return {
            **person.attributes,
            "first_name": person.first_name,
            "last_name": person.last_name,
            "unsubscribe_url": f"{base}/u/{token}/",
            "manage_url": f"{base}/m/{token}/",
            "view_url": f"{base}/c/{token}/",
        }

    def _skeleton(self, language: str) -> Skeleton:
        content = self.content_for(language)
        known = self._skeletons.get(content.language)
        skeleton = known or Skeleton(self.compiled(content), self._origin(content.language))
        self._skeletons[content.language] = self._skeletons[language] = skeleton
        return skeleton

    def _measured_skeleton(self, language: str) -> Skeleton:
        if known := self._measured.get(language):
            return known
        content = self.content_for(language)
        compiled = self.compiled(content, measuring=self._measuring)
        made = Skeleton(compiled, self._origin(content.language))
        self._measured[language] = made
        return made

    def _hit_token(self, delivery_id: int, date: datetime) -> str:
        until = int(date.timestamp()) + links.HIT_LIFETIME_S
        return links.hit_token(links.Hit(self.campaign.pk, delivery_id, until))

    def _origin(self, language: str) -> Origin:
        campaign, sender = self.campaign, self.campaign.sender
        return Origin(
            name=sender.from_name,
            address=sender.from_email,
            list_id=f"{campaign.topic.key}.{self._domain}",
            list_name=campaign.topic.text("public_name", language),
            reply_to=sender.reply_to,
            feedback_id=f"{campaign.pk}:{campaign.topic.key}:newsletter:{sender.pk}",
        )

    def identity(self, language: str) -> PostalIdentity:
        """Who sends, as the footer in this language names them."""
        organization = self._organization
        return PostalIdentity(
            legal_name=organization.legal_name if organization else "",
            postal_address=organization.postal_address if organization else "",
            contact=organization.email if organization else "",
            privacy_url=organization.privacy_page if organization else "",
            topic=self.campaign.topic.text("public_name", language),
        )


def person_of(contact: Contact, address: Address | None) -> Person:
    """A contact as letters see it. Reads the vault."""
    identity = contact.identity
    return Person(
        subject=contact.subject,
        language=contact.language,
        email=identity.email,
        first_name=identity.first_name,
        last_name=identity.last_name,
        attributes=contact.attributes,
        fingerprint=bytes(address.fingerprint or b"") if address else b"",
        phone=identity.phone,
    )


def nobody(language: str, first_name: str = "") -> Person:
    """Somebody of whom nothing is known, for previews and tests."""
    return Person(uuid.UUID(int=0), language, "", first_name, "", {}, b"")


def _source(content: CampaignContent) -> Source:
    return Source(
        subject=content.subject,
        body=content.body,
        preheader=content.preheader,
        markup=cast("Markup", content.markup),
        layout=cast("Layout", content.layout),
        language=content.language,
    )
