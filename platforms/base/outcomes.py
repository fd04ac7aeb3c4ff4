"""What comes of a publication, what a network answers when it is asked, and what survives a crash in between.

                before the fence            behind it
publish         Waiting                     Published · Processing · raises PlatformError
reconcile                                   Published · Processing · Absent · Refused · Unnamed · raises Unconfirmed
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from platforms.base.content import Content
from platforms.errors import PlatformError


class Checkpoint(Protocol):
    """What survives a crash in the middle of ``publish``.

    The order is fixed: uploads and containers, each followed by ``save``; then ``fence``; then the one visible mutation, with
    nothing in between.
    """

    @property
    def saved(self) -> Mapping[str, Any]:
        """What earlier attempts at the same content stored (uploaded blob references, container ids); JSON values only."""
        ...

    @property
    def first_sent_at(self) -> datetime | None:
        """When this part's first visible mutation may have been sent, in an earlier attempt; ``None``: never yet.

        It survives retries, so that a refusal as a duplicate can be read: on a repetition it is evidence that the first one
        arrived (X answers 403, LinkedIn 422 with the first one's id), otherwise that a person posted the same elsewhere.
        """
        ...

    async def save(self, **data: Any) -> None:
        """Store ``data`` on top of what is saved. Raises if this worker no longer holds the lease."""
        ...

    async def progress(self, **data: Any) -> None:
        """Store ``data`` like :meth:`save` after each chunk of a long upload; the delivery is alive.

        Renews the lease, the step limit and the limit of the whole try, and forgets the strikes so far: an upload that moves on
        dies of silence, not of length (YouTube's gigabytes, Facebook's and LinkedIn's chunks). Raises like :meth:`save`.
        """
        ...

    async def fence(self) -> None:
        """Durably note that the visible mutation is about to be sent. Raises if this worker may not send it any more.

        After this call a crash, a time-out or a lost answer means *ask*, so call it immediately before the request.
        """
        ...


@dataclass(frozen=True, slots=True)
class SentAttempt:
    """The attempt that ``reconcile`` asks about: its key and content, what it saved, and when its fence was written.

    ``first_sent_at`` is when the first attempt at this content may have been sent, if that was an earlier one.
    """

    key: str
    content: Content
    saved: Mapping[str, Any]
    sent_at: datetime
    first_sent_at: datetime | None = None


# --- what is out, or on its way ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Published:
    """The receipt: the network's own id, and the public address of the post.

    ``data`` is kept with it for the parts that answer this one (:class:`~platforms.base.Reference`): short texts, no secret.
    """

    remote_id: str
    url: str
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Processing:
    """Accepted, not visible yet; ask again with ``reconcile`` after ``check_in``.

    ``remote_ref`` is what to ask for (YouTube: the video; Facebook: the reel; Tumblr: the post while it is transcoded, which gets
    another id). The newest one is kept, and found as ``saved["remote_ref"]``. Longer than ``processing_limit`` nobody waits.
    """

    remote_ref: str
    check_in: timedelta


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing is sent yet: the network still prepares what was uploaded (a container at Instagram and Threads, a video at
    LinkedIn, X and Bluesky).

    Only before the fence, and only after everything that was begun is saved. The account's turn and the worker are free
    meanwhile, no strike is counted, and ``publish`` is called again after ``check_in`` with the same key and what is saved. An
    adapter that polls within a few seconds need not answer it. Longer than ``processing_limit`` nobody waits.
    """

    check_in: timedelta


@dataclass(frozen=True, slots=True)
class Absent:
    """The network does not have it, and sending it again is safe as far as the network can tell.

    Whether it may still be storing it, the engine judges by :attr:`Capabilities.settles_in`. A lookup that cannot prove it (words
    differ, a clock beyond tolerance, a listing that hides some posts) raises ``Unconfirmed`` instead.
    """


@dataclass(frozen=True, slots=True)
class Refused:
    """It was accepted first and refused later, for good: nothing is visible, and ``error`` is the network's reason.

    What is refused while it is processed (YouTube: ``rejected`` with a reason; Facebook's reels and Instagram's containers that
    end in ``ERROR``). The delivery fails with it, and what was saved is forgotten. What a second try may cure is ``Absent``.
    """

    error: PlatformError


@dataclass(frozen=True, slots=True)
class Unnamed:
    """It is visible, and nobody knows its id: certainly not to be sent again.

    A person looks for it and pastes its address; sending again is not offered. ``evidence`` is the sentence they read, and says
    how the network knows (Instagram, Threads: the container is ``PUBLISHED`` and no post in the list is certainly this one).
    """

    evidence: str


@dataclass(frozen=True, slots=True)
class Metrics:
    """What people did with a post so far, as its network counts. What it does not tell is ``None``, not 0.

    ``likes`` are favourites or reactions of any kind, ``reposts`` also reblogs and reshares, ``replies`` also comments, ``views``
    also impressions and plays (Bluesky and Mastodon count none; Tumblr tells only likes, reblogs and replies together).
    """

    likes: int | None = None
    reposts: int | None = None
    replies: int | None = None
    quotes: int | None = None
    views: int | None = None


def counted(value: object) -> int | None:
    """A number of a network's, also as text (YouTube); ``None`` for what can be none."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _DIGITS:
        value = int(value)
    return value if type(value) is int and 0 <= value < 10**_DIGITS else None


_DIGITS = 15
"""Of the largest number that is believed; a database takes no more than eighteen."""


Outcome = Published | Processing | Waiting
"""What ``publish`` returns."""

Answer = Published | Processing | Absent | Refused | Unnamed
"""What ``reconcile`` returns."""
