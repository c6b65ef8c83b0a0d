"""The main job, step by step, on real engines and by the public doors; every step is held to its promise."""

import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from django.contrib.auth.models import User
from django.core.management.base import OutputWrapper

from campaigns import results
from campaigns.models import Campaign, Delivery
from config.mailbox import Letter, Mailbox
from config.quickstart import browsing, sample
from config.quickstart.children import Children
from consent import gate, imports, verification
from consent.models import Kind, Topic, Wording
from contacts import services as contacts
from contacts.models import Channel

CONTACTS = Path(__file__).with_name("contacts.csv")
PATIENCE_S = 180
LOOK_EVERY_S = 0.25
READ_FORM_FOR_S = 2.5
HANDED_OVER = {Delivery.State.SENT, Delivery.State.DELIVERED}
T = TypeVar("T")


class PromiseBroken(Exception):
    """Something was not as promised."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the story plays: the public address, the mailbox, the staff user."""

    url: str
    mailbox: Mailbox
    user: User


class Story:
    """Tells what it does as it does it; raises `PromiseBroken` where a promise does not hold."""

    def __init__(self, place: Place, children: Children, out: OutputWrapper) -> None:
        self.place = place
        self.children = children
        self.out = out

    def tell(self) -> None:
        topic = sample.topics()
        sample.organization()
        self.import_contacts()
        reader = self.sign_up(topic)
        first = self.send_issue(topic)
        self.expect_got(first, reader)
        self.show_who_got_it(first)
        self.measure(first, reader)
        self.send_text(topic)
        self.unsubscribe(reader)
        second = self.send_issue(topic)
        self.show_withheld(second, topic, reader)
        self.verify_ledger()

    # Steps

    def import_contacts(self) -> None:
        self.say("Importing the sample contacts with their consent evidence")
        batch = imports.run(imports.start(path=CONTACTS), progress=lambda *_: self.children.check())
        if not batch.contacts:
            self.detail("nothing is new: they were imported before")
            return
        self.detail(
            f"{batch.contacts} contacts, {batch.grants} grants, {batch.stops} stops,"
            f" {batch.refused} rows refused"
        )

    def sign_up(self, topic: Topic) -> str:
        """A new reader at the public form, and the button behind the mailed link; returns the address."""
        number = 1
        while contacts.find_contact(channel=Channel.EMAIL, address=f"reader{number}@mail.example"):
            number += 1
        email = f"reader{number}@mail.example"
        self.say(f"{email} signs up at {self.place.url}/join/")
        words = Wording.objects.current().get(topic=topic, channel=Channel.EMAIL, language="en")
        digest = words.digest or ""
        measuring = Wording.objects.current().filter(
            topic__in=Topic.objects.measuring(), language="en"
        )
        uses = [("yes", use.digest or "") for use in measuring]
        page = browsing.get(f"{self.place.url}/join/")
        boxes = {value for _, value, _ in browsing.read_form(page.body).boxes}
        self.expect(digest in boxes, "the form offers the newsletter in its published words")
        answer = browsing.submit(
            f"{self.place.url}/join/",
            page.body,
            [("email", email), ("yes", digest), *uses],
            read_for_s=READ_FORM_FOR_S,
        )
        self.expect(answer.status == 200, "the form was taken")
        letter = self.wait(lambda: self.newest_letter(email), "for the confirmation mail")
        link = _link(letter, f"{self.place.url}/confirm/")
        shown = browsing.get(link)
        self.expect(self.reason(email, topic) == "pending", "looking at the link confirms nothing")
        self.expect(browsing.submit(link, shown.body, []).status == 200, "the button confirms")
        self.expect(self.reason(email, topic) == "", "now the permission stands")
        return email

    def send_issue(self, topic: Topic) -> Campaign:
        campaign = sample.issue(topic)
        self.say(f"Scheduling “{campaign.name}”; beat and worker send it over SMTP")
        sample.schedule_now(campaign, self.place.user)
        self.wait(lambda: self.is_sent(campaign), "until it is sent")
        return campaign

    def send_text(self, topic: Topic) -> None:
        """The news by text message, to whoever said yes to that; the mailbox is their phone."""
        campaign = sample.text(topic)
        self.say(f"Scheduling “{campaign.name}”; the worker hands it to an SMS gateway")
        sample.schedule_now(campaign, self.place.user)
        self.wait(lambda: self.is_sent(campaign), "until it is sent")
        reached = campaign.deliveries.filter(state__in=HANDED_OVER)
        for delivery in reached.select_related("contact__identity").order_by("pk"):
            number = delivery.contact.identity.phone
            texts = [letter.text for letter in self.place.mailbox.letters(to=number)]
            words = campaign.contents.get(language=delivery.contact.language).body
            got = [text for text in texts if words in text]
            self.expect(len(got) == 1, f"{number} got one text, by event {delivery.event_id}")
            self.expect(f"{self.place.url}/s/" in got[0], "it carries a short link that stops it")
        self.expect(reached.exists(), "a number whose permission is for texts was reached")

    def show_who_got_it(self, campaign: Campaign) -> None:
        """Print each delivery, and hold the mailbox to it: one letter for each sent, none for the rest."""
        subjects = set(campaign.contents.values_list("subject", flat=True))
        received = Counter(
            recipient
            for letter in self.place.mailbox.letters()
            if str(letter.message["Subject"]) in subjects
            for recipient in letter.recipients
        )
        deliveries = campaign.deliveries.select_related("contact__identity", "event").order_by(
            "state", "pk"
        )
        for delivery in deliveries:
            email = delivery.contact.identity.email or delivery.contact.identity.phone
            if delivery.state in HANDED_OVER:
                assert delivery.event is not None
                self.detail(
                    f"✓ {email:34} sent, allowed by event {delivery.event_id} ({delivery.event.kind})"
                )
                self.expect(received[email] == 1, f"{email} got exactly one message", quiet=True)
                self.expect(
                    delivery.event.kind in {Kind.GIVEN, Kind.RENEWED}, "by a yes", quiet=True
                )
            else:
                label = gate.Reason(delivery.reason).label if delivery.reason else delivery.state
                self.detail(f"· {email:34} withheld: {label} ({delivery.reason})")
                self.expect(received[email] == 0, f"{email} got nothing", quiet=True)
                self.expect(delivery.state == Delivery.State.WITHHELD, "it was decided", quiet=True)
        sent = sum(received.values())
        self.detail(f"{sent} sent, {deliveries.count() - sent} withheld, each with its reason")

    def measure(self, campaign: Campaign, reader: str) -> None:
        """Some read it and follow links, as their mail programs and browsers ask for them."""
        if not campaign.is_measured:
            return
        self.say("Some read it: opens and clicks are counted only of those who permit that")
        reached = campaign.deliveries.filter(state__in=HANDED_OVER).order_by("pk")
        measured = []
        for delivery in reached.select_related("contact__identity"):
            email = delivery.contact.identity.email
            links, pixels = _measured_links(self.letter_of(campaign, email).html, self.place.url)
            is_measured = bool(links or pixels)
            self.expect(is_measured is delivery.is_measured, f"{email} got their form", quiet=True)
            if is_measured:
                measured.append((email, pixels[0], links))
        self.expect(reader in {email for email, *_ in measured}, f"{reader} permits it")
        # Everybody but one opens it; the newest reader follows one link, every third the first two.
        for number, (email, pixel, links) in enumerate(reversed(measured[1:])):
            self.read(pixel, links[: 1 if email == reader else 2 if number % 3 == 0 else 0])
        opened, clicked = len(measured) - 1, (len(measured) + 1) // 3

        def counted() -> results.Measured | None:
            found = results.of(campaign)
            return found if found and (found.opened, found.clicked) == (opened, clicked) else None

        found = self.wait(counted, "until it is counted")
        self.detail(
            f"{found.measured} of {found.received} recipients are measured:"
            f" {found.opened} opened it, {found.clicked} clicked"
        )

    def read(self, pixel: str, links: list[str]) -> None:
        self.expect(browsing.get(pixel).status == 200, "the pixel is there", quiet=True)
        for link in links:
            answer = browsing.get(link)
            leads = str(answer.headers["Location"]).startswith("https://lumen.example/")
            self.expect(answer.status == 302 and leads, "a link leads on", quiet=True)

    def unsubscribe(self, email: str) -> None:
        """What a mail provider does behind its unsubscribe button (RFC 8058)."""
        letter = self.newest_letter(email)
        assert letter is not None
        self.expect(bool(letter.one_click_url), "the message carries a one-click List-Unsubscribe")
        self.say(f"The mail provider of {email} posts List-Unsubscribe=One-Click")
        answer = browsing.post(letter.one_click_url, [("List-Unsubscribe", "One-Click")])
        self.expect(answer.status == 200, "answered 200 without a redirect")
        self.expect("Set-Cookie" not in answer.headers, "and without a cookie")

    def show_withheld(self, campaign: Campaign, topic: Topic, email: str) -> None:
        contact = contacts.find_contact(channel=Channel.EMAIL, address=email)
        delivery = campaign.deliveries.select_related("event").get(contact=contact)
        self.expect(
            delivery.state == Delivery.State.WITHHELD and delivery.reason == "withdrawn",
            f"{email} is withheld from “{campaign.name}”: withdrew",
        )
        event = delivery.event
        self.expect(
            event is not None and event.kind == Kind.WITHDRAWN, "and the consent event is named"
        )
        if event:
            self.detail(
                f"event {event.pk}: {event.kind}, {event.get_method_display()},"
                f" {event.recorded_at:%H:%M:%S} UTC"
            )
        newest = self.newest_letter(email)
        subjects = set(campaign.contents.values_list("subject", flat=True))
        self.expect(
            newest is not None and str(newest.message["Subject"]) not in subjects,
            "and nothing more arrived there",
        )

    def verify_ledger(self) -> None:
        self.say("Waiting until the ledger is sealed, then verifying it")
        self.wait(lambda: verification.verify().unsealed == 0, "for the sealer")
        report = verification.verify()
        self.expect(report.ok, f"{report.sealed} consent events sealed, nothing was changed")

    # Questions

    def reason(self, email: str, topic: Topic) -> str:
        contact = contacts.find_contact(channel=Channel.EMAIL, address=email)
        assert contact is not None
        return gate.explain(contact=contact, topic=topic, channel=Channel.EMAIL).reason

    def newest_letter(self, email: str) -> Letter | None:
        letters = self.place.mailbox.letters(to=email)
        return letters[-1] if letters else None

    def letter_of(self, campaign: Campaign, email: str) -> Letter:
        subjects = set(campaign.contents.values_list("subject", flat=True))
        letters = self.place.mailbox.letters(to=email)
        return next(each for each in letters if str(each.message["Subject"]) in subjects)

    def is_sent(self, campaign: Campaign) -> bool:
        campaign.refresh_from_db()
        if campaign.state in {Campaign.State.HELD, Campaign.State.PAUSED, Campaign.State.CANCELLED}:
            raise PromiseBroken(f"“{campaign.name}” is {campaign.state}: {campaign.state_reason}")
        return campaign.state == Campaign.State.SENT

    def expect_got(self, campaign: Campaign, email: str) -> None:
        contact = contacts.find_contact(channel=Channel.EMAIL, address=email)
        delivery = campaign.deliveries.get(contact=contact)
        self.expect(delivery.state in HANDED_OVER, f"{email} got “{campaign.name}”")

    # Words

    def say(self, text: str) -> None:
        self.out.write(f"\n▸ {text}")
        self.out.flush()

    def detail(self, text: str) -> None:
        self.out.write(f"  {text}")
        self.out.flush()

    def expect(self, holds: bool, promise: str, *, quiet: bool = False) -> None:
        if not holds:
            raise PromiseBroken(f"Not as promised: {promise}.")
        if not quiet:
            self.detail(f"✓ {promise}")

    def wait(self, look: Callable[[], T | None], what: str) -> T:
        """Look until there is something; a child that ended or three minutes end the waiting."""
        self.detail(f"… waiting {what}")
        give_up_at = time.monotonic() + PATIENCE_S
        while not (found := look()):
            self.children.check()
            if time.monotonic() > give_up_at:
                raise PromiseBroken(f"Nothing came in {PATIENCE_S} seconds of waiting {what}.")
            time.sleep(LOOK_EVERY_S)
        return found


def _link(letter: Letter, start: str) -> str:
    for word in letter.text.split():
        if word.startswith(start):
            return word
    raise PromiseBroken(f"The mail “{letter.message['Subject']}” holds no link to {start}.")


def _measured_links(html: str, url: str) -> tuple[list[str], list[str]]:
    """The links that lead through us, and the pixel."""
    base = re.escape(url)
    return re.findall(rf'href="({base}/k/[^"]+)"', html), re.findall(
        rf'src="({base}/o/[^"]+)"', html
    )
