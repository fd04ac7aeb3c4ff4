"""What one network is: its data, and the few things that are asked of it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from platforms.base.capabilities import Capabilities, Problem, Segment
from platforms.base.connecting import Connector, Tokens
from platforms.base.content import Content, Profile, Session
from platforms.base.outcomes import Answer, Checkpoint, Metrics, Outcome, SentAttempt


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
        """The capabilities of one account: the defaults, narrowed or widened by what ``limits`` returned.

        Also the choices that come with the account (:func:`~platforms.base.capabilities.choices_of`). Pure; never raises: limits
        may have been stored by an older version, and a server may say anything.
        """
        ...

    def count(self, content: Content, capabilities: Capabilities) -> int:
        """The length of ``content`` by this network's rule, to be compared with ``capabilities.text.limit``. Pure."""
        ...

    def segments(self, text: str) -> tuple[Segment, ...]:
        """``text`` cut where the network will show links, mentions and tags; joined again it is ``text``. Pure."""
        ...

    def validate(self, content: Content, capabilities: Capabilities) -> list[Problem]:
        """Everything that is wrong with ``content``, the blocking problems first. Pure; never raises.

        ``capabilities`` are those of the part that ``content`` is (:meth:`Capabilities.for_part`). What options alone tell (a
        value that is not offered, a required one that is missing) the composer has looked at already.
        """
        ...

    async def limits(self, session: Session) -> dict[str, Any]:
        """Ask the server for this account's own limits; JSON values, stored on the account. Raises ``PlatformError``."""
        ...

    async def publish(self, session: Session, content: Content, *, key: str, checkpoint: Checkpoint) -> Outcome:
        """Send ``content`` once. ``key`` is stable over all attempts at this content.

        Called again with the same key after ``Waiting``, after a crash before the fence, and after ``Absent``.
        Raises a ``PlatformError`` leaf: ``Transient`` only if the visible mutation was certainly not accepted; without an
        answer to the mutation always ``Unconfirmed``. ``TokenExpired`` asks the caller to ``refresh`` and call again.
        """
        ...

    async def reconcile(self, session: Session, attempt: SentAttempt) -> Answer:
        """Find out, by reading only, what became of ``attempt``.

        Raises ``Unconfirmed`` if the network offers no way to know, another ``PlatformError`` if it could not be asked now.
        """
        ...

    def remote_id(self, url: str, profile: Profile) -> str | None:
        """The id that :class:`Published` would carry for the post at ``url``, an address that a person pasted.

        ``None`` if it is not the address of a post of ``profile`` on this network. Pure; never raises.
        """
        ...

    async def metrics(self, session: Session, remote_ids: Sequence[str]) -> dict[str, Metrics]:
        """What the network counts for these posts of the account, by id, in as few requests as it allows.

        What is gone, or not the account's, is left out. Raises ``PlatformError`` if it could not be asked now, and
        ``ScopeMissing`` where the person did not grant it (LinkedIn, Threads, Instagram and Facebook want scopes of their own).
        """
        ...

    async def refresh(self, session: Session) -> Tokens:
        """New tokens for the account's consent. The caller holds its lease and stores them before use.

        Raises ``ReconnectNeeded`` if a person has to connect again, ``Transient`` if it should be tried later.
        """
        ...
