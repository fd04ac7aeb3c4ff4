"""What one account is to publish, and the account itself as an adapter sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import httpx

from platforms.base.media import Media


class PartKind(StrEnum):
    """What a part is to the one before it.

    ``POST`` stands by itself. ``REPLY`` goes on with a thread: Bluesky, Mastodon, Threads and X answer the part before; Tumblr
    reblogs it. ``COMMENT`` is the first comment below the post: Facebook, Instagram, LinkedIn and YouTube have comments of their
    own; where there are none it is sent like a reply.
    """

    POST = "post"
    REPLY = "reply"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class Reference:
    """A part that is out already, for those that answer it: what :class:`Published` said of it.

    ``data`` is what the adapter needs besides the id (Bluesky: ``cid``; Tumblr: ``reblog_key`` and the blog's ``uuid``;
    Facebook: the ``video`` whose comments they are).
    """

    remote_id: str
    url: str
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Content:
    """One part of what one account is to publish: one visible mutation, frozen when it was scheduled, the same on every attempt.

    ``created_at`` is chosen once with the content, because networks use it to recognise a repetition.
    ``options`` holds values of the adapter's own :class:`~platforms.base.Option` keys, e.g. ``{"visibility": "unlisted"}``.

    A post is one part, or several that are sent in order. ``reply_to`` is the part before, ``root`` the first of all (Bluesky
    wants both); both are ``None`` for a ``POST`` and set for everything else. A part that is not ``required`` may fail and
    leaves the post published: the delivery then says that it is, and why that part is missing (a first comment on LinkedIn needs
    a permission that most apps do not get). It is never the first one.
    """

    text: str
    created_at: datetime
    media: tuple[Media, ...] = ()
    language: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    kind: PartKind = PartKind.POST
    required: bool = True
    reply_to: Reference | None = None
    root: Reference | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A connected account, ready to be used for one call. ``tokens`` and ``app`` are secrets, hidden from ``repr``.

    ``server`` is the server's address without a trailing slash: an origin, or below a path for the sandbox. ``remote_id`` is
    the account's id there, ``limits`` what ``Adapter.limits`` returned when the account was connected. ``http`` refuses private
    hosts and follows no redirects. ``app`` are the values of the connector's ``app_fields``, which some networks want for
    renewing tokens or signing requests (YouTube, X, LinkedIn, Tumblr; Facebook's proof of the secret).
    """

    server: str
    remote_id: str
    handle: str
    tokens: Mapping[str, str] = field(repr=False)
    limits: Mapping[str, Any] = field(repr=False)
    http: httpx.AsyncClient = field(repr=False, compare=False)
    app: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Profile:
    """Whose posts are meant, without any secret: ``server``, ``remote_id``, ``handle`` and ``limits`` as in :class:`Session`."""

    server: str
    remote_id: str
    handle: str
    limits: Mapping[str, Any] = field(repr=False)
