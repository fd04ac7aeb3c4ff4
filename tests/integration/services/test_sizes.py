"""Drafts that are far too large: refused in words before any network's rules look at them, and nothing typed is lost."""

import asyncio
import time
from datetime import timedelta

import httpx
import pytest

from app.errors import Invalid
from app.ids import Id
from app.models import Attachment, Post, now
from app.services.writing import posts
from app.services.writing.sizes import MAX_ACCOUNTS, MAX_ALT, MAX_MEDIA, MAX_OPTION, MAX_TEXT
from tests.integration.services.test_forms import part, send, token
from tests.integration.services.world import World

HUGE = "a.b" * 40_000
SAVE = (posts.publish_now, posts.schedule, posts.save_draft)


async def refused(world: World, **more: object) -> set[str]:
    """The fields that every button refuses."""
    when = {"date": f"{now() + timedelta(days=2):%Y-%m-%d}", "time": "12:00", "zone": "UTC"}
    named = set()
    for verb in SAVE:
        with pytest.raises(Invalid) as refusal:
            await verb(world.workspace, world.alice, world.draft(**when, **more))
        named |= set(refusal.value.problems)
    assert await Post.find({}).to_list() == []
    return named


async def test_a_text_that_no_network_takes_is_refused(world: World) -> None:
    assert await refused(world, text="x" * (MAX_TEXT + 1)) == {"text"}


async def test_so_is_one_that_is_an_accounts_own(world: World) -> None:
    one = next(iter(world.accounts.values()))
    assert await refused(world, texts={one.id: HUGE}) == {"text"}


async def test_so_are_long_options_and_descriptions_and_crowds(world: World) -> None:
    one = world.accounts["mastodon"]
    assert await refused(world, options={one.id: {"warning": "x" * (MAX_OPTION + 1)}}) == {"options"}
    assert await refused(world, attachments=(await world.picture(alt="x" * (MAX_ALT + 1)),)) == {"media"}
    assert await refused(world, attachments=tuple(Attachment(media_id=Id()) for _ in range(MAX_MEDIA + 1))) == {"media"}


async def test_a_crowd_of_accounts_is_refused(world: World) -> None:
    draft = posts.Draft(text="Ring", account_ids=tuple(Id() for _ in range(MAX_ACCOUNTS + 1)))
    with pytest.raises(Invalid) as refusal:
        await posts.publish_now(world.workspace, world.alice, draft)
    assert set(refusal.value.problems) == {"accounts"}


async def test_the_preview_says_so_at_once(world: World) -> None:
    began = time.process_time()
    for shown in await posts.previews(world.workspace, world.draft(text=HUGE)):
        assert [problem.field for problem in shown.problems] == ["text"]
        assert shown.blocked
        assert shown.count == len(HUGE)
        assert shown.left < 0
    assert time.process_time() - began < 1


async def test_one_accounts_own_text_spoils_only_its_own_preview(world: World) -> None:
    one = world.accounts["bluesky"]
    shown = await posts.previews(world.workspace, world.draft(texts={one.id: HUGE}))
    assert {each.account.id for each in shown if each.blocked} == {one.id}


async def test_what_was_typed_is_still_on_the_page(alice: httpx.AsyncClient) -> None:
    form = {"_csrf_token": await token(alice), "text": HUGE, "action": "draft"}
    answer = await alice.post("/compose", data=form)
    assert answer.status_code == 422
    assert "more than 20,000 characters" in answer.text
    assert HUGE in answer.text


async def test_more_files_than_a_post_may_have_are_named(alice: httpx.AsyncClient) -> None:
    answer = await send(alice, "/compose", *[part("images", b"x", '; filename="a.png"')] * (MAX_MEDIA + 2))
    assert answer.status_code == 422
    assert f"at most {MAX_MEDIA} images" in answer.text


@pytest.mark.parametrize(
    "text",
    ["Ring " * (MAX_TEXT // 5), "#bell " * (MAX_TEXT // 6), "é👩‍👩‍👧" * (MAX_TEXT // 9), "bell.example " * (MAX_TEXT // 13)],
)
async def test_the_largest_text_for_twenty_accounts_lets_others_have_their_turn(world: World, text: str) -> None:
    for account in [*world.accounts.values()] * 9:
        await account.model_copy(update={"id": Id(), "remote_id": str(Id())}).insert()
    everybody = tuple(account.id for account in await posts.composing.profiles.listed(world.workspace))
    assert len(everybody) >= 20
    work = asyncio.create_task(posts.previews(world.workspace, posts.Draft(text=text, account_ids=everybody)))
    longest, last = 0.0, time.process_time()
    while not work.done():
        await asyncio.sleep(0)
        longest, last = max(longest, time.process_time() - last), time.process_time()
    assert longest < 0.5
