"""What a reader would stumble over in a link or in words, as a sentence for whoever wrote them.

Nothing is fetched: no server learns of the draft.
"""

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

_STAND_INS = re.compile(
    r"(^|\.)(example\.(com|org|net)|localhost|your-?site\.\w+)$|\.(test|invalid)$"
)
_SHOWN_ADDRESS = re.compile(r"(?:https?://|www\.)[^\s/?#]+", re.IGNORECASE)
# As other programs write a field: Mailchimp, Sendinblue and many that take one pair of braces.
_FOREIGN_FIELD = re.compile(
    r"\*?\|[A-Z][\w:]*\|\*?|%%?[A-Z_]{3,}%%?|\[\[\s*\w+\s*\]\]|(?<!\{)\{\s*[a-z]\w*(?:\.\w+)?\s*\}(?!\})"
)
# As long as one could be: where nothing closes, each bracket is looked after no further than that.
_UNREAD_LINK = re.compile(r"!?\[[^\]\n]{0,300}\]\([^)\n]{0,300}\)")
_UNREAD_TAG = re.compile(r"</?[a-zA-Z][a-zA-Z0-9-]*(?:\s[^<>\n]*)?/?>")
_STAND_IN_WORDS = re.compile(r"lorem ipsum", re.IGNORECASE)


def in_link(url: str, words: str) -> str:
    """What is wrong with a link, or nothing."""
    nowhere = _("The link “%s” leads nowhere: write it with https:// and its host.") % url
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return nowhere
    if parts.scheme in {"mailto", "tel"}:
        return "" if _reaches_somebody(parts) else nowhere
    is_ours = f"{url}/".startswith(f"{settings.PUBLIC_URL}/")
    if parts.scheme not in {"http", "https"} or not (is_ours or _is_host(host)):
        return nowhere
    if re.search(r"\s", url):
        return _("The link “%s” holds a space: write %%20 for it.") % url
    if is_ours:
        return "" if words.strip() else _wordless(url)
    if _STAND_INS.search(host):
        return _("The link “%s” looks like a stand-in: write the real address.") % url
    if parts.scheme == "http":
        return _("The link “%s” is not encrypted: write https://.") % url
    if not words.strip():
        return _wordless(url)
    if (shown := _shown_host(words)) and not _are_of_one_house(shown, host):
        return _(
            "The words of a link show “%(shown)s”, but it leads to “%(host)s”: mail programs take that "
            "for fraud. Let both be the same."
        ) % {"shown": shown, "host": host}
    return ""


def _wordless(url: str) -> str:
    return _("The link to “%s” has no words: screen readers spell the address. Give it some.") % url


def _reaches_somebody(parts: SplitResult) -> bool:
    return bool(parts.path.strip()) and (parts.scheme == "tel" or "@" in parts.path)


def _is_host(host: str) -> bool:
    """A name with a point in it, an address, or this machine."""
    return host == "localhost" or ":" in host or bool(re.search(r"[^.]\.[^.]", host))


def _shown_host(words: str) -> str:
    """The host where the words of a link are an address themselves."""
    found = _SHOWN_ADDRESS.match(words.strip())
    if found is None or re.search(r"\s", words.strip()):
        return ""
    shown = re.sub(r"^https?://", "", found.group().lower()).partition(":")[0].rstrip(".,;)")
    try:
        return shown.encode("idna").decode()
    except UnicodeError:
        return ""


def _are_of_one_house(one: str, other: str) -> bool:
    one, other = one.removeprefix("www."), other.removeprefix("www.")
    return one == other or one.endswith(f".{other}") or other.endswith(f".{one}")


def in_words(words: str, *, is_markdown: bool) -> Iterator[str]:
    """What was meant as a field, a link or markup, and is shown as it stands."""
    for found in _each(_FOREIGN_FIELD, words):
        yield _("“%s” is shown as it stands here: put the field there by “Insert a field”.") % found
    for found in _each(_STAND_IN_WORDS, words):
        yield _("“%s” is a stand-in: write the real words.") % found
    if not is_markdown:
        return
    for found in _each(_UNREAD_LINK, words):
        yield (
            _(
                "“%s” is shown as it stands here: a link is written [words](https://…), without spaces in "
                "its address."
            )
            % found
        )
    for found in _each(_UNREAD_TAG, words):
        yield _("“%s” is shown as it stands here: Markdown takes no HTML.") % found


def _each(pattern: re.Pattern[str], words: str) -> Iterator[str]:
    """Each once, the first few: one slip repeated is one line to read."""
    yield from list(dict.fromkeys(found.group()[:80] for found in pattern.finditer(words)))[:5]
