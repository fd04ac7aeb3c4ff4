"""The text of a status from the HTML that Mastodon makes of it."""

from html.parser import HTMLParser


def plain(html: str) -> str:
    """``html`` as its author may have typed it: links as their full address, mentions and tags as shown.

    Links are shortened on display, so their text is replaced by ``href``. White space is not kept faithfully.
    """
    parser = _Text()
    parser.feed(html)
    parser.close()
    return "".join(parser.parts)


class _Text(HTMLParser):
    """Collects text; inside a link that was replaced by its address it is silent."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._in_link = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("p", "br"):
            self.parts.append("\n")
        found = dict(attrs)
        classes = (found.get("class") or "").split()
        if tag == "a" and not {"mention", "hashtag"} & set(classes):
            self._in_link = True
            self.parts.append(found.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self._in_link = False
        elif tag == "p":
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._in_link:
            self.parts.append(data)
