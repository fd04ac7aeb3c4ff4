"""The servers that speak Mastodon's API here: their handlers are the same, their facts are not."""

from dataclasses import dataclass

from platforms.sandbox.context import Call


@dataclass(frozen=True, slots=True)
class Server:
    """What one server is like. ``api_version``: only the genuine one counts versions of its API.

    ``version``: servers that only speak the API name the release they are like, and then themselves. ``knows_keys``: whether an
    Idempotency-Key is taken notice of. ``max_characters`` is the limit of a text, ``address`` what the *Connect* panel calls it.
    """

    name: str
    label: str
    address: str
    domain: str
    version: str
    api_version: int | None = None
    knows_keys: bool = True
    featured: bool = True
    max_characters: int = 500


MASTODON = Server("mastodon", "Mastodon", "Mastodon server", "sandbox.test", "4.5.0", api_version=7)
KEYLESS = Server(
    "keyless",
    "A Mastodon without keys",
    "One without keys",
    "keyless.test",
    "2.7.2 (compatible; Belltower 1.0)",
    knows_keys=False,
    featured=False,
)


def server(request: Call) -> Server:
    """Which of them was asked."""
    found: Server = request.scope["state"]["network"].server
    return found
