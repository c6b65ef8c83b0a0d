"""Newsletter messages: the MIME skeleton encoded once per campaign, spliced per person.

The same letter can also be built as a Django message, for transports that take nothing else; both
are the same message in structure, headers and bodies (a test holds it).
"""

import secrets
from base64 import b64encode
from binascii import b2a_qp
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.utils import format_datetime
from functools import lru_cache
from typing import Literal, NamedTuple

from django.core.mail import EmailMultiAlternatives

from campaigns.content import Compiled, Pieces, Values, clean

Encoding = Literal["8bit", "quoted-printable"]
LONGEST_LINE = 998
_LEAST_ROOM = 200
_SOFT_BREAK = b"=\r\n"
_DOT = b".\r\n"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a campaign comes from, as its headers say.

    `list_id` is `<topic key>.<domain>` (RFC 2919); `feedback_id` is the campaign's own
    identifier in the form the large mailbox providers report on (`campaign:topic:kind:sender`).
    """

    name: str
    address: str
    list_id: str
    list_name: str = ""
    reply_to: str = ""
    feedback_id: str = ""


class Letter(NamedTuple):
    """One person's message, not yet encoded. `message_id` is in angle brackets, `date` is aware."""

    skeleton: "Skeleton"
    address: str
    name: str
    message_id: str
    date: datetime
    unsubscribe_url: str
    subject: str
    text: Sequence[str]
    html: Sequence[str]

    @property
    def needs_utf8(self) -> bool:
        """Whether the address itself needs SMTPUTF8 (RFC 6531)."""
        return not self.address.rpartition("@")[0].isascii()

    def as_bytes(self, *, eight_bit: bool) -> bytes:
        """The message with CRLF line ends, not dot-stuffed.

        Without `eight_bit`, or with a line over 998 bytes, its parts are quoted-printable.
        """
        return self.skeleton.splice(self, eight_bit=eight_bit)

    def for_smtp(self, *, eight_bit: bool) -> bytes:
        """The same, dot-stuffed and ended by a line with a dot (RFC 5321 §4.5.2)."""
        return self.skeleton.splice(self, eight_bit=eight_bit, is_dotted=True)

    def __repr__(self) -> str:
        return f"letter {self.message_id}"

    def as_email(self) -> EmailMultiAlternatives:
        """The same message for a Django email backend."""
        skeleton = self.skeleton
        email = EmailMultiAlternatives(
            subject=self.subject,
            body=skeleton.compiled.text.join(self.text),
            from_email=_spelled(skeleton.origin.name, skeleton.origin.address),
            to=[_spelled(self.name, self.address)],
            reply_to=[skeleton.origin.reply_to] if skeleton.origin.reply_to else None,
            headers={
                "Date": _date(self.date),
                "Message-ID": self.message_id,
                "List-Unsubscribe": f"<{self.unsubscribe_url}>",
                **{name: value.replace("\r\n", "") for name, value in skeleton.headers.items()},
            },
        )
        email.attach_alternative(skeleton.compiled.html.join(self.html), "text/html")
        return email


