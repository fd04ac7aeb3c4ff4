"""Posts as people see them: a status in words, a sentence that says what to do, and the actions that are possible now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from app.engine import outbox
from app.engine.order import IN_ORDER
from app.errors import NotFound
from app.ids import Id
from app.models import (
    EDITABLE,
    EPOCH,
    FINAL,
    IN_FLIGHT,
    Account,
    AccountState,
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
from app.queries import equal
from app.services.accounts import profiles
from app.services.writing.composing import AttachedMedia, attached
from app.zones import local
from platforms import REGISTRY
from platforms.base import Adapter
from platforms.errors import Remedy


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One row of a post's page. ``tone`` is neutral, progress, good, warn or bad; ``detail`` is a sentence for the person.

    ``own_text`` and ``own_media`` are what this account gets or got, where that differs from what the page shows for all
    (``own_media`` only on the page of one post). ``actions`` are among ``send_again``, ``drop``, ``confirm``, ``deny``,
    ``reconnect``, ``edit``.
    """

    delivery: Delivery
    account: Account
    adapter: Adapter
    label: str
    tone: str
    detail: str
    url: str | None
    attempts: list[Attempt]
    actions: frozenset[str]
    own_text: str | None = None
    own_media: Sequence[AttachedMedia] = ()


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


_Query = Mapping[str, Any]
_FILTERS: dict[str, tuple[_Query, ...]] = {
    "scheduled": (
        equal(state=State.SCHEDULED),
        equal(state=State.QUEUED),
        equal(state=State.PUBLISHING),
        equal(state=State.PROCESSING),
        equal(state=State.UNCONFIRMED, undecidable=False),
    ),
    "published": (equal(state=State.PUBLISHED),),
    "needs you": (
        equal(state=State.FAILED),
        equal(state=State.DEAD),
        equal(state=State.MISSED),
        equal(state=State.UNCONFIRMED, undecidable=True),
    ),
}


async def view(workspace: Workspace, post_id: Id) -> PostView:
    """One post. Raises ``NotFound``."""
    post = await reading.get(Post, post_id)
    if post is None or post.workspace_id != workspace.id:
        raise NotFound
    found = await outbox.of(post.id)
    attempts = [attempt for delivery in found for attempt in await _attempts(delivery)]
    seen = (await _views([post], found, attempts))[0]
    return replace(seen, deliveries=[await _with_media(workspace, seen, row) for row in seen.deliveries])


async def _attempts(delivery: Delivery) -> list[Attempt]:
    return await reading.find(Attempt, equal(delivery_id=delivery.id), sort="started_at")


async def _with_media(workspace: Workspace, seen: PostView, row: DeliveryView) -> DeliveryView:
    if list(row.delivery.attachments) == list(seen.attachments):
        return row
    return replace(row, own_media=await attached(workspace, row.delivery.attachments))


async def listed(workspace: Workspace, *, status: str | None = None, before: Id | None = None, limit: int = 20) -> list[PostView]:
    """The newest posts first, ``limit`` of them, older than ``before``. ``status``: drafts, scheduled, published, needs you.

    By id and not by date: the embedded engine compares dates by the second, so the pages would not fit together.
    """
    if status in _FILTERS:
        posts = await _posts_in(workspace, _FILTERS[status], before, limit)
    else:
        mine = equal(workspace_id=workspace.id, **({"draft": True} if status == "drafts" else {}))
        query = {**mine, **({"order": {"$lt": before}} if before else {})}
        posts = await reading.find(Post, query, sort=[("order", -1)], limit=limit)
    found = await reading.find(Delivery, {"post_id": {"$in": [post.id for post in posts]}}) if posts else []
    return await _views(posts, found, [])


async def _posts_in(workspace: Workspace, wanted: Iterable[_Query], before: Id | None, limit: int) -> list[Post]:
    """Posts with a delivery that is ``wanted``. One question per state: each is answered by the index ``by_state``."""
    ids: set[Id] = set()
    for which in wanted:
        query = {**equal(workspace_id=workspace.id), **which, **({"post_id": {"$lt": before}} if before else {})}
        # a post has at most one delivery per account, so this many deliveries hold enough different posts for any sane number
        found = await reading.find(Delivery, query, sort=[("post_id", -1)], limit=limit * 10)
        ids |= {delivery.post_id for delivery in found}
    newest = sorted(ids, reverse=True)[:limit]
    posts = {post.id: post for post in await reading.find(Post, {"_id": {"$in": newest}})} if newest else {}
    return [posts[one] for one in newest if one in posts]


