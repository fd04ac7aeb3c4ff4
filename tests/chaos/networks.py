"""The networks that posts are published to."""

BLUESKY = "bluesky"
MASTODON = "mastodon"
KEYLESS = "mastodon-like, no keys"
"""A server that speaks Mastodon's API, says that it is none, and ignores idempotency keys: nothing but the fence and the asking
keeps a repetition out there."""
NETWORKS = (BLUESKY, MASTODON, KEYLESS)


def platform_of(network: str) -> str:
    """The adapter that speaks to ``network``."""
    return MASTODON if network == KEYLESS else network


def server_of(network: str) -> str:
    """The sandbox's name for it, which is its path there as well."""
    return "keyless" if network == KEYLESS else network