class Skeleton:
    """All that is the same for everybody in one campaign, language and sender, encoded once."""

    def __init__(self, compiled: Compiled, origin: Origin) -> None:
        self.compiled = compiled
        self.origin = origin
        self.headers = _constant_headers(compiled, origin)
        self._boundary = f"=_{secrets.token_hex(16)}"
        self._head = self._encode_head()
        self._forms = {
            encoding: _Form(compiled, self._boundary, encoding) for encoding in _ENCODINGS
        }

    def address(
        self, address: str, *, values: Values, message_id: str, date: datetime, name: str = ""
    ) -> Letter:
        """The letter to one person; `values` as for `Compiled.render`.

        Raises:
            RenderingFailed: this person's values break a limit or a filter.
            ValueError: the address, the message id or the unsubscribe link cannot stand in a header.
        """
        unsubscribe_url = str(values["unsubscribe_url"])
        for value in (address, message_id, unsubscribe_url):
            if not value.isprintable() or " " in value:
                raise ValueError("a header value holds a space or a control character")
        if not unsubscribe_url.isascii() or ">" in unsubscribe_url:
            raise ValueError("the unsubscribe link is not a URL in ASCII")
        return Letter(
            skeleton=self,
            address=address,
            name=name,
            message_id=message_id,
            date=date,
            unsubscribe_url=unsubscribe_url,
            subject=self.compiled.render_subject(values),
            text=self.compiled.text.fill(values),
            html=self.compiled.html.fill(values),
        )

    def splice(self, letter: Letter, *, eight_bit: bool, is_dotted: bool = False) -> bytes:
        """The bytes of `letter`; see `Letter.as_bytes` and `Letter.for_smtp`."""
        head = (
            f"Subject: {encode_words(letter.subject, used=9)}\r\n"
            f"To: {mailbox(letter.name, letter.address)}\r\n"
            f"Date: {_date(letter.date)}\r\n"
            f"Message-ID: {letter.message_id}\r\n"
            f"List-Unsubscribe: <{letter.unsubscribe_url}>\r\n"
        ).encode()
        form = self._forms["8bit"]
        body = form.fill(letter.text, letter.html) if eight_bit and form.fits else None
        if body is None:
            form = self._forms["quoted-printable"]
            body = form.fill(letter.text, letter.html) or []
        if not is_dotted:
            return b"".join([head, self._head, *body])
        if form.may_have_dots(body):
            whole = b"".join([head, self._head, *body])
            return whole.replace(b"\r\n.", b"\r\n..") + _DOT
        return b"".join([head, self._head, *body, _DOT])

    def _encode_head(self) -> bytes:
        origin = self.origin
        lines = [f"From: {mailbox(origin.name, origin.address)}"]
        if origin.reply_to:
            lines.append(f"Reply-To: {mailbox('', origin.reply_to)}")
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines.append("MIME-Version: 1.0")
        lines.append(f'Content-Type: multipart/alternative; boundary="{self._boundary}"')
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


_ENCODINGS: tuple[Encoding, ...] = ("8bit", "quoted-printable")


class _Form:
    """Both parts in one transfer encoding: constant bytes with holes between them."""

    def __init__(self, compiled: Compiled, boundary: str, encoding: Encoding) -> None:
        self._quoted = encoding == "quoted-printable"
        text, html = compiled.text, compiled.html
        room = min(_room(text), _room(html))
        self.fits = room >= _LEAST_ROOM
        self._room = room
        pieces = [
            _part_head(boundary, "plain", encoding),
            *self._constants(text),
            b"\r\n" + _part_head(boundary, "html", encoding),
            *self._constants(html),
            f"\r\n--{boundary}--\r\n".encode(),
        ]
        # Constants touch where a part begins and ends; merged, they alternate with holes.
        end = 1 + len(text.constants)
        self._pieces: list[bytes] = [b"".join(pieces[:2]), *pieces[2 : end - 1]]
        if text.holes:
            self._pieces += [b"".join([pieces[end - 1], *pieces[end : end + 2]])]
        else:
            self._pieces = [b"".join(pieces[: end + 2])]
        self._pieces += pieces[end + 2 : -1]
        self._pieces[-1] += pieces[-1]
        self._has_dots = any(b"\n." in piece or piece[:1] == b"." for piece in self._pieces)

    def _constants(self, pieces: Pieces) -> list[bytes]:
        if not self._quoted:
            return [_crlf(constant) for constant in pieces.constants]
        encoded = [_quote(constant) for constant in pieces.constants]
        return [piece + _SOFT_BREAK for piece in encoded[:-1]] + encoded[-1:]

    def fill(self, text: Sequence[str], html: Sequence[str]) -> list[bytes] | None:
        """The pieces of the body for one person, or None when a line would be too long."""
        whole: list[bytes] = [b""] * (2 * len(self._pieces) - 1)
        whole[::2] = self._pieces
        if self._quoted:
            whole[1::2] = [_quote(value) + _SOFT_BREAK for value in (*text, *html)]
            return whole
        holes = [value.encode() for value in (*text, *html)]
        if b"\n" in b"".join(holes):
            holes = [hole.replace(b"\n", b"\r\n") for hole in holes]
        room = self._room
        for hole in holes:
            if len(hole) > room and max(map(len, hole.split(b"\r\n"))) > room:
                return None
        whole[1::2] = holes
        return whole

    def may_have_dots(self, filled: Sequence[bytes]) -> bool:
        """Whether a line of what was filled could start with a dot.

        Looking through the whole message would cost more than splicing it.
        """
        return self._has_dots or any(b"\n." in hole or hole[:1] == b"." for hole in filled[1::2])


