"""Whether a server runs Mastodon itself: what other software makes of the same API is not known, so nothing is built on it.

Mastodon and its near forks announce a bare version. Software that only speaks its API says so behind a plain number
(``2.7.2 (compatible; Pleroma 2.4.0)``, ``3.5.3+0.17.0-git-abcdef`` for GoToSocial), or names itself.
"""

import re
from collections.abc import Mapping
from typing import Any

_VERSION = re.compile(
    r"v?(?P<major>[0-9]{1,3})\.[0-9]{1,3}\.[0-9]{1,3}(-?(alpha|beta|rc|nightly)[.0-9a-z-]*)?(\+(glitch|hometown|pr-)[.0-9a-z-]*)?",
    re.ASCII,
)
FIRST = 2
"""The major version since which the key and the author's whole list are certain; 2.0 is of 2017."""


def is_mastodon(limits: Mapping[str, Any]) -> bool:
    """Whether the stored ``version`` is one that Mastodon, glitch-soc or Hometown announces; they share what matters here.

    That is: ``Idempotency-Key`` is remembered for an hour (PostStatusService), an author sees all of their own statuses in
    their list (AccountStatusesFilter), and ``/source`` answers with what was typed.
    """
    version = limits.get("version")
    found = _VERSION.fullmatch(version) if isinstance(version, str) else None
    return found is not None and int(found["major"]) >= FIRST
