"""What quickstart fills an empty installation with: an organization, topics with their words, a sender."""

import secrets
from datetime import timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from campaigns import services as campaigns
from campaigns.models import Campaign, CampaignContent, Sender
from config import environment
from consent import services as consent
from consent.models import Organization, Topic, Wording
from contacts.models import Channel

STAFF = "admin"
TOPIC = "product-news"
NUMBER = "+33700000000"
COUNTRIES = ["FR", "BE"]
TEXTS = {
    "en": "Three new books are in the shop, news number {number}.",
    "fr": "Trois nouveaux livres sont en librairie, nouvelles numéro {number}.",
}
LATEST_START = timedelta(hours=1)

TOPICS = [
    {
        "key": TOPIC,
        "public_name": "Product news",
        "description": "What is new in our books and tools, and how to get the best of it.",
        "frequency": "Once a month",
        "offers_sms": True,
        "translations": {
            "fr": {
                "public_name": "Nouveautés",
                "description": "Ce qui change dans nos livres et nos outils, et comment en profiter.",
                "frequency": "Une fois par mois",
            }
        },
    },
    {
        "key": "offers",
        "public_name": "Offers",
        "description": "Reduced prices on books, and gift cards before the holidays.",
        "frequency": "At most twice a month",
        "offers_sms": True,
        "translations": {
            "fr": {
                "public_name": "Offres",
                "description": "Des livres à prix réduit, et des cartes cadeaux avant les fêtes.",
                "frequency": "Deux fois par mois au plus",
            }
        },
    },
    {
        "key": "events",
        "public_name": "Readings and events",
        "description": "Invitations to readings in our shop and online.",
        "frequency": "When something is on",
        "offers_sms": False,
        "translations": {
            "fr": {
                "public_name": "Lectures et rencontres",
                "description": "Des invitations aux lectures, à la librairie et en ligne.",
                "frequency": "Quand il se passe quelque chose",
            }
        },
    },
    {
        "key": "measurement",
        "use": Topic.Use.DATA,
        "covers_measurement": True,
        "public_name": "Measure what I read",
        "description": "Count which messages you open and which links you follow, to write better ones.",
        "frequency": "With each message",
        "offers_email": False,
        "translations": {
            "fr": {
                "public_name": "Mesurer ce que je lis",
                "description": "Compter les messages que vous ouvrez et les liens suivis, pour mieux écrire.",
                "frequency": "À chaque message",
            }
        },
    },
]
WORDS = {
    (
        "en",
        Channel.EMAIL,
    ): "Yes, send me “{name}” by email. I can stop at any time, with one click.",
    (
        "en",
        Channel.SMS,
    ): "Yes, send me “{name}” by text message. I can stop by answering STOP.",
    ("en", Channel.DATA): "Yes, you may do this: {description} I can take this back at any time.",
    (
        "fr",
        Channel.EMAIL,
    ): "Oui, envoyez-moi «\u00a0{name}\u00a0» par e-mail. Je peux arrêter quand je veux, en un clic.",
    (
        "fr",
        Channel.SMS,
    ): "Oui, envoyez-moi «\u00a0{name}\u00a0» par SMS. Je peux arrêter en répondant STOP.",
    (
        "fr",
        Channel.DATA,
    ): "Oui, vous pouvez faire ceci\u00a0: {description} Je peux revenir dessus à tout moment.",
}
CONTENTS = {
    "en": (
        "What is new this month (issue {number})",
        "Three new titles, and a tool that got faster.",
        (
            '# Hello {{{{ contact.first_name | default: "reader" }}}}\n\n'
            "Issue {number} of our letter brings **three new titles**:\n\n"
            "- [The Quiet Garden](https://lumen.example/garden)\n"
            "- [Letters from the Coast](https://lumen.example/coast)\n"
            "- [Bread and Salt](https://lumen.example/bread)\n\n"
            "You get this because you said yes to it. Thank you for reading us."
        ),
    ),
    "fr": (
        "Les nouveautés du mois (numéro {number})",
        "Trois titres, et un outil devenu plus rapide.",
        (
            '# Bonjour {{{{ contact.first_name | default: "chère lectrice, cher lecteur" }}}}\n\n'
            "Le numéro {number} de notre lettre présente **trois nouveaux titres**\u00a0:\n\n"
            "- [Le Jardin tranquille](https://lumen.example/garden)\n"
            "- [Lettres de la côte](https://lumen.example/coast)\n"
            "- [Le Pain et le Sel](https://lumen.example/bread)\n\n"
            "Vous recevez cette lettre parce que vous avez dit oui. Merci de nous lire."
        ),
    ),
}


