"""Another file in the place of one: in what is not sent yet. What went out keeps what it showed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.errors import Invalid, NotFound, TooLate
from app.ids import Id
from app.models import Attachment, MediaFile, Post, State, Workspace
from app.services.media import files, pins, removing
from app.services.media.removing import Holder
from app.services.writing import composing, posts, saving

_WAITS = frozenset({State.SCHEDULED, State.QUEUED})


@dataclass(frozen=True, slots=True)
class Kept:
    """A post that keeps the old file although it is not out, and why."""

    post: Post
    reason: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """The ``file`` that took the place, the posts that show it now, and those that cannot; ``gone``: the old one is deleted."""

    file: MediaFile
    changed: Sequence[Post]
    kept: Sequence[Kept]
    gone: bool


async def replaced(workspace: Workspace, old_id: Id, new_id: Id) -> Replaced:
    """``new_id`` in the place of ``old_id``: in drafts, and in posts of which all waits, each with a new revision.

    It takes over folder, and description and name where it has none of its own. What a network would refuse with it stays as it
    is, and is told. The old file is deleted if nothing holds it any more. Raises ``NotFound``. Cut off in between it has replaced
    some, and may be done again.
    """
    old, new = await files.get(workspace, old_id), await files.get(workspace, new_id)
    new = await files.describe(workspace, new.id, alt=new.alt or old.alt, folder=old.folder)
    changed: list[Post] = []
    kept: list[Kept] = []
    for holder in await removing.holders(workspace, old.id):
        if not _may_change(holder):
            continue
        try:
            changed.append(await _changed(workspace, holder.post, old.id, new))
        except NotFound:
            continue  # deleted meanwhile
        except Invalid as invalid:
            kept.append(Kept(holder.post, " ".join(dict.fromkeys(invalid.problems.values()))))
        except TooLate as late:
            kept.append(Kept(holder.post, late.message))
    return Replaced(new, changed, kept, await _is_deleted(workspace, old.id))


def _may_change(holder: Holder) -> bool:
    waits = all(one.dropped or one.state in _WAITS for one in holder.deliveries)
    return holder.post.draft or (waits and bool(holder.deliveries) and not holder.post.canceled)


async def _changed(workspace: Workspace, post: Post, old_id: Id, new: MediaFile) -> Post:
    """The post with the new file, checked as a form would be. Raises like :func:`saving.change`, and ``Invalid``."""
    draft = await posts.draft_of(workspace, post.id)
    draft = replace(
        draft,
        attachments=tuple(_instead(each, old_id, new) for each in draft.attachments),
        files={account: tuple(_instead(each, old_id, new) for each in own) for account, own in draft.files.items()},
    )
    if not post.draft:
        await composing.check(workspace, draft)
    draft = await composing.settled(workspace, draft)
    accounts = await composing.chosen(workspace, draft.account_ids)
    changes = {
        "attachments": [each.model_dump() for each in draft.attachments],
        "variants": [draft.variant(account).model_dump() for account in accounts],
    }
    async with pins.held(workspace, list(dict.fromkeys(each.media_id for each in draft.everything))):
        return await saving.change(post, changes)


def _instead(attachment: Attachment, old_id: Id, new: MediaFile) -> Attachment:
    """Its place, its description and its shape stay; the point to keep and the cut were about another picture."""
    if attachment.media_id != old_id:
        return attachment
    return attachment.model_copy(update={"media_id": new.id, "focus": None, "trim": None})


async def _is_deleted(workspace: Workspace, media_id: Id) -> bool:
    if await files.used_by(workspace, media_id):
        return False
    try:
        await removing.delete(workspace, media_id)
    except TooLate:
        return False
    return True
