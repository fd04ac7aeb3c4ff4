"""Deliveries, with the one table of their transitions."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar

from beanie import Document
from pydantic import BaseModel, Field
from pymongo import ASCENDING, DESCENDING, IndexModel

from app.ids import Id
from app.models.attempts import Attempt
from app.models.base import EPOCH, FIRST, Identified, Instant, in_millis, now
from app.models.posts import Attachment
from platforms.base import PartKind


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

IN_FLIGHT = frozenset({State.PUBLISHING, State.PROCESSING, State.UNCONFIRMED})
"""The network may have it, or may be getting it: nobody changes it before that is known."""

TRANSITIONS: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        State.SCHEDULED: frozenset({State.SCHEDULED, State.QUEUED, State.CANCELED, State.PUBLISHED}),
        State.MISSED: frozenset({State.MISSED, State.SCHEDULED, State.CANCELED, State.PUBLISHED}),
        State.QUEUED: frozenset(
            {State.QUEUED, State.SCHEDULED, State.PUBLISHING, State.MISSED, State.DEAD, State.CANCELED, State.PUBLISHED}
        ),
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
                State.CANCELED,  # nobody wants it any more, and nothing was sent
            }
        ),
        State.PROCESSING: frozenset(
            {State.PROCESSING, State.UNCONFIRMED, State.SCHEDULED, State.PUBLISHED, State.FAILED, State.DEAD}
        ),
        State.UNCONFIRMED: frozenset(
            {
                State.UNCONFIRMED,
                State.PROCESSING,
                State.SCHEDULED,
                State.MISSED,  # it is not there, and its time has passed
                State.PUBLISHED,
                State.FAILED,
                State.DEAD,
                State.CANCELED,  # a person dropped the open question
            }
        ),
        State.FAILED: frozenset({State.FAILED, State.SCHEDULED, State.CANCELED, State.PUBLISHED}),
        State.DEAD: frozenset({State.DEAD, State.SCHEDULED, State.CANCELED, State.PUBLISHED}),
        State.CANCELED: frozenset({State.CANCELED, State.SCHEDULED, State.PUBLISHED}),
        State.PUBLISHED: frozenset(),
    }
)
"""Which state may follow which. ``engine/moves`` refuses everything else.

Everything may become ``published``: a late worker's receipt is the truth, whatever was decided meanwhile.
"""


UPLOADS = "uploads"
"""Stands in a platform's place for the lane of deliveries with large files, whose upload may take minutes."""


CONFIRM = "confirm"
"""A remedy of our own beside the error tree's: it is out, and a person has to say which post it is."""


class Trouble(BaseModel):
    """Why a delivery is not published: for people ``message``, for operators ``code`` and ``status``.

    ``remedy`` is one of :class:`platforms.errors.Remedy`, or ``CONFIRM``.
    """

    remedy: str
    code: str
    message: str
    status: int | None = None
    at: Instant = Field(default_factory=now)


class Receipt(BaseModel):
    """What the network returned for one part; ``data`` is what the adapter needs of it for those that answer it."""

    remote_id: str
    url: str
    data: dict[str, str] = Field(default_factory=dict)


