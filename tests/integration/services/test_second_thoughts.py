"""A person changes their mind twice: what was canceled for good stays canceled, and a refusal changes nothing."""

import pytest

from app.engine import outbox
from app.engine.faultpoints import CLAIMED
from app.errors import TooLate
from app.ids import Id
from app.models import Post, State
from app.services.writing import posts, remedies
from tests.integration.services.test_publishing import hold, release
from tests.integration.services.world import World, fresh, of_post


async def test_sending_a_canceled_one_again_that_is_refused_leaves_its_post_canceled(world: World) -> None:
    post = await world.publish_now()
    done, _ = await of_post(post)
    await posts.cancel(world.workspace, post.id)
    await outbox.hold(post, Id())  # somebody is saving it
    with pytest.raises(TooLate):
        await remedies.send_again(world.workspace, done.id, sure=True)
    assert (await Post.get(post.id)).canceled


async def test_sending_what_is_published_again_leaves_its_post_canceled(world: World) -> None:
    post = await world.publish_now("bluesky", "mastodon")
    await world.outbox.hand_over(world.outbox.messages.pop(0))
    await posts.cancel(world.workspace, post.id)
    done = next(one for one in await of_post(post) if one.state == State.PUBLISHED)
    with pytest.raises(TooLate):
        await remedies.send_again(world.workspace, done.id, sure=True)
    assert (await Post.get(post.id)).canceled


async def test_sending_one_again_does_not_revive_another_that_is_still_to_be_stopped(world: World) -> None:
    post = await world.publish_now()
    going, waiting = await of_post(post)
    worker = await hold(world, going, CLAIMED)
    await posts.cancel(world.workspace, post.id)
    with pytest.raises(TooLate):
        await remedies.send_again(world.workspace, waiting.id, sure=True)
    await release(worker)
    assert (await fresh(going)).state == State.CANCELED
    await remedies.send_again(world.workspace, waiting.id, sure=True)
    await world.dispatch()
    assert [platform for platform, _ in await world.texts()] == [waiting.platform]
