"""A workspace with many accounts, and deliveries by the thousand: made in bulk, past the forms."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import httpx

from app import runtime
from app.ids import Id
from app.models import Account, Delivery, Grant, Part, Post, Receipt, State, Variant, now
from platforms import REGISTRY
from platforms.base import Consent
from platforms.sandbox.connect import connect
from tests.bench.site import Base

BLUESKY, MASTODON = "bluesky", "mastodon"

BATCH = 1000
"""Documents per bulk insert."""

TEXT = "The bells ring at nine, at noon and at six; come up and see how a carillon of forty-nine bells is played."


@dataclass(frozen=True)
class Profiles:
    """Sandbox accounts that are signed in, per network. They outlive a database: tokens stay good."""

    connected: dict[str, list[Consent]]

    async def accounts(self, workspace_id: Id, platform: str, number: int) -> list[Account]:
        """The first ``number`` of a network as connected accounts of the workspace."""
        some = self.connected[platform][:number]
        consents = [_grant(workspace_id, platform, one) for one in some]
        made = [_account(grant, one) for grant, one in zip(consents, some, strict=True)]
        await insert(consents)
        await insert(made)
        return made


async def sign_in(base: Base, numbers: dict[str, int]) -> Profiles:
    """Make so many accounts on each network and sign in to them."""
    async with httpx.AsyncClient(timeout=30) as http:
        return Profiles(
            {platform: [await _sign_in(base, http, platform, i) for i in range(n)] for platform, n in numbers.items()}
        )


async def _sign_in(base: Base, http: httpx.AsyncClient, platform: str, number: int) -> Consent:
    handle = f"ringer{number}"
    await base.judge.post("/accounts", json={"platform": platform, "handle": handle})
    found = await connect(http, base.sandbox.url, REGISTRY[platform], handle=handle)
    return replace(found, server=found.server.removeprefix(base.sandbox.url))


def _grant(workspace_id: Id, platform: str, connected: Consent) -> Grant:
    return Grant(
        workspace_id=workspace_id,
        platform=platform,
        server=connected.server,
        subject=connected.subject,
        sealed=runtime.current().sealer.seal(connected.tokens.values),
    )


def _account(grant: Grant, connected: Consent) -> Account:
    [profile] = connected.candidates
    return Account(
        workspace_id=grant.workspace_id,
        grant_id=grant.id,
        platform=grant.platform,
        server=grant.server,
        remote_id=profile.remote_id,
        handle=profile.handle,
        display_name=profile.display_name or profile.handle,
        limits=dict(profile.limits),
        sandbox=True,
    )


def deliveries(accounts: Sequence[Account], each: int, due_at: datetime, *, name: str) -> list[Delivery]:
    """``each`` deliveries per account, all due at one instant. Every text is different, so that the judge tells them apart."""
    return [
        _delivery(account, due_at, f"{name} {one} of {account.handle}. {TEXT}") for one in range(each) for account in accounts
    ]


def _delivery(account: Account, due_at: datetime, text: str, **more: Any) -> Delivery:
    delivery_id = Id()
    return Delivery(
        id=delivery_id,
        workspace_id=account.workspace_id,
        post_id=more.pop("post_id", None) or Id(),
        account_id=account.id,
        platform=account.platform,
        state=more.pop("state", State.SCHEDULED),
        planned_at=due_at,
        due_at=due_at,
        parts=[Part(key=f"{delivery_id}-1-0", text=text, receipt=more.pop("receipt", None))],
        **more,
    )


async def history(account: Account, author_id: Id, number: int) -> list[Post]:
    """``number`` posts of the past, published: a post and a finished delivery each. Returns the last batch."""
    posts: list[Post] = []
    for start in range(0, number, BATCH):
        posts = [_old_post(account, author_id, age=number - index) for index in range(start, min(start + BATCH, number))]
        await insert(posts)
        await insert([_finished(account, post) for post in posts])
    return posts


def _old_post(account: Account, author_id: Id, *, age: int) -> Post:
    at = now() - timedelta(minutes=10 * age)
    variants = [Variant(account_id=account.id)]
    facts: dict[str, Any] = {"text": TEXT, "variants": variants, "planned_at": at, "created_at": at, "updated_at": at}
    return Post(workspace_id=account.workspace_id, author_id=author_id, **facts)


def _finished(account: Account, post: Post) -> Delivery:
    at = post.planned_at or now()
    receipt = Receipt(remote_id=post.id, url=f"https://example.org/{post.id}")
    return _delivery(
        account,
        at,
        post.text,
        post_id=post.id,
        state=State.PUBLISHED,
        receipt=receipt,
        remote_id=receipt.remote_id,
        published_at=at,
        attempts=1,
    )


async def plan(some: Sequence[Delivery]) -> None:
    """Insert deliveries that are to be published, and before them the posts that they follow."""
    author = Id()
    await insert([Post(id=one.post_id, workspace_id=one.workspace_id, author_id=author, text=one.text) for one in some])
    await insert(some)


async def insert(documents: Sequence[Any]) -> None:
    """Many documents of one kind, in bulk."""
    for start in range(0, len(documents), BATCH):
        await type(documents[0]).insert_many(documents[start : start + BATCH])
