"""The one list of emulated networks."""

from platforms.sandbox.base import Network
from platforms.sandbox.bluesky.network import Bluesky
from platforms.sandbox.foundry.network import Foundry
from platforms.sandbox.mastodon.network import Mastodon
from platforms.sandbox.mastodon.server import KEYLESS, MASTODON

_SERVED: tuple[Network, ...] = (Bluesky(), Mastodon(MASTODON), Mastodon(KEYLESS), Foundry())

NETWORKS = {network.name: network for network in _SERVED}
"""By name, in the order people see them."""
