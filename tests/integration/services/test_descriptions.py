"""Descriptions of pictures: a warning everywhere, and a rule where the workspace wants it."""

import httpx
import pytest

from app.errors import Invalid
from app.models import Workspace
from app.services.writing import composing, posts
from tests.integration.services.test_forms import part, send
from tests.integration.services.world import World, of_post

SETTINGS = {"name": b"Alice's", "zone": b"Europe/Berlin", "late_policy": b"ask", "late_after": b"60", "keep_files": b"0"}


async def choose(alice: httpx.AsyncClient, world: World, *, required: bool) -> Workspace:
    """The owner saves the settings; the workspace as it is then."""
    fields = {**SETTINGS, **({"alt_required": b"yes"} if required else {})}
    answer = await send(alice, "/workspace", *(part(name, value) for name, value in fields.items()))
    assert answer.status_code == 303
    found = await Workspace.get(world.workspace.id)
    assert found is not None
    return found


async def test_a_picture_without_a_description_is_warned_of_and_goes_out(world: World) -> None:
    draft = world.draft(attachments=(await world.picture(alt=""),))
    shown = await composing.check(world.workspace, draft)
    assert {problem.code for one in shown for problem in one.problems} == {"alt_missing"}


async def test_a_workspace_may_want_a_description_of_every_picture(alice: httpx.AsyncClient, world: World) -> None:
    strict = await choose(alice, world, required=True)
    assert strict.alt_required
    assert "checked> Every picture" in (await alice.get("/workspace")).text
    bare, described = world.draft(attachments=(await world.picture(alt=" "),)), world.draft(attachments=(await world.picture(),))
    with pytest.raises(Invalid) as refusal:
        await posts.publish_now(strict, world.alice, bare)
    assert len(refusal.value.problems) == len(world.accounts)
    assert all("This workspace asks for one" in sentence for sentence in refusal.value.problems.values())
    assert await of_post(await posts.publish_now(strict, world.alice, described))
    assert await posts.save_draft(strict, world.alice, bare)


async def test_the_owner_may_think_again(alice: httpx.AsyncClient, world: World) -> None:
    await choose(alice, world, required=True)
    relaxed = await choose(alice, world, required=False)
    assert await composing.check(relaxed, world.draft(attachments=(await world.picture(alt=""),)))
