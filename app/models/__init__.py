"""The documents, and the one table of a delivery's transitions.

Times are aware UTC instants with millisecond precision, as MongoDB keeps them. Documents refer to each other by id only.
Every collection is created and indexed at start-up (``ALL``); only ``app/engine`` and ``app/services`` change documents.
"""

from beanie import Document

from app.models.accounts import Account, AccountState, Grant, GrantState, PendingChoice, PendingConnection, Registration
from app.models.attempts import Attempt, AttemptKind, PastAttempt
from app.models.base import EPOCH, FIRST, Identified, Instant, as_instant, in_millis, now, to_millis
from app.models.deliveries import (
    CONFIRM,
    EDITABLE,
    FINAL,
    IN_FLIGHT,
    TRANSITIONS,
    UPLOADS,
    Delivery,
    Part,
    Receipt,
    State,
    Trouble,
)
from app.models.media import MEDIA_TRANSITIONS, UNFINISHED, FittedFile, MediaFile, MediaState
from app.models.people import LatePolicy, LoginSession, Member, Role, User, Workspace
from app.models.posts import Attachment, Post, Variant, tidy

__all__ = [
    "ALL",
    "CONFIRM",
    "EDITABLE",
    "EPOCH",
    "FINAL",
    "FIRST",
    "IN_FLIGHT",
    "MEDIA_TRANSITIONS",
    "TRANSITIONS",
    "UNFINISHED",
    "UPLOADS",
    "Account",
    "AccountState",
    "Attachment",
    "Attempt",
    "AttemptKind",
    "Delivery",
    "FittedFile",
    "Grant",
    "GrantState",
    "Identified",
    "Instant",
    "LatePolicy",
    "LoginSession",
    "MediaFile",
    "MediaState",
    "Member",
    "Part",
    "PastAttempt",
    "PendingChoice",
    "PendingConnection",
    "Post",
    "Receipt",
    "Registration",
    "Role",
    "State",
    "Trouble",
    "User",
    "Variant",
    "Workspace",
    "as_instant",
    "in_millis",
    "now",
    "tidy",
    "to_millis",
]

ALL: tuple[type[Document], ...] = (
    User,
    LoginSession,
    Workspace,
    Member,
    Grant,
    Account,
    Registration,
    PendingConnection,
    PendingChoice,
    MediaFile,
    FittedFile,
    Post,
    Delivery,
    PastAttempt,
)
