"""The world of the use cases: Alice with a workspace and two accounts, Charlie next door, and a courier with a memory."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from beanie import Document

from app import runtime
from app.courier import FIT, PUBLISH, RECONCILE
from app.engine import access, dispatching, fitting, pacing, publishing, reconciling
from app.engine.backoff import Decision
from app.ids import Id
from app.models import (
    ALL,
    EPOCH,
    Account,
    Attachment,
    Delivery,
    Grant,
    Member,
    Post,
    Role,
    State,
    User,
    Workspace,
    in_millis,
    now,
)
from app.services.accounts import connecting
from app.services.media import files
from app.services.writing import posts
from app.services.writing.posts import Draft
from app.settings import Settings
from tests.contract.harness import Judge, picture, whole

PATIENCE = 20
"""Seconds after which something that should have happened counts as never happening."""

_CLOCKS = (
    "due_at",
    "planned_at",
    "fenced_at",
    "first_sent_at",
    "sent_at",
    "begun_at",
    "processing_at",
    "lease_until",
    "sweep_at",
    "held_until",
    "not_before",
)
_LEASES = ("blocked_until", "retrying_until", "line_until")


async def until(happened: Callable[[], bool | Awaitable[bool]]) -> None:
    """Look again and again until it is true; the test fails when that takes too long."""
    deadline = time.monotonic() + PATIENCE
    while True:
        seen = happened()
        if seen if isinstance(seen, bool) else await seen:
            return
        assert time.monotonic() < deadline, "it never happened"
        await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Message:
    """What a queue would hold."""

    actor: str
    delivery_ids: Sequence[Id]
    platform: str
    due_at: datetime


@dataclass
class Outbox:
    """A courier that keeps messages until the test has them delivered. While not ``accepting`` it is a broker that is away."""

    accepting: bool = True
    messages: list[Message] = field(default_factory=list)

    async def send(self, actor: str, delivery_ids: Sequence[Id], platform: str, *, delay: timedelta = timedelta()) -> bool:
        if self.accepting:
            self.messages.append(Message(actor, delivery_ids, platform, now() + delay))
        return self.accepting

    def close(self) -> None:
        """A courier is closed with the runtime."""

    async def deliver(self) -> None:
        """Deliver what is due, and what follows from it, until only delayed messages are left."""
        while due := [message for message in self.messages if message.due_at <= now()]:
            for message in due:
                self.messages.remove(message)
                await self.hand_over(message)

    async def hand_over(self, message: Message) -> None:
        """A worker gets it."""
        if message.actor == RECONCILE:
            await reconciling.reconcile(message.delivery_ids[0])
        elif message.actor == PUBLISH:
            await publishing.publish_all(message.delivery_ids)
        elif message.actor == FIT:
            await fitting.fit(message.delivery_ids[0])

    def expire(self, by: timedelta) -> None:
        """``by`` of every delay has passed."""
        self.messages = [Message(m.actor, m.delivery_ids, m.platform, m.due_at - by) for m in self.messages]

    def of(self, delivery: Delivery) -> list[str]:
        """The actors that were called for ``delivery``."""
        return [message.actor for message in self.messages if delivery.id in message.delivery_ids]


@dataclass
class Installation:
    """A running Carillon with a database of its own."""

    settings: Settings
    outbox: Outbox = field(default_factory=Outbox)
    _parts: runtime.Runtime | None = None

    async def wake(self) -> None:
        """Run, with nothing in the database. Another test may have started a runtime of its own meanwhile."""
        if not runtime.started() or runtime.current() is not self._parts:
            await self._close()
            self._parts = await runtime.start(self.settings, self.outbox, name="worker-1")
        self.outbox.accepting = True
        self.outbox.messages.clear()
        if self.settings.fault_points is not None:
            for left in self.settings.fault_points.iterdir():  # a test that cancels a held worker leaves its file
                left.unlink()
        pacing.forget()
        for model in ALL:
            await model.get_pymongo_collection().delete_many({})

    async def remove(self) -> None:
        """Stop, and leave no database behind."""
        if self._parts is not None:
            await self._parts.client.drop_database(self._parts.client.get_default_database())
        await self._close()

    async def _close(self) -> None:
        if self._parts is not None:
            await self._parts.http.aclose()
            await self._parts.connecting.aclose()
            await self._parts.client.close()


@dataclass
class World:
    """What a test holds in its hands. ``accounts`` are Alice's, by platform."""

    outbox: Outbox
    judge: Judge
    workspace: Workspace
    alice: User
    charlie: User
    elsewhere: Workspace
    accounts: dict[str, Account]

    def draft(self, *platforms: str, text: str = "Ring the bells", **more: Any) -> Draft:
        """A draft for accounts on ``platforms`` (none named: on all)."""
        chosen = tuple(self.accounts[name].id for name in platforms or self.accounts)
        return Draft(text=text, account_ids=chosen, **more)

    async def publish_now(self, *platforms: str, **more: Any) -> Post:
        """Press *Publish now*; the messages are in the outbox afterwards."""
        post = await posts.publish_now(self.workspace, self.alice, self.draft(*platforms, **more))
        await settled()
        return post

    async def queued(self, platform: str, **more: Any) -> Delivery:
        """A delivery that is due now and whose message is with the broker."""
        post = await self.publish_now(platform, **more)
        [delivery] = await of_post(post)
        assert delivery.state == State.QUEUED
        return delivery

    async def picture(self, alt: str = "A bell") -> Attachment:
        """An uploaded picture."""
        data = await whole(picture())
        return Attachment(media_id=(await files.add(self.workspace, data)).id, alt=alt)

    async def dispatch(self) -> None:
        """One pass of the dispatcher, and delivery of what it sent."""
        await dispatching.run_pass(now())
        await self.outbox.deliver()

    async def pass_time(self, by: timedelta) -> None:
        """Let everything on record have happened ``by`` earlier."""
        for model, clocks in ((Delivery, _CLOCKS), (Account, _LEASES), (Grant, ("refreshing_until",))):
            for document in await model.find({}).to_list():
                earlier = {name: getattr(document, name) - by for name in clocks if getattr(document, name) > EPOCH}
                if earlier:
                    await put(document, **earlier)
        self.outbox.expire(by)

    async def texts(self) -> list[tuple[str, str]]:
        """Platform and text of every post the networks accepted, in order; duplicates too."""
        return [(post["platform"], post["text"]) for post in await self.judge.posts()]


