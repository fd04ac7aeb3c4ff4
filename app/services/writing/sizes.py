"""How much a draft may hold at all: far more than any network takes, and little enough to look at while somebody types.

What is larger is refused before an adapter sees it: counting 100,000 characters twenty times over takes a while.
"""

from collections.abc import Iterable

from app.services.media.files import MAX_ALT

MAX_TEXT = 20_000
"""Characters of one text. The longest post that a network takes has 25,000 on paper (X Premium) and 11,000 in practice."""

MAX_OPTION = 2_000
"""Characters of one choice or warning."""

MAX_ACCOUNTS = 100
"""Of one post."""

MAX_MEDIA = 40
"""Files of one post; the most that a network shows is 35."""


def oversized(
    *, texts: Iterable[str], alts: Iterable[str] = (), values: Iterable[str] = (), accounts: int = 0, media: int = 0
) -> dict[str, str]:
    """What is too much, as sentences by field; empty if nothing is."""
    found = {}
    if any(len(text) > MAX_TEXT for text in texts):
        found["text"] = f"This text has more than {MAX_TEXT:,} characters, and no network takes so many. Make it shorter."
    if any(len(alt) > MAX_ALT for alt in alts):
        found["media"] = f"A description has more than {MAX_ALT:,} characters. Make it shorter."
    if media > MAX_MEDIA:
        found["media"] = f"Attach at most {MAX_MEDIA} images."
    if any(len(value) > MAX_OPTION for value in values):
        found["options"] = f"One of the options has more than {MAX_OPTION:,} characters. Make it shorter."
    if accounts > MAX_ACCOUNTS:
        found["accounts"] = f"Choose at most {MAX_ACCOUNTS} accounts for one post."
    return found