async def _views(posts: Sequence[Post], found: Sequence[Delivery], attempts: Sequence[Attempt]) -> list[PostView]:
    account_ids = list({delivery.account_id for delivery in found})
    known = {one.id: one for one in await reading.find(Account, {"_id": {"$in": account_ids}})} if account_ids else {}
    by_post = _grouped(found, "post_id")
    by_delivery = _grouped(attempts, "delivery_id")
    return [
        _post_view(
            post,
            [
                describe(one, known[one.account_id], by_delivery.get(one.id, []), zone=post.zone, at=now())
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
    free = not any(state in IN_FLIGHT for state in states)
    text = sent.text if sent else post.text
    return PostView(
        post=post,
        status=status_of(states, draft=post.draft, undecidable=any(delivery.undecidable for delivery in found)),
        text=text,
        attachments=sent.attachments if sent else post.attachments,
        deliveries=[replace(row, own_text=_other(row.delivery.text, text), actions=_offered(post, row)) for row in rows],
        final=all(delivery.state in FINAL or delivery.undecidable for delivery in found),
        can_edit=free and (not states or any(state in EDITABLE for state in states)),
        can_cancel=any(state in {State.SCHEDULED, State.QUEUED, State.MISSED} for state in states),
        can_reschedule=free and any(delivery.state in EDITABLE and not delivery.dropped for delivery in found),
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


# --- one delivery in words --------------------------------------------------------------------------------------------


def describe(delivery: Delivery, account: Account, attempts: list[Attempt], *, zone: str, at: datetime) -> DeliveryView:
    """The row of one delivery as of the instant ``at``. Pure."""
    label, tone, detail = _words(delivery, zone=zone, at=at)
    receipt = delivery.receipt
    return DeliveryView(
        delivery=delivery,
        account=account,
        adapter=REGISTRY[account.platform],
        label=label,
        tone=tone,
        detail=detail,
        url=profiles.public_url(account, receipt.url) if receipt else None,
        attempts=attempts,
        actions=_possible(_actions(delivery), account),
    )


def _words(delivery: Delivery, *, zone: str, at: datetime) -> tuple[str, str, str]:  # noqa: C901, PLR0911 - one per state
    reason = delivery.trouble.message if delivery.trouble else ""
    match delivery.state:
        case State.SCHEDULED | State.QUEUED:
            return _waiting(delivery, reason, zone=zone, at=at)
        case State.PUBLISHING:
            return "Sending", "progress", "It is being sent right now."
        case State.PROCESSING:
            return "Processing", "progress", "The network has it and is preparing it."
        case State.UNCONFIRMED if delivery.undecidable:
            return "Needs your answer", "warn", f"{reason} Please look on the network: is it there?"
        case State.UNCONFIRMED:
            return "Checking", "progress", "The network's answer got lost. We are asking whether the post is there."
        case State.PUBLISHED:
            return "Published", "good", _at("Published", delivery.published_at, zone)
        case State.FAILED:
            return "Failed", "bad", reason
        case State.MISSED:
            planned = _at("It was due", delivery.planned_at, zone)
            return "Missed", "warn", f"{planned} Nothing could be sent then. Send it now, choose another time, or drop it."
        case State.DEAD:
            return "Gave up", "bad", f"{reason} We tried {_times(delivery.attempts)}."
        case State.CANCELED:
            return "Canceled", "neutral", _canceled(delivery, reason)


def _canceled(delivery: Delivery, reason: str) -> str:
    if delivery.dropped and delivery.first_sent_at > EPOCH:
        return "You dropped it without an answer: it may be on the network all the same."
    return reason or "It will not be sent."


def _waiting(delivery: Delivery, reason: str, *, zone: str, at: datetime) -> tuple[str, str, str]:
    clock = local(delivery.due_at, zone).strftime("%H:%M")
    if reason:
        passed = " Later posts of this account do not wait for it any more." if at > delivery.planned_at + IN_ORDER else ""
        return f"Retrying at {clock}" if delivery.attempts else f"Waiting until {clock}", "warn", reason + passed
    if delivery.due_at <= at:
        return "Sending soon", "progress", "It is due and waits for its turn."
    return "Scheduled", "neutral", _at("Planned for", delivery.due_at, zone)


def _at(words: str, instant: datetime | None, zone: str) -> str:
    return f"{words} {local(instant, zone).strftime('%-d %B %Y, %H:%M')}." if instant else words


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _possible(actions: frozenset[str], account: Account) -> frozenset[str]:
    """To an account that is disconnected nothing can be sent before it is connected again."""
    if account.state == AccountState.DISCONNECTED and "send_again" in actions:
        return actions - {"send_again"} | {"reconnect"}
    return actions


def _actions(delivery: Delivery) -> frozenset[str]:
    match delivery.state:
        case State.FAILED | State.DEAD if delivery.trouble and delivery.trouble.remedy == Remedy.RECONNECT:
            return frozenset({"reconnect", "send_again"})
        case State.FAILED:
            return frozenset({"edit", "send_again"})
        case State.MISSED:
            return frozenset({"send_again", "drop"})
        case State.DEAD | State.CANCELED:
            return frozenset({"send_again"})
        case State.UNCONFIRMED if delivery.undecidable:
            return frozenset({"confirm", "deny", "drop"})
        case _:
            return frozenset()