async def populated(outbox: Outbox, judge: Judge) -> World:
    """The people, their workspaces, and Alice's accounts."""
    alice, workspace = await _owner("Alice")
    charlie, elsewhere = await _owner("Charlie")
    connected = {account.platform: account for account in await connecting.connect_sandbox(workspace)}
    return World(outbox, judge, workspace, alice, charlie, elsewhere, connected)


async def _owner(name: str) -> tuple[User, Workspace]:
    user = await User(email=f"{name.lower()}@example.org", name=name, password_hash="none").insert()
    workspace = await Workspace(name=f"{name}'s", zone="Europe/Berlin").insert()
    await Member(workspace_id=workspace.id, user_id=user.id, role=Role.OWNER).insert()
    return user, workspace


async def settled() -> None:
    """Wait for what a form left to do in the background."""
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "hurry"))


async def ring(delivery: Delivery, *behind: Delivery) -> Decision | None:
    """A worker gets the message of ``delivery``, and of those ``behind`` it; what it has to do again for the first."""
    decided = await publishing.publish([delivery.id, *(one.id for one in behind)])
    return decided[0][1] if decided else None


async def fresh(delivery: Delivery) -> Delivery:
    """The delivery as the database has it now."""
    found = await Delivery.get(delivery.id)
    assert found is not None
    return found


async def current(account: Account) -> Account:
    """The account as the database has it now."""
    found = await Account.get(account.id)
    assert found is not None
    return found


async def grant_of(account: Account) -> Grant:
    """The account's grant as the database has it now."""
    found = await Grant.get(account.grant_id)
    assert found is not None
    return found


async def token(account: Account) -> str:
    """The access token that the account would publish with now."""
    return (await access.open_session(await current(account))).tokens["access"]


async def of_post(post: Post) -> list[Delivery]:
    """The post's deliveries, in the order of their platforms."""
    return sorted(await Delivery.find({"post_id": post.id}).to_list(), key=lambda delivery: delivery.platform)


async def put(document: Document, **facts: Any) -> None:
    """Write ``facts`` into the document, past every use case."""
    if "due_at" in facts:
        facts["due_ms"] = in_millis(facts["due_at"])
    await type(document).get_pymongo_collection().update_one({"_id": document.id}, {"$set": facts})


async def documents() -> dict[str, list[dict[str, Any]]]:
    """Everything in the database, raw."""
    database = Delivery.get_pymongo_collection().database
    return {name: await database[name].find({}).to_list() for name in await database.list_collection_names()}


def settings() -> Settings:
    """The running settings."""
    return runtime.current().settings
