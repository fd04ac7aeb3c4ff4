"""Lists of documents are read whole, or not at all."""

from app.engine import outbox
from app.ids import Id
from app.models import MediaFile, Post, reading
from app.models.reading import rows
from tests.integration.services.world import World
from tests.integration.spoken import LISTENER

MANY = 300
"""More than a server puts into a reply unless it is asked to."""


async def test_a_long_list_comes_in_one_reply(world: World) -> None:
    """What is left for another one is forgotten by the embedded engine when the connection is closed, without an error."""
    path = f"media/{world.workspace.id}"
    facts = {"workspace_id": world.workspace.id, "mime": "image/png", "size": 1, "width": 1, "height": 1}
    await MediaFile.get_pymongo_collection().insert_many(
        [{"_id": Id(), "path": f"{path}/{number}", **facts} for number in range(MANY)]
    )
    before = len(LISTENER.commands)
    assert len(await reading.find(MediaFile, {})) == MANY
    assert len(await rows(MediaFile, {}, ["path"], limit=MANY - 1)) == MANY - 1
    assert LISTENER.commands[before:] == ["find media"] * 2


async def test_nobody_is_canceled_because_a_list_was_long(world: World) -> None:
    post = await world.publish_now("bluesky")
    raw = await Post.get_pymongo_collection().find_one({"_id": post.id})
    assert raw is not None
    ids = [Id() for _ in range(MANY)]
    await Post.get_pymongo_collection().insert_many([{**raw, "_id": one, "nonce": one, "order": one} for one in ids])
    [delivery] = await outbox.of(post.id)
    some = [delivery.model_copy(update={"id": Id(), "post_id": one}) for one in ids]
    assert await outbox.changed_wills(some) == {}
