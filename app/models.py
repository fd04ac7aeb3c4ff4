"""The documents, and the one table of a delivery's transitions.

Times are aware UTC instants with millisecond precision, as MongoDB keeps them. Documents refer to each other by id only.
Every collection is created and indexed at start-up (``ALL``); only ``app/services`` changes documents.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from beanie import Document
from pydantic import AfterValidator, BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from app.ids import Id

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for "never" in fields that queries compare: a comparison with a missing value differs between engines."""


def now() -> datetime:
    """The current instant, cut to MongoDB's milliseconds so that what was written compares equal to what is read."""
    return to_millis(datetime.now(UTC))


def to_millis(at: datetime) -> datetime:
    """``at`` in UTC without its microseconds."""
    at = at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


Instant = Annotated[datetime, AfterValidator(to_millis)]


class Identified(BaseModel):
    """A document whose id is made here, not by the database: it is known before, and a repeated insert is recognised."""

    id: Id = Field(default_factory=Id)


# --- people and workspaces --------------------------------------------------------------------------------------------


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

    A delivery that was never tried and is later than ``late_after`` (minutes) is treated as ``late_policy`` says.
    """

    name: str
    zone: str = "UTC"
    late_policy: LatePolicy = LatePolicy.ASK
    late_after: int = 60
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


# --- accounts ---------------------------------------------------------------------------------------------------------


class AccountState(StrEnum):
    """Whether an account can be published to."""

    CONNECTED = "connected"
    RECONNECT_NEEDED = "reconnect_needed"
    DISCONNECTED = "disconnected"


class Account(Identified, Document):
    """A connected profile. ``sealed`` holds its tokens; ``session_version`` grows with every change of them.

    ``busy_until``/``busy_with`` are the account's lease: one account publishes one thing at a time; ``refreshing_until`` is the
    lease on its tokens, ``paced_until`` its rate bucket (see ``services/pacing``). ``sandbox`` accounts live on this
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
    created_at: Instant = Field(default_factory=now)

    class Settings:
        name = "accounts"
        indexes: ClassVar = [
            IndexModel(
                [("workspace_id", ASCENDING), ("platform", ASCENDING), ("server", ASCENDING), ("remote_id", ASCENDING)],
                name="profile",
                unique=True,
            )
        ]


class Bucket(Document):
    """A shared rate bucket (see ``services/pacing``). ``version`` guards its changes: engines may compare dates by the second."""

    id: str  # type: ignore[assignment]  # beanie's own is optional
    full_at: Instant = EPOCH
    version: int = 0

    class Settings:
        name = "buckets"


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


# --- media ------------------------------------------------------------------------------------------------------------


class MediaFile(Identified, Document):
    """An uploaded file's facts: ``size`` in bytes, ``width``/``height`` in pixels; the bytes lie in the storage at ``path``."""

    workspace_id: Id
    mime: str
    size: int
    width: int
    height: int
    path: str
    created_at: Instant = Field(default_factory=now)

    class Settings:
        name = "media"
        indexes: ClassVar = [IndexModel([("workspace_id", ASCENDING), ("created_at", DESCENDING)], name="newest")]


class Attachment(BaseModel):
    """A media file in a post, with the words for those who cannot see it."""

    media_id: Id
    alt: str = ""


# --- posts and deliveries ---------------------------------------------------------------------------------------------


class Variant(BaseModel):
    """What differs for one account: ``text=None`` means the post's text."""

    account_id: Id
    text: str | None = None
    options: dict[str, str] = Field(default_factory=dict)


class Post(Identified, Document):
    """The authored intent. Its status is derived from its deliveries, which hold all that publishing needs.

    A ``draft`` has no deliveries yet: there is nothing to deliver before somebody says when.
    """

    workspace_id: Id
    author_id: Id
    text: str = ""
    language: str | None = None
    attachments: list[Attachment] = Field(default_factory=list)
    variants: list[Variant] = Field(default_factory=list)
    draft: bool = False
    planned_at: Instant | None = None
    zone: str = "UTC"
    created_at: Instant = Field(default_factory=now)
    updated_at: Instant = Field(default_factory=now)

    class Settings:
        name = "posts"
        indexes: ClassVar = [
            IndexModel([("workspace_id", ASCENDING), ("created_at", DESCENDING)], name="newest"),
            IndexModel([("workspace_id", ASCENDING), ("draft", ASCENDING), ("created_at", DESCENDING)], name="drafts"),
        ]


