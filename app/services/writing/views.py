"""Posts as people see them: a status in words, what was sent or is written, and the actions that are possible now."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from types import MappingProxyType

from app.engine import attempts, outbox
from app.errors import NotFound
from app.ids import Id
from app.models import (
    FINAL,
    IN_FLIGHT,
    Account,
    Attachment,
    Attempt,
    Delivery,
    Post,
    State,
    Workspace,
    now,
    reading,
    tidy,
)
from app.services.writing.composing import attached
from app.services.writing.words import DeliveryView, describe


@dataclass(frozen=True, slots=True)
class PostView:
    """A post with all that its page needs. ``final``: nothing changes any more until a person acts.

    ``text``, ``attachments`` and ``planned_at`` are what was sent as soon as something was; before that, what is written.
    """

    post: Post
    status: str
    text: str
    attachments: Sequence[Attachment]
    deliveries: list[DeliveryView]
    final: bool
    can_edit: bool
    can_cancel: bool
    can_reschedule: bool
    can_duplicate: bool
    can_delete: bool
    planned_at: datetime | None
    zone: str


_CANCELABLE = frozenset({State.SCHEDULED, State.QUEUED, State.MISSED})
_NONE: Mapping[Id, list[Attempt]] = MappingProxyType({})


async def view(workspace: Workspace, post_id: Id) -> PostView:
    """One post. Raises ``NotFound``."""
    post = await reading.get(Post, post_id)
    if post is None or post.workspace_id != workspace.id:
        raise NotFound
    found = await outbox.of(post.id)
    tries = await asyncio.gather(*(attempts.of(delivery) for delivery in found))
    [seen] = await of([post], found, {delivery.id: some for delivery, some in zip(found, tries, strict=True)})
    return replace(seen, deliveries=[await _with_media(workspace, seen, row) for row in seen.deliveries])


async def _with_media(workspace: Workspace, seen: PostView, row: DeliveryView) -> DeliveryView:
    if list(row.delivery.attachments) == list(seen.attachments):
        return row
    return replace(row, own_media=await attached(workspace, row.delivery.attachments))


async def of(posts: Sequence[Post], found: Sequence[Delivery], tries: Mapping[Id, list[Attempt]] = _NONE) -> list[PostView]:
    """The posts with their deliveries among ``found``; ``tries`` are their attempts, by delivery, where they are to be shown."""
    account_ids = list({delivery.account_id for delivery in found})
    known = {one.id: one for one in await reading.find(Account, {"_id": {"$in": account_ids}})} if account_ids else {}
    by_post = _grouped(found, "post_id")
    return [
        _post_view(
            post,
            [
                describe(one, known[one.account_id], tries.get(one.id, []), zone=post.zone, at=now())
                for one in sorted(by_post.get(post.id, []), key=lambda delivery: delivery.created_at)
                if one.account_id in known
            ],
        )
        for post in posts
    ]


def _grouped(documents: Iterable[object], field: str) -> dict[Id, list]:  # type: ignore[type-arg]
    ordered = sorted(documents, key=lambda document: getattr(document, field))
    return {key: list(group) for key, group in groupby(ordered, key=lambda document: getattr(document, field))}


def _post_view(post: Post, rows: list[DeliveryView]) -> PostView:
    found = [row.delivery for row in rows]
    states = [delivery.state for delivery in found]
    sent = next((delivery for delivery in found if delivery.state == State.PUBLISHED), None)
    free = not any(delivery.state in IN_FLIGHT and not delivery.preparing for delivery in found)
    text = sent.text if sent else post.text
    return PostView(
        post=post,
        status=status_of(states, draft=post.draft, undecidable=any(delivery.undecidable for delivery in found)),
        text=text,
        attachments=sent.attachments if sent else post.attachments,
        deliveries=[replace(row, own_text=_other(row.delivery.text, text), actions=_offered(post, row)) for row in rows],
        final=all(delivery.state in FINAL or delivery.undecidable for delivery in found),
        can_edit=free and (not states or any(one.editable for one in found)),
        can_cancel=any(one.preparing or one.state in _CANCELABLE for one in found),
        can_reschedule=free and any(one.editable and not one.dropped for one in found),
        can_duplicate=sent is not None,
        can_delete=free and sent is None,
        planned_at=sent.planned_at if sent else post.planned_at,
        zone=post.zone,
    )


def _offered(post: Post, row: DeliveryView) -> frozenset[str]:
    """What was dropped, and then left out of the post, is only a record: there is nothing to send again."""
    return row.actions - {"send_again"} if post.leaves_out(row.delivery.account_id) else row.actions


def _other(own: str, shown: str) -> str | None:
    return own if own != tidy(shown) else None


def status_of(states: Sequence[State], *, draft: bool, undecidable: bool) -> str:  # noqa: PLR0911
    """A post's status from its deliveries: what needs a person first, then what is under way, then what is done."""
    have = set(states)
    if not have or (draft and not have & (IN_FLIGHT | {State.PUBLISHED})):
        return "draft"
    if undecidable or State.MISSED in have:
        return "needs you"
    if have & {State.PUBLISHING, State.PROCESSING, State.UNCONFIRMED}:
        return "publishing"
    if have & {State.SCHEDULED, State.QUEUED}:
        return "scheduled"
    if have == {State.PUBLISHED}:
        return "published"
    if State.PUBLISHED in have:
        return "partly published"
    return "canceled" if have == {State.CANCELED} else "failed"
