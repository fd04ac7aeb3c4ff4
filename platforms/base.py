"""The contract between Carillon and a network: values that go in, values that come out, and four behaviours.

An adapter is one class in ``platforms/<name>/`` registered in ``platforms.REGISTRY``. It keeps no state, opens no database,
reads no settings and logs no bodies. Whatever differs between networks is data (:class:`Capabilities`, ``Connector.fields``)
or one of the methods of :class:`Adapter`; nothing outside ``platforms/`` ever asks which network it has.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Protocol

import httpx

# --- what an adapter is given -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Media:
    """One attached file. ``read`` fetches the bytes when they are needed, so that validation costs no I/O.

    ``size`` in bytes, ``width`` and ``height`` in pixels; ``alt`` is ``""`` when the person gave none.
    """

    id: str
    mime: str
    size: int
    width: int
    height: int
    alt: str
    read: Callable[[], Awaitable[bytes]] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Content:
    """What one account is to publish: frozen when it was scheduled, the same on every attempt.

    ``created_at`` is chosen once with the content, because networks use it to recognise a repetition.
    ``options`` holds values of the adapter's own :class:`Option` keys, e.g. ``{"visibility": "unlisted"}``.
    """

    text: str
    created_at: datetime
    media: tuple[Media, ...] = ()
    language: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Session:
    """A connected account, ready to be used for one call. Never log it: ``tokens`` are secrets (hidden from ``repr``).

    ``server`` is the server's address without a trailing slash: an origin, or below a path for the sandbox. ``remote_id`` is
    the account's id there, ``limits`` what ``Adapter.limits`` returned when the account was connected. ``http`` refuses private
    hosts and follows no redirects.
    """

    server: str
    remote_id: str
    handle: str
    tokens: Mapping[str, str] = field(repr=False)
    limits: Mapping[str, Any] = field(repr=False)
    http: httpx.AsyncClient = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Profile:
    """Whose posts are meant, without any secret: ``server``, ``remote_id``, ``handle`` and ``limits`` as in :class:`Session`."""

    server: str
    remote_id: str
    handle: str
    limits: Mapping[str, Any] = field(repr=False)


class Checkpoint(Protocol):
    """What survives a crash in the middle of ``publish``.

    ``saved`` is what earlier attempts at the same content stored (uploaded blob references, media ids). The order is fixed:
    uploads, each followed by ``save``; then ``fence``; then the one visible mutation, with nothing in between.
    """

    @property
    def saved(self) -> Mapping[str, Any]:
        """Data stored by earlier attempts; JSON values only."""
        ...

    async def save(self, **data: Any) -> None:
        """Store ``data`` on top of what is saved. Raises if this worker no longer holds the lease."""
        ...

    async def fence(self) -> None:
        """Durably note that the visible mutation is about to be sent. Raises if this worker may not send it any more.

        After this call a crash, a time-out or a lost answer means *ask*, so call it immediately before the request.
        """
        ...


@dataclass(frozen=True, slots=True)
class SentAttempt:
    """The attempt that ``reconcile`` asks about: its key and content, what it saved, and when its fence was written."""

    key: str
    content: Content
    saved: Mapping[str, Any]
    sent_at: datetime


# --- what an adapter answers ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Published:
    """The receipt: the network's own id, and the public address of the post."""

    remote_id: str
    url: str


@dataclass(frozen=True, slots=True)
class Processing:
    """Accepted, not visible yet; ask again with ``reconcile`` after ``check_in``."""

    remote_ref: str
    check_in: timedelta


@dataclass(frozen=True, slots=True)
class Absent:
    """The network does not have it, and sending it again is safe as far as the network can tell.

    Whether it may still be storing it, the engine judges by :attr:`Capabilities.settles_in`. A lookup that cannot prove it (words
    differ, a clock beyond tolerance, a listing that hides some posts) raises ``Unconfirmed`` instead.
    """


Outcome = Published | Processing


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about the content that a person should know before it is sent.

    ``blocks`` problems would be refused by the network; the others are advice (a missing alt text).
    ``field`` is ``"text"``, ``"media"`` or an option's key; ``message`` says what to do.
    """

    field: str
    code: str
    message: str
    blocks: bool = True


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the text as the network will show it, for the preview. ``href`` is only set for links."""

    kind: Literal["text", "link", "mention", "tag"]
    text: str
    href: str | None = None


# --- what an adapter is -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextRule:
    """How long a text may be. ``limit`` counts grapheme clusters; ``max_bytes`` counts UTF-8 bytes.

    ``url_length``: every link counts this much whatever its length; ``None`` means links count as written.
    """

    limit: int
    max_bytes: int | None = None
    url_length: int | None = None


@dataclass(frozen=True, slots=True)
class MediaRule:
    """Which files one post takes: ``max_bytes`` per file, ``max_pixels`` = width x height, ``alt_limit`` in graphemes."""

    max_count: int
    mimes: frozenset[str]
    max_bytes: int
    max_pixels: int | None
    alt_limit: int


@dataclass(frozen=True, slots=True)
class Option:
    """A setting of one post that this network knows, drawn by the composer from this data alone.

    ``choices`` are ``(value, label)`` pairs; empty means free text of at most ``max_length`` graphemes.
    """

    key: str
    label: str
    default: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    max_length: int = 0
    hint: str = ""


