"""The settings of one post: drawn from what the network and the account say, and kept as they were chosen."""

import re
from dataclasses import replace

import httpx
import pytest

from app.errors import Invalid
from app.models import Post
from app.services.writing import composing
from platforms import REGISTRY
from platforms.base import Option, OptionType, choices_of
from tests.integration.services.belfry import NAME, Belfry
from tests.integration.services.test_forms import part, send
from tests.integration.services.world import World, put

LIMITS = {"boards": [["b1", "Bells"], ["b2", "Towers"]]}


class Boards(Belfry):
    """Belfry with a board to choose, which the account brings along, and a switch."""

    def capabilities_for(self, limits):  # type: ignore[no-untyped-def]
        board = Option("board", "Board", OptionType.CHOICE, choices=choices_of(limits.get("boards")), required=True)
        notify = Option("notify", "Tell the followers", OptionType.TOGGLE, default="yes")
        return replace(self.capabilities, options=(board, notify))


@pytest.fixture
async def boards(world: World, monkeypatch: pytest.MonkeyPatch, belfry: Belfry) -> str:
    monkeypatch.setitem(REGISTRY, NAME, Boards())
    account = world.accounts[NAME]
    account.limits = LIMITS
    await put(account, limits=LIMITS)
    return f"option-{account.id}"


async def test_the_composer_asks_what_the_account_brings_along(alice: httpx.AsyncClient, world: World, boards: str) -> None:
    page = (await alice.get(f"/compose?account={world.accounts[NAME].id}")).text
    assert '<option value="">Choose</option>' in page
    assert re.findall(r'<option value="(b\d)">(\w+)</option>', page) == [("b1", "Bells"), ("b2", "Towers")]
    assert re.search(rf'type="checkbox" id="{boards}-notify" name="{boards}-notify" value="yes" checked', page)


@pytest.mark.parametrize("ticked", [True, False])
async def test_a_switch_is_kept_on_or_off(alice: httpx.AsyncClient, world: World, boards: str, ticked: bool) -> None:
    fields = [part("text", b"Ring"), part("account", world.accounts[NAME].id.encode()), part("action", b"draft")]
    fields += [part(f"{boards}-board", b"b2"), part(f"{boards}-notify", b"no")]
    fields += [part(f"{boards}-notify", b"yes")] if ticked else []
    assert (await send(alice, "/compose", *fields)).status_code == 303
    [post] = await Post.find({}).to_list()
    assert post.variants[0].options == {"board": "b2", "notify": "yes" if ticked else "no"}


async def test_what_the_network_demands_must_be_answered_before_it_is_sent(world: World, boards: str) -> None:
    account_id = world.accounts[NAME].id
    with pytest.raises(Invalid, match="Board") as refusal:
        await composing.check(world.workspace, world.draft(NAME))
    assert list(refusal.value.problems) == [str(account_id)]
    await composing.check(world.workspace, world.draft(NAME, options={account_id: {"board": "b1"}}))
    with pytest.raises(Invalid):
        await composing.check(world.workspace, world.draft(NAME, options={account_id: {"board": "somebody else's"}}))
