"""Fetches a page and fills in its form as a browser without JavaScript would."""

import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from email.message import Message
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin

TIMEOUT_S = 30


@dataclass(slots=True)
class Answer:
    status: int
    headers: Message
    body: str


@dataclass(slots=True)
class Form:
    """The first form that posts: where to, its hidden fields, and its boxes with the words beside them."""

    action: str = ""
    hidden: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[tuple[str, str, str]] = field(default_factory=list)


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.form: Form | None = None
        self._is_open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and self.form is None and values.get("method", "").lower() == "post":
            self.form, self._is_open = Form(values.get("action", "")), True
        if not self._is_open or self.form is None or not values.get("name"):
            return
        if tag == "button" and values.get("value"):
            self.form.hidden.append((values["name"], values["value"]))
        if tag == "input" and values.get("type") == "hidden":
            self.form.hidden.append((values["name"], values.get("value", "")))
        if tag == "input" and values.get("type") == "checkbox":
            self.form.boxes.append((values["name"], values.get("value", "on"), ""))

    def handle_data(self, data: str) -> None:
        if self._is_open and self.form and self.form.boxes:
            name, value, words = self.form.boxes[-1]
            self.form.boxes[-1] = (name, value, f"{words} {data.strip()}".strip())

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._is_open = False


def read_form(page: str) -> Form:
    """Raises `ValueError` where the page has no form that posts."""
    reader = _FormReader()
    reader.feed(page)
    if reader.form is None:
        raise ValueError("The page has no form.")
    return reader.form


def get(url: str) -> Answer:
    return _open(urllib.request.Request(url))  # noqa: S310 - our own address


def post(url: str, fields: list[tuple[str, str]]) -> Answer:
    """POST as urlencoded; a redirect is an answer, not followed."""
    data = urlencode(fields).encode()
    return _open(urllib.request.Request(url, data=data, method="POST"))  # noqa: S310 - our own address


def submit(url: str, page: str, fields: list[tuple[str, str]], *, read_for_s: float = 0) -> Answer:
    """Send the page's form with these fields beside its hidden ones, after reading it for a while."""
    form = read_form(page)
    time.sleep(read_for_s)
    return post(urljoin(url, form.action or url), [*form.hidden, *fields])


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


def _open(request: urllib.request.Request) -> Answer:
    try:
        with _opener.open(request, timeout=TIMEOUT_S) as response:
            return Answer(
                response.status, response.headers, response.read().decode(errors="replace")
            )
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read().decode(errors="replace"))
