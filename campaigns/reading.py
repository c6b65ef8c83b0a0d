"""What a reader of an HTML message meets: its links, its images, its words, and what is fetched for it."""

import re
from html.parser import HTMLParser

from campaigns.shown import Look

_UNSEEN = {"style", "script", "title"}
_VERBATIM = frozenset({"pre", "code"})
# Elements without an end: nothing stands inside them.
_VOID = frozenset("area base br col embed hr img input link meta source track wbr".split())
_FETCHED = re.compile(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""", re.IGNORECASE)


class Reading(HTMLParser):
    """Links and images with their words in the order of the message, the text that is seen, the styles.

    `prose` is the seen text without code; `fetched` are addresses that styles and backgrounds load.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[tuple[str, str]] = []
        self.shown_links: list[tuple[str, str]] = []
        self.images: list[tuple[str, str]] = []
        self.fetched: list[str] = []
        self.text = self.prose = self.styles = ""
        self.footer = Look()
        self._unseen = ""
        self._around: list[tuple[str, Look]] = []
        self._open: tuple[str, list[str], list[str]] | None = None
        self.feed(html)
        self.close()

    @property
    def _look(self) -> Look:
        return self._around[-1][1] if self._around else Look()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in _UNSEEN:
            self._unseen = tag
        style = given.get("style", "")
        look = self._look.under(f"background:{given.get('bgcolor', 'none')};{style}")
        if tag not in _VOID:
            self._around.append((tag, look))
        if "footer" in given.get("class", "").split():
            self.footer = look
        self._note_fetched(style)
        if given.get("background"):
            self.fetched.append(given["background"])
        self.fetched += [
            each.split()[0] for each in given.get("srcset", "").split(",") if each.strip()
        ]
        if tag == "a":
            self._open = (given.get("href", ""), [], [])
        elif tag == "img":
            self.images.append((given.get("src", ""), given.get("alt", "")))
            self._say_in_link(given.get("alt", ""), look)

    def handle_endtag(self, tag: str) -> None:
        if tag == self._unseen:
            self._unseen = ""
        if any(tag == each for each, _look in self._around):
            while self._around.pop()[0] != tag:
                pass
        if tag == "a" and self._open:
            url, words, shown = self._open
            self.links.append((url, "".join(words)))
            self.shown_links.append((url, "".join(shown)))
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._unseen == "style":
            self.styles += data
            self._note_fetched(data)
        elif not self._unseen and self._look.is_seen:
            self.text += data
            if not any(tag in _VERBATIM for tag, _look in self._around):
                self.prose += data
        self._say_in_link(data, self._look)

    def _note_fetched(self, style: str) -> None:
        self.fetched += [url or named for url, named in _FETCHED.findall(style)]

    def _say_in_link(self, words: str, look: Look) -> None:
        if self._open:
            self._open[1].append(words)
            if look.is_seen:
                self._open[2].append(words)
