"""Both ways to make a message give the same one."""

import email
import email.policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns import content
from campaigns.mime import Origin, Skeleton
from tests.campaigns.letters import FIELDS, IDENTITY, LINKS, NOW, ORIGIN, compiled, letter

BODIES = (
    "Hello {{ first_name }}\n\n.dot\n\n{{ contact.city }}",
    "# Été\n\n{{ contact.city }}{{ contact.city }}\n\n.{{ first_name }}",
    "plain, no hole",
    "{% if contact.city == 'x' %}\n## A\n{% else %}\n.b\n{% endif %}\n\n```\n{{ contact.city }}\n.\n..\n```",
    "x" * 1500 + " {{ first_name }}",
)
_values = st.text(max_size=40) | st.sampled_from(
    [
        "",
        ".",
        "\n.",
        "\r",
        "a\r\n.\r\nb",
        "=",
        "a" * 900,
        "é" * 600,
        " x ",
        "From me",
        "\t",
        "x =\n",
    ]
)


ENCODING = {"content-type", "content-transfer-encoding", "mime-version"}
MAILBOXES = {"from", "to", "reply-to"}


def parsed(octets: bytes) -> EmailMessage:
    return email.message_from_bytes(octets, policy=email.policy.default)


def essence(octets: bytes) -> object:
    """Structure, headers and decoded bodies; transfer encodings, folds and the boundary may differ."""
    message, raw = parsed(octets), email.message_from_bytes(octets)
    headers = sorted(
        (name.lower(), str(value).strip())
        for name, value in message.items()
        if name.lower() not in ENCODING | MAILBOXES
    )
    return headers, [people(raw[name]) for name in sorted(MAILBOXES)], structure(message)


def people(value: str) -> list[tuple[str, str]]:
    """Names and addresses. CPython's own parser puts spaces between encoded words of a name."""
    return [
        (str(make_header(decode_header(shown))), address)
        for shown, address in getaddresses([value])
    ]


def structure(message: EmailMessage) -> object:
    if message.is_multipart():
        return message.get_content_type(), [structure(part) for part in message.iter_parts()]
    body = message.get_content().replace("\r\n", "\n").rstrip("\n")
    return message.get_content_type(), message.get_content_charset(), body


@given(
    body=st.sampled_from(BODIES),
    first_name=_values,
    city=_values,
    eight_bit=st.booleans(),
)
def test_it_doubles_each_dot_that_starts_a_line_and_ends_with_one(
    body, first_name, city, eight_bit
):
    one = letter(compiled(body), first_name=first_name, city=city)
    plain = one.as_bytes(eight_bit=eight_bit)
    assert one.for_smtp(eight_bit=eight_bit) == plain.replace(b"\r\n.", b"\r\n..") + b".\r\n"
    assert plain.endswith(b"\r\n")
    assert not plain.startswith(b".")


@given(
    body=st.sampled_from(BODIES),
    subject=st.sampled_from(["News", "Für {{ first_name }}", "{{ contact.city }}", "n " * 60]),
    language=st.sampled_from(["en", "fr", "ar", "zh-hans"]),
    name=st.text(max_size=40)
    | st.sampled_from(['A "B" \\ C', "Zoë", "a, b <c@d>", "=?utf-8?q?x?="]),
    first_name=_values,
    city=_values,
    sender=st.sampled_from(["Acme", "Acmé, Ltd.", ""]),
)
def test_it_gives_the_same_message_both_ways(
    body, subject, language, name, first_name, city, sender
):
    made = compiled(body, subject=subject, language=language)
    origin = Origin(
        sender, "news@acme.example", "news.acme.example", "Nëws", "r@acme.example", "1:2"
    )
    one = Skeleton(made, origin).address(
        "ada.l@exämple.org",
        name=name,
        values={"first_name": first_name, "city": city, **LINKS},
        message_id="<1@acme.example>",
        date=NOW,
    )
    generic = essence(one.as_email().message().as_bytes())
    for eight_bit in (True, False):
        octets = one.as_bytes(eight_bit=eight_bit)
        assert essence(octets) == generic
        lines = octets.split(b"\r\n")
        assert max(map(len, lines)) <= 998
        assert not any(b"\n" in line or b"\r" in line for line in lines)
        assert eight_bit or octets.isascii()


def test_it_carries_exactly_one_of_each_list_header():
    message = parsed(letter(compiled()).as_bytes(eight_bit=True))
    assert message.get_all("List-Unsubscribe") == [f"<{LINKS['unsubscribe_url']}>"]
    assert message.get_all("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
    assert message.get_all("List-Id") == ["Product news <product-news.acme.example>"]
    assert message.get_all("Message-ID") == ["<7.1.abc@acme.example>"]
    assert message["Feedback-ID"] == "7:product-news:newsletter:2"
    assert message["Precedence"] == "bulk"
    assert message["Auto-Submitted"] is None
    assert message["Date"].datetime == NOW


def test_it_stays_8bit_when_lines_are_short_and_quotes_when_one_is_long():
    made = compiled("Hi {{ contact.city }} é")
    assert b"Encoding: 8bit" in letter(made, city="Lyon").as_bytes(eight_bit=True)
    assert b"Encoding: 8bit" in letter(made, city="x" * 300).as_bytes(eight_bit=True)
    assert b"Encoding: quoted-printable" in letter(made, city="x" * 990).as_bytes(eight_bit=True)
    assert b"Encoding: quoted-printable" in letter(made, city="Lyon").as_bytes(eight_bit=False)


def test_it_breaks_long_paragraphs_so_that_they_stay_8bit():
    made = compiled("word " * 1_000 + "{{ contact.city }}")
    assert b"Encoding: 8bit" in letter(made).as_bytes(eight_bit=True)


@pytest.mark.parametrize("field", ["address", "message_id", "unsubscribe_url"])
@pytest.mark.parametrize("value", ["a\r\nBcc: x@y", "a b"])
def test_it_refuses_values_that_would_break_the_header(field, value):
    given = {"address": "a@b.example", "message_id": "<1@a>", **LINKS, field: value}
    with pytest.raises(ValueError, match="header"):
        Skeleton(compiled(), ORIGIN).address(
            given["address"],
            values={name: given[name] for name in LINKS},
            message_id=given["message_id"],
            date=NOW,
        )


def test_it_makes_content_without_holes_whole():
    made = content.compile_source(
        content.Source(subject="s", body="only words"), identity=IDENTITY, fields=FIELDS
    )
    text, html = parsed(letter(made).as_bytes(eight_bit=True)).iter_parts()
    assert text.get_content().startswith("only words")
    assert html.get_content().rstrip().endswith("</html>")
