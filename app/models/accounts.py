"""Connected profiles, and how they are connected."""

from enum import StrEnum
from typing import Any, ClassVar

from beanie import Document
from pydantic import Field, PrivateAttr
from pymongo import ASCENDING, IndexModel

from app.ids import Id
from app.models.base import EPOCH, Identified, Instant, now


class AccountState(StrEnum):
    """Whether an account can be published to; what people see.

    ``DISCONNECTED`` is a person's will for this one account. ``RECONNECT_NEEDED`` follows its grant: it is written to every
    account of a grant that the network refused, and taken back from all of them when the grant gets tokens again.
    """

    CONNECTED = "connected"
    RECONNECT_NEEDED = "reconnect_needed"
    DISCONNECTED = "disconnected"


class GrantState(StrEnum):
    """What a grant's tokens are good for. ``FORGOTTEN``: thrown away, because no connected account needed them any more."""

    CONNECTED = "connected"
    RECONNECT_NEEDED = "reconnect_needed"
    FORGOTTEN = "forgotten"


class Grant(Identified, Document):
    """One consent: the tokens that a network gave once, for all accounts that it covers (``Account.grant_id``).

    ``subject`` is who consented, by the network's own id. ``sealed`` holds the tokens, ``""`` when they are forgotten;
    ``version`` grows with every change of them, and every change is a compare-and-set on it. ``refreshing_until`` and
    ``refreshing_with`` are the lease of who asks for new ones. ``expires_at`` and ``refresh_at`` are those of the tokens
    (:class:`platforms.base.Tokens`).
    """

    workspace_id: Id
    platform: str
    server: str
    subject: str
    sealed: str = Field(repr=False)
    version: int = 1
    state: GrantState = GrantState.CONNECTED
    refreshing_until: Instant = EPOCH
    refreshing_with: Id | None = None
    expires_at: Instant | None = None
    refresh_at: Instant | None = None
    created_at: Instant = Field(default_factory=now)

    class Settings:
        name = "grants"
        indexes: ClassVar = [
            IndexModel(
                [("workspace_id", ASCENDING), ("platform", ASCENDING), ("server", ASCENDING), ("subject", ASCENDING)],
                name="consent",
                unique=True,
            ),
            IndexModel([("state", ASCENDING), ("refresh_at", ASCENDING)], name="refresh_due"),
        ]


class Account(Identified, Document):
    """A connected profile. Its tokens are its grant's, which it may share with other accounts.

    ``blocked_until``: the network said that the account may send nothing before then. ``retrying_until``: an earlier post is
    being tried again, and later ones keep behind it. ``line_until``: several deliveries want the account's turn, so whoever
    comes looks at the line first (see ``engine/turns``).

    ``grant_version`` is the youngest version of the grant known to serve this account: a refusal of older tokens is no news.
    ``sandbox`` accounts live on this installation's sandbox server, wherever that is today: their ``server`` is only the path
    below it.
    """

    workspace_id: Id
    grant_id: Id
    grant_version: int = 1
    platform: str
    server: str
    remote_id: str
    handle: str
    display_name: str
    avatar_url: str | None = None
    limits: dict[str, Any] = Field(default_factory=dict)
    state: AccountState = AccountState.CONNECTED
    sandbox: bool = False
    blocked_until: Instant = EPOCH
    retrying_until: Instant = EPOCH
    line_until: Instant = EPOCH
    limits_at: Instant = Field(default_factory=now)
    created_at: Instant = Field(default_factory=now)

    _grant: Grant | None = PrivateAttr(default=None)
    """The grant as it was when this copy of the account was first used (see ``engine/access``); never stored."""

    class Settings:
        name = "accounts"
        indexes: ClassVar = [
            IndexModel(
                [("workspace_id", ASCENDING), ("platform", ASCENDING), ("server", ASCENDING), ("remote_id", ASCENDING)],
                name="profile",
                unique=True,
            ),
            IndexModel([("grant_id", ASCENDING)], name="grant"),
            IndexModel([("state", ASCENDING), ("limits_at", ASCENDING)], name="limits_due"),
        ]


class PendingChoice(Identified, Document):
    """A person has consented to several profiles and has not said yet which of them to connect.

    ``sealed`` holds the whole consent, tokens included; it is good once, for that user in that workspace.
    """

    workspace_id: Id
    user_id: Id
    platform: str
    sealed: str = Field(repr=False)
    expires_at: Instant

    class Settings:
        name = "pending_choices"
        indexes: ClassVar = [IndexModel([("expires_at", ASCENDING)], name="expiry", expireAfterSeconds=0)]


class Registration(Identified, Document):
    """This installation's OAuth registration at one server; ``sealed`` holds client id and secret."""

    platform: str
    server: str
    redirect_uri: str
    sealed: str = Field(repr=False)
    created_at: Instant = Field(default_factory=now)

    class Settings:
        name = "registrations"
        indexes: ClassVar = [
            IndexModel([("platform", ASCENDING), ("server", ASCENDING), ("redirect_uri", ASCENDING)], name="server", unique=True)
        ]


class PendingConnection(Identified, Document):
    """A person is at a network's consent page; ``state_hash`` recognises them when they come back."""

    state_hash: str
    workspace_id: Id
    user_id: Id
    platform: str
    server: str
    redirect_uri: str
    sealed: str = Field(repr=False)
    expires_at: Instant

    class Settings:
        name = "pending_connections"
        indexes: ClassVar = [
            IndexModel([("state_hash", ASCENDING)], name="state", unique=True),
            IndexModel([("expires_at", ASCENDING)], name="expiry", expireAfterSeconds=0),
        ]
