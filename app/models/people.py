"""People and workspaces."""

from enum import StrEnum
from typing import ClassVar

from beanie import Document
from pydantic import Field
from pymongo import ASCENDING, IndexModel

from app.ids import Id
from app.models.base import Identified, Instant, now


class User(Identified, Document):
    """A person who signs in. ``email`` is stored in lower case."""

    email: str
    name: str
    password_hash: str
    created_at: Instant = Field(default_factory=now)

    class Settings:
        name = "users"
        indexes: ClassVar = [IndexModel([("email", ASCENDING)], name="email", unique=True)]


class LoginSession(Identified, Document):
    """A signed-in browser. Only a hash of the cookie's token is stored."""

    token_hash: str
    user_id: Id
    expires_at: Instant
    created_at: Instant = Field(default_factory=now)

    class Settings:
        name = "login_sessions"
        indexes: ClassVar = [
            IndexModel([("token_hash", ASCENDING)], name="token", unique=True),
            IndexModel([("expires_at", ASCENDING)], name="expiry", expireAfterSeconds=0),
        ]


class LatePolicy(StrEnum):
    """What becomes of a post that could not be sent in time, because the installation was down."""

    ASK = "ask"
    SEND = "send"
    SKIP = "skip"


class Workspace(Identified, Document):
    """A tenant: everything but users belongs to exactly one. ``zone`` is the IANA key new posts start with.

    A delivery that was never tried and is later than ``late_after`` (minutes) is treated as ``late_policy`` says. With
    ``alt_required`` nothing is scheduled or published whose files lack a description that its network would keep. A file that no
    post needs is deleted ``keep_files`` days after its last use, 0: never; ``swept_ms`` is when that was looked at last, in
    milliseconds since 1970.
    """

    name: str
    zone: str = "UTC"
    late_policy: LatePolicy = LatePolicy.ASK
    late_after: int = 60
    alt_required: bool = False
    keep_files: int = 0
    swept_ms: int = 0
    created_at: Instant = Field(default_factory=now)

    class Settings:
        name = "workspaces"


class Role(StrEnum):
    """What a member may do; an owner may do everything."""

    OWNER = "owner"
    MEMBER = "member"


class Member(Identified, Document):
    """A user's place in a workspace."""

    workspace_id: Id
    user_id: Id
    role: Role
    created_at: Instant = Field(default_factory=now)

    class Settings:
        name = "members"
        indexes: ClassVar = [IndexModel([("user_id", ASCENDING), ("workspace_id", ASCENDING)], name="place", unique=True)]
