"""Whether the words of a status are the ones we sent: yes, no, or nobody can tell.

A server may keep what was typed, change it, or only show what it made of it: Markdown becomes HTML, emoji become pictures,
addresses become links, tags are added. ``MAYBE`` is for what such a change could explain.
"""

import unicodedata
from enum import Enum, IntEnum

import regex

from platforms.mastodon.html import MOST
from platforms.mastodon.text import without_hosts


class Verdict(IntEnum):
    """On a status: not ours, undecidable, ours."""

    NO = 0
    MAYBE = 1
    YES = 2


class Kept(Enum):
    """How near to the typed words an answer is: ``TYPED`` on Mastodon; ``SOURCE`` on other servers; ``SHOWN``: from HTML."""

    TYPED = "typed"
    SOURCE = "source"
    SHOWN = "shown"


SHINGLE = 4
"""Letters that are compared together: two texts of one language share few such groups, one text and its changed form most."""
_ACCENTS = regex.compile(r"(\p{M}{8})\p{M}++")
"""More marks on a letter than any language has; putting them in order takes the square of their number (UAX #15)."""
_SHORTCODE = regex.compile(r":[a-z0-9_]{2,64}:", regex.IGNORECASE)
_SIGNS = regex.compile(r"[^\p{L}\p{N}]++")


def compare(ours: str, theirs: str, kept: Kept) -> Verdict:
    """``ours`` and ``theirs`` hold the warning and the text as one, for a server turns a warning without a text into the text."""
    if max(len(ours), len(theirs)) > MOST:
        return Verdict.MAYBE
    if _words(ours) == _words(theirs):
        return Verdict.YES
    if kept is Kept.TYPED:
        return Verdict.NO
    bare_ours, bare_theirs = _bare(ours), _bare(theirs)
    similar = _contained(bare_ours, bare_theirs) or (kept is Kept.SHOWN and _alike(bare_ours, bare_theirs))
    return Verdict.MAYBE if similar else Verdict.NO


def _words(text: str) -> str:
    """White space is the server's to trim, and the hosts of mentions are not shown."""
    return " ".join(without_hosts(unicodedata.normalize("NFC", _ACCENTS.sub(r"\1", text))).split())


def _bare(text: str) -> str:
    """Letters and digits only: what no markup, no typography and no picture of an emoji changes."""
    folded = unicodedata.normalize("NFKC", _ACCENTS.sub(r"\1", _SHORTCODE.sub("", text))).casefold()
    return _SIGNS.sub("", folded)


def _contained(ours: str, theirs: str) -> bool:
    """Equal, or one with something added. No letters at all (nothing but emoji) can be anything."""
    return ours in theirs or theirs in ours


def _alike(ours: str, theirs: str) -> bool:
    """Whether half of the shorter is in the longer: far more than chance, and less than any change of form leaves."""
    first, second = _shingles(ours), _shingles(theirs)
    return not first or not second or 2 * len(first & second) >= min(len(first), len(second))


def _shingles(text: str) -> set[str]:
    return {text[start : start + SHINGLE] for start in range(len(text) - SHINGLE + 1)}
