"""Deleting a file that no post needs any more. What keeps it and a save from both coming true stands in :mod:`pins`."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from app.engine import outbox
from app.errors import Conflict, TooLate
from app.ids import Id
from app.models import Delivery, FittedFile, MediaFile, MediaState, Post, State, Workspace
from app.queries import equal
from app.services.media import files, pins, records
from app.storage import StorageError

OVER = frozenset({State.PUBLISHED, State.FAILED, State.DEAD, State.CANCELED})
"""Nothing is sent any more, unless a person says so again, and is told then that a file is gone."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A post that holds the file, and its deliveries."""

    post: Post
    deliveries: Sequence[Delivery]

    @property
    def needs_it(self) -> bool:
        """Whether it may still be sent, or is being written."""
        return self.post.draft or self.post.settling or any(one.state not in OVER for one in self.deliveries)


class Needed(TooLate):
    """Posts that are planned, on their way or drafts hold the file: ``holders``. Nothing was deleted."""

    def __init__(self, holders: Sequence[Holder]) -> None:
        some = "A post still needs" if len(holders) == 1 else f"{len(holders)} posts still need"
        super().__init__(f"{some} this file. Take it out of what is planned or a draft, or replace it.")
        self.holders = holders


async def holders(workspace: Workspace, media_id: Id) -> list[Holder]:
    """Where the file is used, the newest post first."""
    return [Holder(post, await outbox.of(post.id)) for post in await files.used_by(workspace, media_id)]


async def delete(workspace: Workspace, media_id: Id) -> None:
    """Delete the file, for good. Raises ``NotFound``, ``Needed``, and ``Conflict`` while a post with it is being saved."""
    file = await files.get(workspace, media_id)
    if pins.is_pinned(file):
        raise _busy()
    if needing := [one for one in await holders(workspace, media_id) if one.needs_it]:
        raise Needed(needing)
    taken = await records.move(file, [MediaState.READY], equal(pin_ms=file.pin_ms), state=MediaState.DELETED)
    if taken is None:
        raise _busy()
    with suppress(StorageError):  # what is left is looked for every hour, see :mod:`expiring`
        await _clear(taken)


def _busy() -> Conflict:
    return Conflict("A post with this file is being saved at this very moment. Nothing was deleted; try again.")


async def _clear(file: MediaFile) -> None:
    await records.clear(file)
    await FittedFile.get_pymongo_collection().delete_many(equal(media_id=file.id))
