"""What grows with use is removed when nobody needs it any more: old evidence, what has expired."""

from datetime import timedelta

from app.ids import Id
from app.models import EPOCH, AttemptKind, Delivery, LoginSession, PastAttempt, PendingConnection, State, now
from app.services.operations import retention
from tests.integration.services.world import World

KEPT = timedelta(days=180)
OLD = now() - KEPT - timedelta(days=1)


async def attempt(delivery_id: Id, *, started_at: object = OLD) -> Id:
    made = PastAttempt(
        delivery_id=delivery_id, workspace_id=Id(), kind=AttemptKind.PUBLISH, number=1, worker="w", started_at=started_at
    )
    return (await made.insert()).id


async def left(*attempts: Id) -> list[bool]:
    return [await PastAttempt.get(each) is not None for each in attempts]


async def delivery_in(world: World, state: State) -> Id:
    ids = {"workspace_id": world.workspace.id, "post_id": Id(), "account_id": Id()}
    made = Delivery(**ids, platform="bluesky", state=state, planned_at=OLD, due_at=OLD, parts=[])
    return (await made.insert()).id


async def test_attempts_are_removed_when_they_are_old_and_their_delivery_is_final_or_gone(world: World) -> None:
    published, gone = await delivery_in(world, State.PUBLISHED), Id()
    old = [await attempt(published), await attempt(gone)]
    young = await attempt(published, started_at=now() - KEPT + timedelta(days=1))
    assert await retention.remove_attempts(now()) >= 2
    assert await left(*old, young) == [False, False, True]


async def test_the_evidence_of_an_open_delivery_stays_and_holds_nothing_else_up(world: World) -> None:
    open_one = await delivery_in(world, State.UNCONFIRMED)
    kept = [await attempt(open_one, started_at=OLD - timedelta(days=1)) for _ in range(retention.BATCH + 1)]
    removed = await attempt(Id())
    await retention.remove_attempts(now())
    assert await left(kept[0], kept[-1], removed) == [True, True, False]
    await Delivery.get_pymongo_collection().delete_one({"_id": open_one})
    assert await retention.remove_attempts(now()) == len(kept)


async def test_what_expired_is_removed_also_where_the_engine_does_not(world: World) -> None:
    session = LoginSession(token_hash=Id(), user_id=Id(), expires_at=now() - timedelta(minutes=1))
    live = LoginSession(token_hash=Id(), user_id=Id(), expires_at=now() + timedelta(minutes=1))
    facts = {"user_id": Id(), "workspace_id": Id(), "platform": "p", "server": "s", "redirect_uri": "r", "sealed": "x"}
    pending = PendingConnection(state_hash=Id(), expires_at=EPOCH, **facts)
    for document in (session, live, pending):
        await document.insert()
    await retention.remove_idle(now())
    assert await LoginSession.get(session.id) is None
    assert await LoginSession.get(live.id) is not None
    assert await PendingConnection.get(pending.id) is None
