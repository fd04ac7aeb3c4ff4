"""Adapters: one folder per network, nothing but HTTP and values. ``REGISTRY`` is the one list of them."""

from platforms.base import Adapter
from platforms.bluesky.adapter import Bluesky
from platforms.mastodon.adapter import Mastodon

REGISTRY: dict[str, Adapter] = {"bluesky": Bluesky(), "mastodon": Mastodon()}
"""Every network Carillon can publish to, by its key, in the order people see them."""