def staff(password: str) -> tuple[User, str]:
    """The staff user and the password that opens the admin; one that is not known any more is renewed."""
    user, created = User.objects.get_or_create(
        username=STAFF,
        defaults={"email": "admin@lumen.example", "is_staff": True, "is_superuser": True},
    )
    if created or not password or not user.check_password(password):
        password = secrets.token_urlsafe(12)
        user.set_password(password)
        user.save(update_fields=["password"])
    EmailAddress.objects.get_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )
    return user, password


def organization() -> Organization:
    known = Organization.objects.order_by("pk").first()
    return known or Organization.objects.create(
        legal_name="Lumen Books SARL",
        postal_address="12 rue des Lilas\n75011 Paris\nFrance",
        country="FR",
        contact_name="Claire Martin",
        email="privacy@lumen.example",
        phone="+33 1 23 45 67 89",
        website="https://lumen.example",
        privacy_page="https://lumen.example/privacy",
        authority="CNIL",
        data_protection_officer="Claire Martin\nprivacy@lumen.example",
    )


def topics() -> Topic:
    """Publish the sample topics and the words beside their boxes; returns the newsletter's topic."""
    for position, fields in enumerate(TOPICS):
        topic, created = Topic.objects.get_or_create(
            key=fields["key"], defaults={**fields, "position": position}
        )
        if created:
            consent.publish_topic(topic=topic)
            _publish_words(topic)
    return Topic.objects.get(key=TOPIC)


def _publish_words(topic: Topic) -> None:
    for (language, channel), words in WORDS.items():
        if channel not in topic.channels:
            continue
        text = words.format(
            name=topic.text("public_name", language),
            description=topic.text("description", language),
        )
        draft = Wording.objects.create(
            topic=topic, channel=channel, language=language, version=1, text=text
        )
        consent.publish_wording(wording=draft, publisher_id=None)


def texting(sms_url: str) -> dict[str, object]:
    """The settings under which text messages go through this gateway."""
    own = {"SMS_FROM": NUMBER, "SMS_COUNTRIES": COUNTRIES}
    return {**environment.sms(sms_url), **own}


def sender() -> Sender:
    Sender.objects.filter(name="Lumen Books", sms_from="").update(sms_from=NUMBER)
    return Sender.objects.get_or_create(
        name="Lumen Books",
        defaults={
            "from_name": "Lumen Books",
            "from_email": "news@lumen.example",
            "reply_to": "hello@lumen.example",
            "sms_from": NUMBER,
        },
    )[0]


def issue(topic: Topic) -> Campaign:
    """The next issue of the newsletter, as a draft in English and French."""
    number = Campaign.objects.filter(topic=topic, channel=Channel.EMAIL).count() + 1
    campaign = Campaign.objects.create(
        name=f"Product news, issue {number}",
        topic=topic,
        sender=sender(),
        is_measured=Topic.objects.measuring().exists(),
    )
    for language, (subject, preheader, body) in CONTENTS.items():
        CampaignContent.objects.create(
            campaign=campaign,
            language=language,
            subject=subject.format(number=number),
            preheader=preheader,
            body=body.format(number=number),
        )
    return campaign


def text(topic: Topic) -> Campaign:
    """The next news by text message, as a draft in English and French."""
    number = Campaign.objects.filter(topic=topic, channel=Channel.SMS).count() + 1
    campaign = Campaign.objects.create(
        name=f"Product news by text, {number}", topic=topic, sender=sender(), channel=Channel.SMS
    )
    for language, body in TEXTS.items():
        CampaignContent.objects.create(
            campaign=campaign, language=language, body=body.format(number=number)
        )
    return campaign


def schedule_now(campaign: Campaign, user: User) -> None:
    """Let beat and worker send it, as if a marketer had chosen this very moment."""
    if settings.CAMPAIGN_NEEDS_APPROVAL:
        campaigns.ask_approval(campaign=campaign, actor_id=user.pk)
        campaigns.approve_campaign(campaign=campaign, actor_id=_second_person().pk)
    now = timezone.now()
    campaigns.schedule_campaign(
        campaign=campaign, send_at=now, latest_start_at=now + LATEST_START, actor_id=user.pk
    )


def _second_person() -> User:
    """Who approves where the setting asks for it; nobody signs in as them."""
    return User.objects.get_or_create(username="second-person", defaults={"password": "!"})[0]