class Idempotency(StrEnum):
    """What keeps a second post out after a first one of which nobody knows whether it was accepted; the engine obeys it.

    ``NATIVE``: the network, which takes a second request with the same key for the first one. ``LOOKUP``: the looking, because
    :class:`Absent` is proof there. ``NONE``: nothing, so that after :class:`Absent` the engine asks a person and never repeats.
    """

    NATIVE = "native"
    LOOKUP = "lookup"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a network can do. Templates, validation, documentation and tests all read this one object.

    ``per_hour`` is the published number of posts an account may make in an hour, ``installation_per_hour`` what one address or
    app may make on one server for all its accounts together (``None``: not published). ``settles_in`` is how long after sending
    the network may still be storing a request that we gave up: before that, *not there* is no answer. ``processing_limit``:
    longer than this it prepares nothing.
    """

    text: TextRule
    media: MediaRule
    options: tuple[Option, ...] = ()
    languages: bool = False
    scopes: tuple[str, ...] = ()
    per_hour: int | None = None
    installation_per_hour: int | None = None
    idempotency: Idempotency = Idempotency.NONE
    settles_in: timedelta = timedelta(seconds=60)
    processing_limit: timedelta = timedelta(days=1)


class Adapter(Protocol):
    """One network."""

    name: str
    """The registry key, e.g. ``"bluesky"``."""
    label: str
    """The name people know, e.g. ``"Bluesky"``."""
    colour: str
    """The brand colour as ``#rrggbb``, for the badge."""
    capabilities: Capabilities
    """The network's defaults, before an account's own limits."""

    @property
    def connector(self) -> "Connector":
        """How an account is connected: a :class:`PasswordConnector` or an :class:`OAuthConnector`."""
        ...

    def capabilities_for(self, limits: Mapping[str, Any]) -> Capabilities:
        """The capabilities of one account: the defaults, narrowed or widened by what ``limits`` returned. Pure."""
        ...

    def count(self, content: Content, capabilities: Capabilities) -> int:
        """The length of ``content`` by this network's rule, to be compared with ``capabilities.text.limit``. Pure."""
        ...

    def segments(self, text: str) -> tuple[Segment, ...]:
        """``text`` cut where the network will show links, mentions and tags; joined again it is ``text``. Pure."""
        ...

    def validate(self, content: Content, capabilities: Capabilities) -> list[Problem]:
        """Everything that is wrong with ``content``, the blocking problems first. Pure; never raises."""
        ...

    async def limits(self, session: Session) -> dict[str, Any]:
        """Ask the server for this account's own limits; JSON values, stored on the account. Raises ``PlatformError``."""
        ...

    async def publish(self, session: Session, content: Content, *, key: str, checkpoint: Checkpoint) -> Outcome:
        """Send ``content`` once. ``key`` is stable over all attempts at this content.

        Raises a ``PlatformError`` leaf: ``Transient`` only if the visible mutation was certainly not accepted; without an
        answer to the mutation always ``Unconfirmed``. ``TokenExpired`` asks the caller to ``refresh`` and call again.
        """
        ...

    async def reconcile(self, session: Session, attempt: SentAttempt) -> Published | Processing | Absent:
        """Find out, by reading only, what became of ``attempt``.

        Raises ``Unconfirmed`` if the network offers no way to know, another ``PlatformError`` if it could not be asked now.
        """
        ...

    def remote_id(self, url: str, profile: Profile) -> str | None:
        """The id that :class:`Published` would carry for the post at ``url``, an address that a person pasted.

        ``None`` if it is not the address of a post of ``profile`` on this network. Pure; never raises.
        """
        ...

    async def refresh(self, session: Session) -> dict[str, str]:
        """New tokens for the account. The caller holds the account's lease and stores them before use.

        Raises ``ReconnectNeeded`` if a person has to connect again, ``Transient`` if it should be tried later.
        """
        ...


# --- how an account is connected --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """A question of the connect form. ``secret`` fields are never shown again; ``type`` is an HTML input type."""

    name: str
    label: str
    type: str = "text"
    placeholder: str = ""
    default: str = ""
    hint: str = ""
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Connected:
    """A freshly connected account; ``tokens`` are sealed by the caller before they are stored."""

    server: str
    remote_id: str
    handle: str
    display_name: str
    avatar_url: str | None
    tokens: Mapping[str, str] = field(repr=False)
    limits: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authorization:
    """A started OAuth flow: send the person to ``url``; keep ``secret`` (verifier) sealed until they come back."""

    url: str
    secret: Mapping[str, str] = field(repr=False)


class PasswordConnector(Protocol):
    """Connects with what the person types (Bluesky: server, handle and app password)."""

    fields: tuple[Field, ...]

    async def connect(self, http: httpx.AsyncClient, answers: Mapping[str, str]) -> Connected:
        """Sign in once. Raises ``Rejected`` for a wrong answer, ``Misconfigured`` for a refused host, ``Transient``."""
        ...


class OAuthConnector(Protocol):
    """Connects through the network's own consent page. ``app`` is our registration there, sealed and kept per server."""

    fields: tuple[Field, ...]

    async def register(
        self, http: httpx.AsyncClient, answers: Mapping[str, str], *, redirect_uri: str
    ) -> tuple[str, dict[str, str]]:
        """Normalise the answers to a server origin and register this installation there; returns ``(server, app)``."""
        ...

    def server(self, answers: Mapping[str, str]) -> str:
        """The server origin that ``answers`` name, without any I/O. Raises ``Rejected`` if it is no host name."""
        ...

    def authorize(self, server: str, app: Mapping[str, str], *, redirect_uri: str, state: str) -> Authorization:
        """The consent page's address with PKCE; ``state`` comes back untouched."""
        ...

    async def exchange(
        self,
        http: httpx.AsyncClient,
        server: str,
        app: Mapping[str, str],
        *,
        redirect_uri: str,
        secret: Mapping[str, str],
        code: str,
    ) -> Connected:
        """Turn the returned ``code`` into tokens. Raises ``Rejected`` for a used or foreign code, ``Transient``."""
        ...


Connector = PasswordConnector | OAuthConnector
