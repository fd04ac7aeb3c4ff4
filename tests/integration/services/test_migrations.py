"""What an older Carillon left in the database is brought to its present form when a process starts."""

import asyncio
from typing import Any

import pytest

from app import migrations, runtime
from app.ids import Id
from app.models import EPOCH, FIRST, Account, Delivery, Grant, GrantState, Post, State, now
from app.sealing import Sealer
from app.services.accounts import connecting
from tests.integration.services.belfry import NAME, Turnstile
from tests.integration.services.world import World, fresh, grant_of, token
from tests.integration.spoken import LISTENER

DAY_MS = 24 * 60 * 60 * 1000


def old_account(world: World, **facts: Any) -> dict[str, Any]:
    """An account as it was stored when it held its own tokens."""
    return {
        "_id": Id(),
        "workspace_id": world.workspace.id,
        "platform": "mastodon",
        "server": "https://mastodon.example",
        "remote_id": "1",
        "handle": "old",
        "display_name": "Old",
        "avatar_url": None,
        "sealed": runtime.current().sealer.seal({"access": "old-token"}),
        "session_version": 7,
        "limits": {},
        "state": "connected",
        "sandbox": False,
        **dict.fromkeys(("busy_until", "refreshing_until", "paced_until"), EPOCH),
        "busy_with": None,
        "limits_at": now(),
        "created_at": now(),
        **facts,
    }


async def stored(raw: dict[str, Any]) -> Account:
    found = await Account.get(raw["_id"])
    assert found is not None
    return found


async def test_accounts_that_hold_their_own_tokens_get_a_grant_when_a_process_starts(world: World) -> None:
    old = [old_account(world), old_account(world, remote_id="2", state="reconnect_needed", session_version=1)]
    old.append(old_account(world, remote_id="3", state="disconnected", sealed=""))
    collection = Account.get_pymongo_collection()
    await collection.insert_many(old)
    untouched = await grant_of(world.accounts["bluesky"])
    await asyncio.gather(*(migrations.run() for _ in range(4)))
    await migrations.run()
    one, two, three = [await stored(account) for account in old]
    assert await token(one) == "old-token"
    found = [(grant.version, grant.state, bool(grant.sealed)) for grant in [await grant_of(each) for each in (one, two, three)]]
    assert found == [
        (7, GrantState.CONNECTED, True),
        (1, GrantState.RECONNECT_NEEDED, True),
        (7, GrantState.FORGOTTEN, False),
    ]
    for raw in await collection.find({}).to_list():
        assert not {"sealed", "session_version", "refreshing_until"} & set(raw)
    assert await grant_of(world.accounts["bluesky"]) == untouched
    assert len(await Grant.find({}).to_list()) == 5


async def test_a_broken_account_does_not_hold_up_the_start(world: World, caplog: pytest.LogCaptureFixture) -> None:
    broken, whole = old_account(world, server=None), old_account(world, remote_id="2")
    await Account.get_pymongo_collection().insert_many([broken, whole])
    await migrations.run()
    assert await token(await stored(whole)) == "old-token"
    assert f"account {broken['_id']} has no readable tokens" in caplog.text


async def test_a_start_that_was_interrupted_is_finished_by_the_next_one(world: World) -> None:
    """It had made the grant; then a process of the older version renewed the account's tokens."""
    old = old_account(world)
    await Account.get_pymongo_collection().insert_one({**old, "remote_id": "1"})
    stale = Sealer("another secret key of 32 characters").seal({"access": "older"})
    key = {name: old[name] for name in ("workspace_id", "platform", "server")}
    await Grant(id=old["_id"], **key, subject="1", sealed=stale, version=6).insert()
    await migrations.run()
    account = await stored(old)
    assert await token(account) == "old-token"
    assert (await grant_of(account)).version == account.grant_version == 7


async def test_an_old_account_that_is_connected_again_keeps_its_grant(world: World, turnstile: Turnstile) -> None:
    old = old_account(world, platform=NAME, server="https://belfry.example", remote_id="ringer-9")
    await Account.get_pymongo_collection().insert_one(old)
    await migrations.run()
    again = await connecting.connect(world.workspace, NAME, {"id": "ringer-9"})
    assert (again.id, again.grant_id) == (old["_id"], old["_id"])
    assert await token(again) == "token-1"


async def test_deliveries_and_accounts_of_an_older_installation_get_what_is_compared_now(world: World) -> None:
    delivery = await world.queued("bluesky")
    raw = Delivery.get_pymongo_collection()
    old = {"revision": 3}
    new = dict.fromkeys(("wording", "order", "sweep_at", "held_until", "first_sent_at"), "")
    await raw.update_one({"_id": delivery.id}, {"$set": old, "$unset": new})
    await Post.get_pymongo_collection().update_one({"_id": delivery.post_id}, {"$unset": {"revision": "", "settling_at": ""}})
    gone = {"blocked_until": "", "retrying_until": ""}
    await Account.get_pymongo_collection().update_one({"_id": delivery.account_id}, {"$unset": gone})
    await asyncio.gather(migrations.run(), migrations.run())
    moved = await fresh(delivery)
    assert (moved.revision, moved.wording, moved.order) == (FIRST, 3, delivery.id)
    post = await Post.get_pymongo_collection().find_one({"_id": delivery.post_id})
    assert post is not None
    assert post["revision"] == FIRST
    await world.outbox.deliver()
    assert (await fresh(delivery)).state == State.PUBLISHED


async def test_what_is_in_its_present_form_for_a_day_is_not_looked_at_again(world: World) -> None:
    done = Post.get_pymongo_collection().database["schema"]
    await done.delete_many({})
    await asyncio.gather(*(migrations.run_if_due() for _ in range(3)))
    [known] = await done.find({}).to_list()
    assert known["version"] == migrations.VERSION

    async def looks() -> bool:
        before = len(LISTENER.commands)
        await migrations.run_if_due()
        return "find deliveries" in LISTENER.commands[before:]

    assert await looks()  # a process of the older version may have written since
    await done.update_one({"_id": "version"}, {"$set": {"since_ms": known["since_ms"] - 2 * DAY_MS}})
    assert not await looks()
    await done.update_one({"_id": "version"}, {"$set": {"version": migrations.VERSION - 1}})
    assert await looks()
    assert (await done.find_one({"_id": "version"}) or {})["since_ms"] >= known["since_ms"]