class State(StrEnum):
    """Where a delivery stands. The last five are final until a person acts."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    PUBLISHING = "publishing"
    PROCESSING = "processing"
    UNCONFIRMED = "unconfirmed"
    MISSED = "missed"
    PUBLISHED = "published"
    FAILED = "failed"
    DEAD = "dead"
    CANCELED = "canceled"


FINAL = frozenset({State.MISSED, State.PUBLISHED, State.FAILED, State.DEAD, State.CANCELED})
"""Nothing more happens by itself."""

EDITABLE = frozenset({State.SCHEDULED, State.QUEUED, State.MISSED, State.FAILED, State.DEAD, State.CANCELED})
"""Before the fence, or after a definite end without a post: a person may still change or cancel it."""

TRANSITIONS: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.SCHEDULED: frozenset({State.SCHEDULED, State.QUEUED, State.CANCELED}),
        State.MISSED: frozenset({State.SCHEDULED, State.CANCELED}),
        State.QUEUED: frozenset({State.QUEUED, State.SCHEDULED, State.PUBLISHING, State.MISSED, State.CANCELED}),
        State.PUBLISHING: frozenset(
            {
                State.PUBLISHING,  # checkpoint, fence, the receipt of a part
                State.QUEUED,  # retry within the horizon
                State.SCHEDULED,  # retry later
                State.PROCESSING,
                State.UNCONFIRMED,
                State.PUBLISHED,
                State.FAILED,
                State.DEAD,
            }
        ),
        State.PROCESSING: frozenset(
            {State.PROCESSING, State.UNCONFIRMED, State.SCHEDULED, State.PUBLISHED, State.FAILED, State.DEAD}
        ),
        State.UNCONFIRMED: frozenset(
            {State.UNCONFIRMED, State.PROCESSING, State.SCHEDULED, State.PUBLISHED, State.FAILED, State.DEAD}
        ),
        State.FAILED: frozenset({State.FAILED, State.SCHEDULED, State.CANCELED}),
        State.DEAD: frozenset({State.DEAD, State.SCHEDULED, State.CANCELED}),
        State.CANCELED: frozenset({State.CANCELED, State.SCHEDULED}),
        State.PUBLISHED: frozenset(),
    }
)
"""Which state may follow which. ``deliveries.move`` refuses everything else."""


class Receipt(BaseModel):
    """What the network returned for one part."""

    remote_id: str
    url: str


class Part(BaseModel):
    """One visible mutation. A delivery is an ordered list of them: one today; a thread or a first comment are more of them.

    ``key`` is the idempotency key, stable over all attempts at this part's content.
    """

    key: str
    text: str
    receipt: Receipt | None = None


class Trouble(BaseModel):
    """Why a delivery is not published: for people ``message``, for operators ``code`` and ``status``."""

    remedy: str
    code: str
    message: str
    status: int | None = None
    at: Instant = Field(default_factory=now)


class Delivery(Identified, Document):
    """One post on one account: the outbox, the schedule and the record of what happened.

    ``due_at`` is the next time something is to be done about it: the publication, a retry, or (``unconfirmed``, ``processing``)
    the next look at the network. ``planned_at`` is the time the person chose. ``attempt_id`` with ``lease_until`` is the fence's
    token: only its holder may change a delivery that is ``publishing``. ``fenced_at`` (``EPOCH``: not yet) says that the visible
    mutation of the current part may have been sent. ``saved`` is the adapter's checkpoint for that part as JSON text, because
    its keys may contain ``$`` and dots. ``strikes`` counts the failures that use up attempts,
    ``checks`` the looks at the network. ``move_id`` is the token of the last change: after a broken connection it tells whether
    a write was applied. ``remote_id`` repeats the first receipt's id for a unique index: one post on a network is the receipt of
    at most one delivery.
    """

    workspace_id: Id
    post_id: Id
    account_id: Id
    platform: str
    state: State
    planned_at: Instant
    due_at: Instant
    language: str | None = None
    options: dict[str, str] = Field(default_factory=dict)
    attachments: list[Attachment] = Field(default_factory=list)
    content_at: Instant = Field(default_factory=now)
    revision: int = 1
    parts: list[Part]
    attempts: int = 0
    strikes: int = 0
    checks: int = 0
    attempt_id: Id | None = None
    lease_until: Instant = EPOCH
    fenced_at: Instant = EPOCH
    saved: str = "{}"
    queued_at: Instant = EPOCH
    move_id: Id = Field(default_factory=Id)
    undecidable: bool = False
    remote_id: str | None = None
    trouble: Trouble | None = None
    published_at: Instant | None = None
    created_at: Instant = Field(default_factory=now)
    updated_at: Instant = Field(default_factory=now)

    class Settings:
        name = "deliveries"
        indexes: ClassVar = [
            IndexModel([("post_id", ASCENDING), ("account_id", ASCENDING)], name="post_account", unique=True),
            IndexModel([("state", ASCENDING), ("due_at", ASCENDING)], name="due"),
            IndexModel([("account_id", ASCENDING), ("state", ASCENDING), ("due_at", ASCENDING)], name="account_due"),
            IndexModel([("state", ASCENDING), ("lease_until", ASCENDING)], name="lease"),
            IndexModel([("workspace_id", ASCENDING), ("state", ASCENDING), ("post_id", DESCENDING)], name="by_state"),
            IndexModel(
                [("account_id", ASCENDING), ("remote_id", ASCENDING)],
                name="receipt",
                unique=True,
                partialFilterExpression={"remote_id": {"$type": "string"}},
            ),
        ]

    @property
    def receipt(self) -> Receipt | None:
        """The receipt of the first part, which is the post people mean."""
        return self.parts[0].receipt

    @property
    def position(self) -> int:
        """The index of the first part without a receipt; ``len(parts)`` when all are visible."""
        return next((index for index, part in enumerate(self.parts) if part.receipt is None), len(self.parts))

    @property
    def text(self) -> str:
        """The text of the first part."""
        return self.parts[0].text


class AttemptKind(StrEnum):
    """What a try did: change something, or only look."""

    PUBLISH = "publish"
    RECONCILE = "reconcile"


class Attempt(Identified, Document):
    """One try at a delivery, kept as evidence: who did what, how far it came, and what follows."""

    delivery_id: Id
    workspace_id: Id
    kind: AttemptKind
    number: int
    worker: str
    step: str = "claimed"
    outcome: str | None = None
    code: str | None = None
    message: str | None = None
    status: int | None = None
    remedy: str | None = None
    next_at: Instant | None = None
    started_at: Instant = Field(default_factory=now)
    finished_at: Instant | None = None

    class Settings:
        name = "attempts"
        indexes: ClassVar = [IndexModel([("delivery_id", ASCENDING), ("started_at", ASCENDING)], name="timeline")]


ALL: tuple[type[Document], ...] = (
    User,
    LoginSession,
    Workspace,
    Member,
    Account,
    Bucket,
    Registration,
    PendingConnection,
    MediaFile,
    Post,
    Delivery,
    Attempt,
)
