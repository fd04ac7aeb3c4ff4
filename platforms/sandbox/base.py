"""The contract between the house and an emulated network.

A network is a folder beside this file and one line in :mod:`platforms.sandbox.networks`. The house keeps what was accepted, plays
the faults, answers the judge and draws the pages; whatever differs between networks is in the one object described here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import httpx
from litestar.types import ControllerRouterHandler

from platforms.base import Connector, Consent
from platforms.sandbox.richtext import Piece
from platforms.sandbox.store import Store
from platforms.sandbox.values import Account, Post


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture or a film of a post: ``cid`` names it in the store.

    ``captions`` of a film by their languages, each with the ``cid`` of its file; ``loops``: it is shown again and again.
    """

    cid: str
    alt: str
    captions: tuple[tuple[str, str], ...] = ()
    loops: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """What a network shows of a post, besides who wrote it and when. ``warning`` folds the text away."""

    pieces: Sequence[Piece]
    pictures: Sequence[Picture] = ()
    warning: str = ""
    visibility: str = "Public"
    application: str = ""


class Network(Protocol):
    """One server that speaks a network's API. Paths are below its ``name``: ``"/api/…"`` means ``"/<name>/api/…"``."""

    name: str
    """What faults, quirks and the judge call it, and the first part of all its paths. An adapter's own twin has its name."""
    label: str
    """What people call it."""
    shown: bool
    """Whether newcomers see it. One that is not has a timeline once it has a post, and nothing else."""
    featured: bool
    """Whether its timeline is on the first page before it has a post."""
    style: str
    """CSS for its pages and posts, which carry its ``name`` as their class."""
    api: tuple[str, ...]
    """How the paths of its API begin; what is below other paths is a page, which no fault strikes."""
    purposes: Mapping[tuple[str, str], str]
    """Method and path of what is neither a plain ``read`` nor ``other``: ``publish`` and ``upload``."""
    words: Mapping[int, Mapping[str, Any]]
    """The JSON of an answer 429 and of an answer 500."""

    @property
    def handlers(self) -> Sequence[ControllerRouterHandler]:
        """Its API and its pages, with its name in their paths."""
        ...

    def reset_header(self, at: datetime) -> tuple[bytes, bytes]:
        """The network's own header that says when a rate limit ends; ``Retry-After`` is sent besides."""
        ...

    def text_of(self, store: Store, body: bytes) -> str:
        """The text that a publish request is about, ``""`` if there is none; never raises."""
        ...

    def create_account(self, store: Store, handle: str, password: str) -> Account:
        """A new user, or the one with that handle; a bare name is completed as the network wants it."""
        ...

    def location(self, post: Post, author: Account) -> str:
        """The whole path of the post's public page."""
        ...

    def profile(self, account: Account) -> str:
        """The whole path of the account's page."""
        ...

    def look(self, store: Store, post: Post) -> Look:
        """The post as people see it."""
        ...

    def sign_in(self, server: str) -> Sequence[tuple[str, str]]:
        """Questions and answers for a person who connects by hand; ``server`` is its address."""
        ...

    async def connect(self, http: httpx.AsyncClient, server: str, connector: Connector, *, handle: str) -> Consent:
        """Do what a person ``handle`` would do in the browser to connect, with the adapter's own connector."""
        ...