class Part(BaseModel):
    """One visible mutation. A delivery is an ordered list of them: one today; a thread or a first comment are more of them.

    ``key`` is the idempotency key, stable over all attempts at this part's content. The first part's files and options are the
    delivery's; later ones have their own. One that is not ``required`` may end with ``trouble`` instead of a receipt: then the
    next one's turn has come, and the delivery is published without it and says so. What has a receipt has no trouble.
    """

    key: str
    text: str
    kind: PartKind = PartKind.POST
    attachments: list[Attachment] = Field(default_factory=list)
    options: dict[str, str] = Field(default_factory=dict)
    required: bool = True
    receipt: Receipt | None = None
    trouble: Trouble | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be done about it."""
        return self.receipt is not None or (not self.required and self.trouble is not None)


class Delivery(Identified, Document):
    """One post on one account: the outbox, the schedule and the record of what happened.

    *From the post.* ``revision`` is that of the post whose words it holds; ``planned_at`` the time the person chose. ``wording``
    counts the changes of what is to be seen, and the parts' keys change with it and with nothing else: the same words sent again
    are the same post. ``content_at`` is the instant the network is told it was written at; it stays once something may have been
    sent (``first_sent_at``). ``held_by``, ``held_until``: somebody is saving the post right now, so it must not be claimed.

    *For the engine.* ``due_at`` is the next time something is to be done about it: the publication, a retry, or (``unconfirmed``,
    ``processing``) the next look at the network; ``due_ms`` repeats it in milliseconds since 1970, because the embedded engine
    neither sorts nor finds instants by an index once they were updated. ``not_before``: a request that was given up may still
    appear until then, so nothing is sent again earlier, whatever the plan. ``attempt_id`` with ``lease_until`` is the fence's
    token: only its holder may change a delivery that is ``publishing``. ``turn`` is the account's id exactly while the delivery
    is ``publishing``, under a unique index: one account publishes one thing at a time. ``awaited``: another one wants the turn
    and is to be called when this one ends it. ``tries`` are the latest attempts, oldest first (see ``engine/attempts``).
    ``fenced_at`` (``EPOCH``: not yet) says that the visible mutation of the current part may have been sent. ``saved`` is the
    adapter's checkpoint for that part as JSON text, because its keys may contain ``$`` and dots. ``heavy`` deliveries have large
    files and take a lane of their own. ``move_id`` is the token of the last change: after a broken connection it tells whether a
    write was applied. ``order`` repeats the id for an index (see :class:`Post`).

    *For the quotas* (``engine/pacing``), written by each fence and never taken back: ``sent_at`` is the newest fence's instant,
    ``sent_hour`` its hour as text, ``sent_to`` the server that counts it, ``sent_parts`` how many parts were sent by then.

    *So that nothing is endless.* ``strikes`` counts the failures that use up attempts, ``limited`` the refusals for being too
    fast, ``checks`` the looks at the network, ``emitted`` the messages since it was queued, of which the next one follows at
    ``sweep_at``. ``begun_at`` is when the first try of this plan began, ``processing_at`` when the network began to process it.

    ``making`` is how much is done of its files, which are made to fit just now; ``None``: none of them is (``engine/fitting``).

    ``dropped``: a person did not want this one, so that planning the post anew leaves it alone. ``remote_id`` repeats the first
    receipt's id for a unique index: one post on a network is the receipt of at most one delivery.
    """

    workspace_id: Id
    post_id: Id
    account_id: Id
    platform: str
    order: str = ""
    state: State
    revision: Id = FIRST
    held_by: Id | None = None
    held_until: Instant = EPOCH
    planned_at: Instant
    due_at: Instant
    due_ms: int = 0
    not_before: Instant = EPOCH
    language: str | None = None
    options: dict[str, str] = Field(default_factory=dict)
    attachments: list[Attachment] = Field(default_factory=list)
    content_at: Instant = Field(default_factory=now)
    heavy: bool = False
    wording: int = 1
    parts: list[Part]
    attempts: int = 0
    strikes: int = 0
    limited: int = 0
    checks: int = 0
    emitted: int = 0
    attempt_id: Id | None = None
    tries: list[Attempt] = Field(default_factory=list)
    turn: Id | None = None
    awaited: bool = False
    lease_until: Instant = EPOCH
    fenced_at: Instant = EPOCH
    first_sent_at: Instant = EPOCH
    sent_at: Instant = EPOCH
    sent_hour: str = ""
    sent_to: str = ""
    sent_parts: int = 0
    begun_at: Instant = EPOCH
    processing_at: Instant = EPOCH
    saved: str = "{}"
    sweep_at: Instant = EPOCH
    move_id: Id = Field(default_factory=Id)
    undecidable: bool = False
    dropped: bool = False
    making: float | None = None
    remote_id: str | None = None
    trouble: Trouble | None = None
    published_at: Instant | None = None
    created_at: Instant = Field(default_factory=now)
    updated_at: Instant = Field(default_factory=now)

    class Settings:
        name = "deliveries"
        indexes: ClassVar = [
            IndexModel([("post_id", ASCENDING), ("account_id", ASCENDING)], name="post_account", unique=True),
            IndexModel([("state", ASCENDING), ("due_ms", ASCENDING)], name="due_next"),
            IndexModel(
                [("account_id", ASCENDING), ("state", ASCENDING), ("due_ms", ASCENDING), ("order", ASCENDING)],
                name="account_line",
            ),
            IndexModel([("turn", ASCENDING)], name="turn", unique=True, partialFilterExpression={"turn": {"$gt": ""}}),
            IndexModel([("state", ASCENDING), ("lease_until", ASCENDING)], name="lease"),
            IndexModel([("workspace_id", ASCENDING), ("state", ASCENDING), ("post_id", DESCENDING)], name="by_state"),
            IndexModel([("workspace_id", ASCENDING), ("post_id", DESCENDING)], name="by_post"),
            IndexModel([("sent_hour", ASCENDING), ("account_id", ASCENDING)], name="sent"),
            IndexModel(
                [("account_id", ASCENDING), ("remote_id", ASCENDING)],
                name="receipt",
                unique=True,
                partialFilterExpression={"remote_id": {"$gt": ""}},  # every text; an equality implies it, so the index is used
            ),
        ]

    def model_post_init(self, context: object) -> None:
        """The order follows from the id, and what the index compares from the instant."""
        super().model_post_init(context)
        self.order = self.id
        self.due_ms = in_millis(self.due_at)

    @property
    def receipt(self) -> Receipt | None:
        """The receipt of the first part, which is the post people mean."""
        return self.parts[0].receipt

    @property
    def unnamed(self) -> bool:
        """Whether it is on the network, and nobody knows as which post: in these words it is never sent again."""
        return self.trouble is not None and self.trouble.remedy == CONFIRM

    @property
    def lane(self) -> str:
        """Whose queue its messages take: its platform's, or that of long uploads."""
        return UPLOADS if self.heavy else self.platform

    @property
    def preparing(self) -> bool:
        """Whether a worker has it and has certainly sent nothing: then it can still be taken back."""
        return self.state == State.PUBLISHING and self.fenced_at <= EPOCH

    @property
    def editable(self) -> bool:
        """Whether a person may still change or cancel it."""
        return self.state in EDITABLE or self.preparing

    @property
    def position(self) -> int:
        """The index of the first part that has not ended; ``len(parts)`` when all have."""
        return next((index for index, part in enumerate(self.parts) if not part.ended), len(self.parts))

    @property
    def text(self) -> str:
        """The text of the first part."""
        return self.parts[0].text
