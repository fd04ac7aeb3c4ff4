"""The networks that posts are published to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from platforms.sandbox.values import DOMAIN, PASSWORD

BLUESKY = "bluesky"
MASTODON = "mastodon"
KEYLESS = "mastodon-like, no keys"
"""A server that speaks Mastodon's API, says that it is none, and ignores idempotency keys: nothing but the fence and the asking
keeps a repetition out there."""
FOUNDRY = "foundry"
"""A network that casts a post first and publishes it then, perhaps late, refused or without an id (:mod:`tests.twin`). It has no
keys; that a container was published it tells, and would publish it again."""

Answers = Callable[[str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Network:
    """``platform``: the adapter that speaks to it. ``server``: the sandbox's name for it, which is its path there as well.

    ``upload``, ``look`` and ``publish``: words by which a request is recognised that prepares a post, that asks what became of
    what was prepared, and that makes it visible; ``film``: that uploads one. ``answers``: the connect form's, for a user with
    that handle. ``consents``: behind the form lies the network's own page. ``renews``: tokens that have run out are renewed
    without a person. ``quirks``: what its server is like in every run.
    """

    platform: str
    server: str
    upload: str
    publish: str
    answers: Answers
    look: str = ""
    film: str = ""
    consents: bool = False
    renews: bool = False
    quirks: tuple[str, ...] = ()


def _handle(handle: str) -> Mapping[str, str]:
    return {"handle": handle + DOMAIN, "password": PASSWORD}


def _name(handle: str) -> Mapping[str, str]:
    return {"name": handle, "password": PASSWORD}


KNOWN: Mapping[str, Network] = {
    BLUESKY: Network(
        "bluesky",
        "bluesky",
        "com.atproto.repo.uploadBlob",
        "com.atproto.repo.putRecord",
        _handle,
        film="app.bsky.video.uploadVideo",
        renews=True,
    ),
    MASTODON: Network(
        "mastodon",
        "mastodon",
        "/api/v2/media",
        "POST /mastodon/api/v1/statuses",
        _handle,
        film="/api/v2/media",
        consents=True,
    ),
    KEYLESS: Network("mastodon", "keyless", "/api/v2/media", "POST /keyless/api/v1/statuses", _handle, consents=True),
    FOUNDRY: Network(
        "foundry",
        "foundry",
        "POST /foundry/v1/containers",
        "POST /foundry/v1/publish",
        _name,
        look="GET /foundry/v1/containers/",
        quirks=("repeats",),
    ),
}
NETWORKS = tuple(KNOWN)
