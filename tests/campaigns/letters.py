"""Content, skeletons and envelopes with everything filled in."""

from datetime import UTC, datetime

from campaigns import content
from campaigns.mime import Letter, Origin, Skeleton
from campaigns.transports import Envelope

FIELDS = frozenset({"first_name", "last_name", "city", "interests"})
IDENTITY = content.PostalIdentity(
    legal_name="Acmé SA", postal_address="1 rue Haute\n69001 Lyon", topic="Product news"
)
ORIGIN = Origin(
    name="Acmé News",
    address="news@acme.example",
    reply_to="desk@acme.example",
    list_id="product-news.acme.example",
    list_name="Product news",
    feedback_id="7:product-news:newsletter:2",
)
LINKS = {
    "unsubscribe_url": "https://news.acme.example/u/abc=/?a=1&b=2",
    "manage_url": "https://news.acme.example/m/abc/",
    "view_url": "https://news.acme.example/v/abc/",
}
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def compiled(body: str = "Hello {{ first_name }}!", **source: str) -> content.Compiled:
    given = {"subject": "News", **source, "body": body}
    return content.compile_source(
        content.Source(**given),
        identity=IDENTITY,
        fields=FIELDS,
    )


def letter(
    made: content.Compiled, *, address: str = "ada@example.org", name: str = "Ada", **values: str
) -> Letter:
    return Skeleton(made, ORIGIN).address(
        address,
        name=name,
        values={"first_name": "Ada", **LINKS, **values},
        message_id="<7.1.abc@acme.example>",
        date=NOW,
    )


def envelopes(*recipients: str, body: str = "Hello {{ first_name }}!") -> list[Envelope]:
    skeleton = Skeleton(compiled(body), ORIGIN)
    return [
        Envelope(
            sender="bounces@acme.example",
            recipient=recipient,
            letter=skeleton.address(
                recipient,
                values={"first_name": "Ada", **LINKS},
                message_id=f"<{index}.1.abc@acme.example>",
                date=NOW,
            ),
        )
        for index, recipient in enumerate(recipients)
    ]
