"""The form of a message whose opens and clicks are counted: its links lead through us; a pixel is added.

What shows an address leads to that address, unmeasured: links whose words are their address, and the whole
text part. So do links that hold a personal value, and those that are no web addresses.
"""

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from campaigns.content.language import HIT
from campaigns.content.marks import Marks

LONGEST_URL = 2000
# What stands before `href` in a tag is read attribute by attribute, so that none of them passes for one.
_LINK = re.compile(
    r"""(<a(?:\s+(?!href\b)[\w:-]+(?:\s*=\s*(?:"[^"]*"|'[^']*'))?)*)\s+href\s*=\s*("[^"]*"|'[^']*')"""
    r"""((?:"[^"]*"|'[^']*'|[^>"'])*>)(.*?)(?=</a\s*>)""",
    re.IGNORECASE | re.DOTALL,
)
_TAGS = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class Measuring:
    """Where hits go (`base`, without a final slash), and the numbers of the destinations that are counted."""

    base: str
    numbers: Mapping[str, int]


def destinations(document: str, marks: Marks) -> tuple[str, ...]:
    """The addresses of all links that can be measured, each once, in their order."""
    found = (_destination(link, marks) for link in _links(document))
    return tuple(dict.fromkeys(url for url in found if url))


def lead_through(document: str, measuring: Measuring, marks: Marks) -> str:
    """The same with each link to a numbered destination leading through us."""
    token = _token(marks)

    def lead(link: re.Match[str]) -> str:
        number = measuring.numbers.get(_destination(link, marks))
        if number is None:
            return link.group()
        before, _, after, words = link.groups()
        # On a line of its own, so that several links in one line do not make it too long for 8bit.
        return f'{before}\nhref="{measuring.base}/k/{token}/{number}/"{after}{words}'

    return _LINK.sub(lead, document)


def add_pixel(document: str, measuring: Measuring, marks: Marks) -> str:
    """The whole document with a picture of one pixel at its end."""
    start, end, rest = document.rpartition("</body>")
    pixel = (
        f'<img src="{measuring.base}/o/{_token(marks)}.gif" width="1" height="1" alt=""'
        ' style="display:block;width:1px;height:1px;border:0">\n'
    )
    return f"{start}{pixel}{end}{rest}"


def _token(marks: Marks) -> str:
    return marks.add(f"{{{{ {HIT} }}}}").word


def _links(document: str) -> Iterator[re.Match[str]]:
    return _LINK.finditer(document)


def _destination(link: re.Match[str], marks: Marks) -> str:
    """The web address a link leads to, or nothing where it is left as it is."""
    url = html.unescape(link[2][1:-1]).strip()
    if re.search(marks.pattern, url) or len(url) > LONGEST_URL or not url.isprintable():
        return ""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not host or " " in url:
        return ""
    return "" if _shows_address(link[4], host) else url


def _shows_address(inner: str, host: str) -> bool:
    words = html.unescape(_TAGS.sub("", inner)).strip().lower()
    return not re.search(r"\s", words) and host.removeprefix("www.") in words
