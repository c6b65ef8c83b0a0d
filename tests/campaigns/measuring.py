"""A campaign that is measured, and the addresses that its readers' programs ask for."""

import re
import time

from django.conf import settings

from campaigns.models import Campaign, Delivery
from consent import links
from consent import services as consent
from consent.models import Topic
from contacts.models import Channel, Contact
from tests import make
from tests.campaigns import engine
from tests.sink import Sink

BODY = (
    "Hello {{ contact.first_name | default: 'reader' }},\n\n"
    "Three [new books](https://lumen.example/new?a=1&b=2) and [an old one](http://old.example/).\n\n"
    "[Write](mailto:hello@lumen.example), [call](tel:+33100000000),"
    " [for you](https://lumen.example/?name={{ contact.first_name }}),"
    " [https://lumen.example/shown](https://lumen.example/shown), [stop]({{ unsubscribe_url }})."
)


def topic(key: str = "measurement", **fields: object) -> Topic:
    """The use of data by which people permit measurement."""
    return make.topic(
        key,
        use=Topic.Use.DATA,
        offers_email=False,
        offers_sms=False,
        covers_measurement=True,
        **fields,
    )


def permit(contact: Contact, use: Topic | None = None) -> None:
    words = make.wording(use or topic(), Channel.DATA)
    address = contact.addresses.current().get(channel=Channel.EMAIL)
    consent.confirm(contact=contact, wordings=[words], address=address, details={})


def take_back(contact: Contact, use: Topic | None = None) -> None:
    make.withdrawn(contact, use or topic(), Channel.DATA)


def campaign(news: Topic, **fields: object) -> Campaign:
    made = make.campaign(news, **{"is_measured": True} | fields)
    made.contents.update(body=BODY)
    return made


def sent(made: Campaign) -> Campaign:
    return engine.work(engine.started(made))


def bodies(sink: Sink, after: int = 0) -> dict[str, tuple[str, str]]:
    """Text and HTML of what arrived, without the first so many, by address."""
    found = {}
    for raw in sink.messages()[after:]:
        message = engine.read(raw)
        text, html = (part.get_content() for part in message.iter_parts())
        found[message["To"].addresses[0].addr_spec] = (text, html)
    return found


def paths(html: str) -> tuple[list[str], str]:
    """The measured links and the pixel of a message, as paths."""
    base = re.escape(settings.PUBLIC_URL)
    links = re.findall(rf'href="{base}(/k/[^"]+)"', html)
    (pixel,) = re.findall(rf'src="{base}(/o/[^"]+)"', html)
    return links, pixel


def path(made: Campaign, contact: Contact, number: int = 0, *, seconds: int = 3600) -> str:
    """Where a reader's program asks: for a link by its number, or for the pixel."""
    delivery = delivery_of(made, contact)
    hit = links.Hit(made.pk, delivery.pk, int(time.time()) + seconds)
    token = links.hit_token(hit)
    return f"/k/{token}/{number}/" if number else f"/o/{token}.gif"


def delivery_of(made: Campaign, contact: Contact) -> Delivery:
    return made.deliveries.get(contact=contact)
