"""Connected profiles, and how they are connected."""

from enum import StrEnum
from typing import Any, ClassVar

from beanie import Document
from pydantic import Field
from pymongo import ASCENDING, IndexModel

from app.ids import Id
from app.models.base import EPOCH, Identified, Instant, now


class AccountState(StrEnum):
    """Whether an account can be published to."""

    CONNECTED = "connected"
    RECONNECT_NEEDED = "reconnect_needed"
    DISCONNECTED = "disconnected"


class Account(Identified, Document):
    """A connected profile. ``sealed`` holds its tokens; ``session_version`` grows with every change of them.

    ``blocked_until``: the network said that the account may send nothing before then. ``retrying_until``: an earlier post is
    being tried again, and later ones keep behind it.

    ``busy_until``/``busy_with`` are the account's lease: one account publishes one thing at a time; ``refreshing_until`` is the
    lease on its tokens, ``paced_until`` its rate bucket (see ``engine/pacing``). ``sandbox`` accounts live on this
    installation's sandbox server, wherever that is today: their ``server`` is only the path below it.
    """

    workspace_id: Id
    platform: str
    server: str
    remote_id: str
    handle: str
    display_name: str
    avatar_url: str | None = None
    sealed: str = Field(repr=False)
    session_version: int = 1
    limits: dict[str, Any] = Field(default_factory=dict)
    state: AccountState = AccountState.CONNECTED
    sandbox: bool = False
    busy_until: Instant = EPOCH
    busy_with: Id | None = None
    refreshing_until: Instant = EPOCH
    paced_until: Instant = EPOCH
    blocked_until: Instant = EPOCH
    retrying_until: Instant = EPOCH
    limits_at: Instant = Field(default_factory=now)
    created_at: Instant = Field(default_factory=now)

    class Settings:
        name = "accounts"
        indexes: ClassVar = [
            IndexModel(
                [("workspace_id", ASCENDING), ("platform", ASCENDING), ("server", ASCENDING), ("remote_id", ASCENDING)],
                name="profile",
                unique=True,
            ),
            IndexModel([("state", ASCENDING), ("limits_at", ASCENDING)], name="limits_due"),
        ]


class Bucket(Document):
    """A shared rate bucket (see ``engine/pacing``). ``version`` guards its changes: engines may compare dates by the second."""

    id: str  # type: ignore[assignment]  # beanie's own is optional
    full_at: Instant = EPOCH
    version: int = 0

    class Settings:
        name = "buckets"
        indexes: ClassVar = [IndexModel([("full_at", ASCENDING)], name="idle")]


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
