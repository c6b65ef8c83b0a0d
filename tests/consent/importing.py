"""Files of people, and what an import made of them."""

from consent import gate, imports, ledger, services
from consent.models import Kind, Method
from contacts import services as contacts
from contacts.models import Channel
from tests import make

WORDS = "Yes, send me product news by email."
HEADER = "email,phone,status,topic,channel,consent date,source,wording,unsubscribed at"
YES = "{email},,subscribed,product-news,email,2025-01-02,Sign-up form,Yes please,"
NO = "{email},,unsubscribed,product-news,email,,,,"


def brought_in(path, **declared):
    return imports.run(imports.start(path=path, **declared))


def reason(email, topic, channel=Channel.EMAIL):
    contact = contacts.find_contact(channel=Channel.EMAIL, address=email)
    return gate.explain(contact=contact, topic=topic, channel=channel).reason


def refusals(batch):
    return {row.line: str(row.reason) for row in batch.refused_rows.all()}


def withdraws(contact, topic):
    make.granted(contact, topic)
    make.withdrawn(contact, topic)


def objects(contact, _topic):
    services.object_to_everything(contact=contact, method=Method.STOP_PAGE)


def refuses(contact, topic):
    ledger.record(
        contact=contact,
        topic=topic,
        channel=Channel.EMAIL,
        kind=Kind.REFUSED,
        method=Method.PREFERENCES,
        actor=ledger.SUBJECT,
    )