def _room(pieces: Pieces) -> int:
    """How many bytes each hole may take at most, so that no line passes 998 bytes."""
    least, line, holes = LONGEST_LINE, 0, 0
    for index, constant in enumerate(pieces.constants):
        holes += index > 0
        lines = constant.encode().split(b"\n")
        for place, part in enumerate(lines):
            if place:
                line, holes = 0, 0
            line += len(part)
            least = min(least, (LONGEST_LINE - line) // max(holes, 1))
    return least


def _part_head(boundary: str, subtype: str, encoding: Encoding) -> bytes:
    return (
        f"--{boundary}\r\n"
        f'Content-Type: text/{subtype}; charset="utf-8"\r\n'
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    ).encode()


def _crlf(text: str) -> bytes:
    encoded = text.encode()
    return encoded.replace(b"\n", b"\r\n") if b"\n" in encoded else encoded


def _quote(text: str) -> bytes:
    """Quoted-printable of a piece that starts a line (RFC 2045 §6.7)."""
    if len(text) < 70 and text.isascii() and text.isprintable() and "=" not in text:
        return text.encode()
    encoded = b2a_qp(text.encode(), istext=True, quotetabs=False)
    return encoded.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _constant_headers(compiled: Compiled, origin: Origin) -> dict[str, str]:
    list_name = encode_words(clean.header(origin.list_name), used=9)
    headers = {
        "List-Id": f"{list_name} <{origin.list_id}>".strip(),
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Precedence": "bulk",
        "Content-Language": compiled.language,
    }
    if origin.feedback_id:
        headers["Feedback-ID"] = origin.feedback_id
    return headers


@lru_cache(maxsize=64)
def _date(date: datetime) -> str:
    return format_datetime(date.replace(microsecond=0))


def mailbox(name: str, address: str) -> str:
    """A mailbox in RFC 5322 §3.4 form: the name as encoded words, the domain in ASCII (IDNA)."""
    local, _, domain = address.rpartition("@")
    if not domain.isascii():
        domain = domain.encode("idna").decode()
    if not (local.isascii() and local.replace(".", "").replace("-", "").isalnum()):
        local = Address(username=local, domain="x").addr_spec.removesuffix("@x")
    name = clean.header(name)
    if name and (not name.isascii() or len(name) > 60):
        return f"{encode_words(name, used=6)} <{local}@{domain}>"
    return _spelled(name, f"{local}@{domain}")


def _spelled(name: str, address: str) -> str:
    name = clean.header(name)
    if not name:
        return address
    quoted = name.replace("\\", r"\\").replace('"', r"\"")
    return f'"{quoted}" <{address}>'


def encode_words(text: str, *, used: int) -> str:
    """Header text, folded; as encoded words (RFC 2047) where it is not short plain ASCII.

    `used` is how many columns of the first line the header's name takes.
    """
    if text.isascii() and len(text) + used <= 78:
        return text
    words: list[str] = []
    chunk, room = b"", (75 - 12 - used) // 4 * 3
    for character in text:
        encoded = character.encode()
        if len(chunk) + len(encoded) > room:
            words.append(b64encode(chunk).decode())
            chunk, room = b"", 45
        chunk += encoded
    words.append(b64encode(chunk).decode())
    return "\r\n ".join(f"=?utf-8?b?{word}?=" for word in words)
