"""Posts: written once however often the form is sent, changed for as long as nothing was sent, and nobody else's business."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.errors import Conflict, GoneOut, Invalid, NotFound, TooLate
from app.ids import Id
from app.models import EDITABLE, EPOCH, Attachment, Delivery, MediaFile, Post, State, now
from app.services.accounts import connecting
from app.services.media import files
from app.services.writing import posts, views
from app.services.writing.posts import Draft, Target
from app.zones import local
from tests.contract.harness import picture, whole
from tests.integration.services.world import World, documents, fresh, of_post, put, settled

OPEN = frozenset({State.PUBLISHING, State.PROCESSING, State.UNCONFIRMED})
"""Behind the fence, or near it: nobody may change these."""


def planned(draft: Draft, later: timedelta = timedelta(days=1), zone: str = "UTC") -> Draft:
    """``draft`` for a time on a clock in ``zone``."""
    at = local(now() + later, zone)
    return replace(draft, date=f"{at:%Y-%m-%d}", time=f"{at:%H:%M}", zone=zone)


async def scheduled(world: World, *platforms: str, **more: Any) -> Post:
    """A post that is due tomorrow."""
    return await posts.schedule(world.workspace, world.alice, planned(world.draft(*platforms, **more)))


async def count(world: World) -> tuple[int, int]:
    """How many posts and deliveries there are."""
    return len(await Post.find({}).to_list()), len(await Delivery.find({}).to_list())


# --- writing ----------------------------------------------------------------------------------------------------------


async def test_a_scheduled_post_has_a_delivery_for_every_account_at_the_chosen_minute(world: World) -> None:
    draft = planned(world.draft(), zone="Asia/Kathmandu")
    post = await posts.schedule(world.workspace, world.alice, draft)
    deliveries = await of_post(post)
    assert [delivery.platform for delivery in deliveries] == ["bluesky", "mastodon"]
    assert {delivery.state for delivery in deliveries} == {State.SCHEDULED}
    assert {delivery.due_at for delivery in deliveries} == {post.planned_at}
    assert f"{local(post.planned_at, 'Asia/Kathmandu'):%Y-%m-%d %H:%M}" == f"{draft.date} {draft.time}"


async def test_an_account_may_have_a_text_of_its_own(world: World) -> None:
    own = {world.accounts["mastodon"].id: "Ring the #bells"}
    post = await world.publish_now(texts=own)
    assert [delivery.text for delivery in await of_post(post)] == ["Ring the bells", "Ring the #bells"]
    assert (await posts.draft_of(world.workspace, post.id)).texts == own


async def test_white_space_and_line_ends_are_those_the_network_will_show(world: World) -> None:
    post = await world.publish_now("bluesky", text="  One\r\nTwo \n")
    assert [delivery.text for delivery in await of_post(post)] == ["One\nTwo"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"later": -timedelta(minutes=5)}, "date"),
        ({"later": timedelta(days=6 * 366)}, "date"),
        ({"zone": "Europe/Atlantis"}, "zone"),
        ({"zone": "../../etc/passwd"}, "zone"),
        ({"date": ""}, "date"),
        ({"date": "2027-02-30"}, "date"),
        ({"time": "25:00"}, "date"),
        ({"time": "12:00+02:00"}, "time"),
    ],
)
async def test_a_time_that_cannot_be_meant_is_refused(world: World, change: dict[str, Any], field: str) -> None:
    draft = planned(world.draft(), change.pop("later", timedelta(days=1)))
    with pytest.raises(Invalid) as refusal:
        await posts.schedule(world.workspace, world.alice, replace(draft, **change))
    assert set(refusal.value.problems) == {field}
    assert await count(world) == (0, 0)


async def test_the_minute_that_just_went_by_is_sent_at_once(world: World) -> None:
    await posts.schedule(world.workspace, world.alice, planned(world.draft("bluesky"), timedelta(seconds=1)))
    await settled()
    await world.pass_time(timedelta(seconds=1))
    await world.outbox.deliver()
    assert len(await world.texts()) == 1


async def test_what_a_network_would_refuse_is_not_saved(world: World) -> None:
    with pytest.raises(Invalid) as refusal:
        await world.publish_now(text="x" * 301)
    assert set(refusal.value.problems) == {world.accounts["bluesky"].id}
    assert await count(world) == (0, 0)


async def test_a_post_needs_an_account_and_a_draft_does_not(world: World) -> None:
    with pytest.raises(Invalid) as refusal:
        await posts.publish_now(world.workspace, world.alice, Draft(text="Ring the bells"))
    assert set(refusal.value.problems) == {"accounts"}
    draft = await posts.save_draft(world.workspace, world.alice, Draft(text="Ring the bells"))
    assert (draft.draft, await of_post(draft)) == (True, [])
    assert (await views.view(world.workspace, draft.id)).status == "draft"


async def test_an_empty_draft_is_refused(world: World) -> None:
    with pytest.raises(Invalid):
        await posts.save_draft(world.workspace, world.alice, Draft(text=" \n"))
    assert await count(world) == (0, 0)


async def test_a_draft_becomes_a_post_with_all_it_holds(world: World) -> None:
    kept = planned(world.draft(attachments=(await world.picture("A bell"),), language="de"))
    saved = await posts.save_draft(world.workspace, world.alice, kept)
    assert replace(await posts.draft_of(world.workspace, saved.id), options={}) == kept
    await posts.publish_now(world.workspace, world.alice, kept, Target(post_id=saved.id))
    await settled()
    await world.outbox.deliver()
    assert sorted(post["media"] for post in await world.judge.posts()) == [1, 1]
    assert not (await Post.get(saved.id)).draft


async def test_a_scheduled_post_that_becomes_a_draft_is_not_sent(world: World) -> None:
    post = await world.publish_now()
    await posts.save_draft(world.workspace, world.alice, world.draft(), Target(post_id=post.id))
    await world.outbox.deliver()
    await world.dispatch()
    assert (await of_post(post), await world.texts()) == ([], [])


# --- the same form again ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", [posts.publish_now, posts.schedule, posts.save_draft])
async def test_a_form_sent_twice_makes_one_post(world: World, verb: Callable[..., Awaitable[Post]]) -> None:
    draft, nonce = planned(world.draft()), Id()
    first = await verb(world.workspace, world.alice, draft, Target(new_id=nonce))
    await settled()
    before = await of_post(first)
    again = await verb(world.workspace, world.alice, draft, Target(new_id=nonce))
    await settled()
    assert first.id == again.id == nonce
    assert len(await Post.find({}).to_list()) == 1
    assert await of_post(again) == before


async def test_a_form_sent_ten_times_at_once_makes_one_post(world: World) -> None:
    nonce = Id()
    forms = [posts.publish_now(world.workspace, world.alice, world.draft(), Target(new_id=nonce)) for _ in range(10)]
    assert {post.id for post in await asyncio.gather(*forms)} == {nonce}
    await settled()
    assert await count(world) == (1, 2)
    await world.outbox.deliver()
    assert len(await world.texts()) == 2


@pytest.mark.parametrize("state", sorted(OPEN | {State.PUBLISHED}))
async def test_a_form_sent_twice_is_no_error_even_if_the_first_is_being_sent(world: World, state: State) -> None:
    nonce = Id()
    first = await posts.publish_now(world.workspace, world.alice, world.draft("bluesky"), Target(new_id=nonce))
    await settled()
    [delivery] = await of_post(first)
    await put(delivery, state=state, fenced_at=now())
    before = await fresh(delivery)
    again = await posts.publish_now(world.workspace, world.alice, world.draft("bluesky"), Target(new_id=nonce))
    assert again.id == nonce
    assert await fresh(delivery) == before


async def test_what_a_crash_left_half_done_is_completed_by_the_same_form(world: World) -> None:
    draft, nonce = planned(world.draft()), Id()
    whole = await posts.schedule(world.workspace, world.alice, draft, Target(new_id=nonce))
    kept, lost = await of_post(whole)
    await lost.delete()
    completed = await posts.schedule(world.workspace, world.alice, draft, Target(new_id=nonce))
    again, made = await of_post(completed)
    assert again == kept
    assert (made.text, made.due_at, made.state) == (lost.text, lost.due_at, State.SCHEDULED)


async def test_a_crash_before_the_first_delivery_is_completed_too(world: World) -> None:
    draft, nonce = world.draft(), Id()
    whole = await posts.publish_now(world.workspace, world.alice, draft, Target(new_id=nonce))
    await settled()
    await Delivery.find({"post_id": whole.id}).delete()
    world.outbox.messages.clear()
    await posts.publish_now(world.workspace, world.alice, draft, Target(new_id=nonce))
    await settled()
    await world.outbox.deliver()
    assert len(await world.texts()) == 2


async def test_going_back_to_a_sent_form_and_changing_it_changes_its_post_once_both_versions_were_seen(world: World) -> None:
    nonce = Id()
    first = await posts.schedule(world.workspace, world.alice, planned(world.draft("bluesky")), Target(new_id=nonce))
    changed = planned(world.draft(text="Ring them louder"), timedelta(days=2))
    with pytest.raises(Conflict):
        await posts.schedule(world.workspace, world.alice, changed, Target(new_id=nonce))
    assert await Post.get(first.id) == first.model_copy(update={"settling": False, "settling_at": EPOCH})
    post = await posts.schedule(world.workspace, world.alice, changed, Target(post_id=first.id, base=first.revision))
    assert (post.id, post.text) == (nonce, "Ring them louder")
    assert [(one.platform, one.text, one.due_at) for one in await of_post(post)] == [
        ("bluesky", "Ring them louder", post.planned_at),
        ("mastodon", "Ring them louder", post.planned_at),
    ]


async def test_keeping_a_scheduled_post_as_a_draft_takes_it_back(world: World) -> None:
    first = await posts.schedule(world.workspace, world.alice, planned(world.draft()))
    target = Target(post_id=first.id, base=first.revision)
    kept = await posts.save_draft(world.workspace, world.alice, world.draft(text="Not yet"), target)
    assert (kept.draft, kept.text, await of_post(kept)) == (True, "Not yet", [])


# --- editing ----------------------------------------------------------------------------------------------------------


async def test_an_edit_changes_texts_and_keys(world: World) -> None:
    post = await scheduled(world)
    before = await of_post(post)
    changed = planned(world.draft(text="Ring them louder", language="de"))
    await posts.schedule(world.workspace, world.alice, changed, Target(post_id=post.id))
    after = await of_post(post)
    assert [delivery.id for delivery in after] == [delivery.id for delivery in before]
    assert {(delivery.text, delivery.language, delivery.wording) for delivery in after} == {("Ring them louder", "de", 2)}
    assert not {part.key for one in before for part in one.parts} & {part.key for one in after for part in one.parts}


@pytest.mark.parametrize("state", State)
async def test_an_edit_wins_or_is_too_late(world: World, state: State) -> None:
    post = await scheduled(world, "bluesky")
    [delivery] = await of_post(post)
    await put(delivery, state=state, strikes=3, undecidable=state == State.UNCONFIRMED, fenced_at=now())
    before = await fresh(delivery)
    edit = posts.schedule(world.workspace, world.alice, planned(world.draft("bluesky", text="Louder")), Target(post_id=post.id))
    if state not in EDITABLE:
        with pytest.raises(TooLate):
            await edit
        assert await Post.get(post.id) == post.model_copy(update={"settling": False, "settling_at": EPOCH})
    else:
        await edit
    after = await fresh(delivery)
    if state in EDITABLE:
        assert (after.state, after.text, after.strikes) == (State.SCHEDULED, "Louder", 0)
    else:
        assert after == before


async def test_an_account_taken_out_of_a_post_gets_nothing(world: World) -> None:
    post = await world.publish_now()
    await posts.publish_now(world.workspace, world.alice, world.draft("mastodon"), Target(post_id=post.id))
    await settled()
    await world.outbox.deliver()
    assert [platform for platform, _ in await world.texts()] == ["mastodon"]
    assert [delivery.platform for delivery in await of_post(post)] == ["mastodon"]


async def test_an_account_taken_out_while_it_is_being_sent_is_too_late(world: World) -> None:
    post = await scheduled(world)
    sending, waiting = await of_post(post)
    await put(sending, state=State.PUBLISHING, fenced_at=now())
    with pytest.raises(TooLate):
        await posts.schedule(
            world.workspace, world.alice, planned(world.draft("mastodon", text="Louder")), Target(post_id=post.id)
        )
    assert (await fresh(sending)).state == State.PUBLISHING
    assert (await fresh(waiting)).text == "Ring the bells"
    assert (await Post.get(post.id)).text == "Ring the bells"


async def test_mending_what_failed_leaves_alone_what_is_published(world: World) -> None:
    post = await scheduled(world)
    done, failed = await of_post(post)
    await put(done, state=State.PUBLISHED)
    await put(failed, state=State.FAILED)
    before = await fresh(done)
    await posts.publish_now(world.workspace, world.alice, world.draft("mastodon", text="Mended"), Target(post_id=post.id))
    await settled()
    await world.outbox.deliver()
    assert await fresh(done) == before
    assert await world.texts() == [("mastodon", "Mended")]


async def test_an_account_added_to_a_post_gets_it_too(world: World) -> None:
    post = await scheduled(world, "bluesky")
    await posts.publish_now(world.workspace, world.alice, world.draft(), Target(post_id=post.id))
    await settled()
    await world.outbox.deliver()
    assert sorted(platform for platform, _ in await world.texts()) == ["bluesky", "mastodon"]


async def test_what_went_out_is_not_edited_but_made_a_new_post_of(world: World) -> None:
    post = await world.publish_now("bluesky")
    await world.outbox.deliver()
    for action in (
        posts.editable(world.workspace, post.id),
        posts.publish_now(world.workspace, world.alice, world.draft(text="Louder"), Target(post_id=post.id)),
        posts.save_draft(world.workspace, world.alice, world.draft(text="Louder"), Target(post_id=post.id)),
    ):
        with pytest.raises(GoneOut):
            await action
    shown = await views.view(world.workspace, post.id)
    assert (shown.text, shown.status, shown.can_edit, shown.can_duplicate) == ("Ring the bells", "published", False, True)
    assert (await posts.draft_of(world.workspace, post.id)).text == "Ring the bells"


async def test_a_picture_that_is_not_there_or_another_workspaces_is_not_left_out_silently(world: World) -> None:
    theirs = await files.add(world.elsewhere, await whole(picture()))
    for other in (theirs.id, Id()):
        attachments = (await world.picture("Mine"), Attachment(media_id=other))
        for verb in (posts.publish_now, posts.save_draft):
            with pytest.raises(Invalid) as refusal:
                await verb(world.workspace, world.alice, world.draft("bluesky", attachments=attachments))
            assert set(refusal.value.problems) == {"media"}
    assert await count(world) == (0, 0)


async def test_an_account_of_another_workspace_is_left_out(world: World) -> None:
    with pytest.raises(Invalid) as refusal:
        await posts.publish_now(world.elsewhere, world.charlie, world.draft())
    assert set(refusal.value.problems) == {"accounts"}
    assert await count(world) == (0, 0)


# --- cancel, reschedule, delete ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", State)
async def test_cancel_wins_or_is_too_late(world: World, state: State) -> None:
    post = await scheduled(world, "bluesky")
    [delivery] = await of_post(post)
    await put(delivery, state=state)
    before = await fresh(delivery)
    if state in {State.SCHEDULED, State.QUEUED, State.MISSED}:
        await posts.cancel(world.workspace, post.id)
        assert (await fresh(delivery)).state == State.CANCELED
    elif state == State.PUBLISHING:  # not fenced: it is taken back
        await posts.cancel(world.workspace, post.id)
        assert (await Post.get(post.id)).canceled
        assert (await fresh(delivery)).state == State.CANCELED
    else:
        with pytest.raises(TooLate):
            await posts.cancel(world.workspace, post.id)
        assert await fresh(delivery) == before


@pytest.mark.parametrize("state", State)
async def test_reschedule_wins_or_is_too_late(world: World, state: State) -> None:
    post = await scheduled(world, "bluesky")
    [delivery] = await of_post(post)
    await put(delivery, state=state, fenced_at=now())
    before = await fresh(delivery)
    later = planned(Draft(), timedelta(days=3), "Europe/Berlin")
    move = posts.reschedule(world.workspace, post.id, date=later.date, time=later.time, zone=later.zone)
    if state in EDITABLE:
        moved = await move
        after = await fresh(delivery)
        assert (after.state, after.due_at, after.planned_at) == (State.SCHEDULED, moved.planned_at, moved.planned_at)
        assert moved.zone == "Europe/Berlin"
        assert after.parts == before.parts
    else:
        with pytest.raises(TooLate):
            await move
        assert await fresh(delivery) == before
        assert (await Post.get(post.id)).planned_at == post.planned_at


@pytest.mark.parametrize("state", State)
async def test_delete_wins_or_is_too_late(world: World, state: State) -> None:
    post = await scheduled(world, "bluesky")
    [delivery] = await of_post(post)
    await put(delivery, state=state, fenced_at=now())
    before = await fresh(delivery)
    if state in EDITABLE:
        await posts.delete(world.workspace, post.id)
        assert await count(world) == (0, 0)
    else:
        with pytest.raises(TooLate):
            await posts.delete(world.workspace, post.id)
        assert await fresh(delivery) == before
        assert await Post.get(post.id) is not None


async def test_a_cancel_that_meets_a_worker_either_wins_or_is_too_late(world: World) -> None:
    for _ in range(5):
        delivery = await world.queued("bluesky")
        canceled, _ = await asyncio.gather(
            posts.cancel(world.workspace, delivery.post_id), world.outbox.deliver(), return_exceptions=True
        )
        won = isinstance(canceled, Post)
        assert (await fresh(delivery)).state == (State.CANCELED if won else State.PUBLISHED)
        assert len(await world.texts()) == (0 if won else 1)
        await world.judge.http.post("/reset")


async def test_cancel_stops_what_waits_and_lets_the_rest_go(world: World) -> None:
    post = await scheduled(world)
    sending, waiting = await of_post(post)
    await put(sending, state=State.PUBLISHING, fenced_at=now())
    await posts.cancel(world.workspace, post.id)
    assert [(await fresh(one)).state for one in (sending, waiting)] == [State.PUBLISHING, State.CANCELED]


async def test_a_draft_is_deleted_without_ado(world: World) -> None:
    draft = await posts.save_draft(world.workspace, world.alice, world.draft())
    await posts.delete(world.workspace, draft.id)
    assert await count(world) == (0, 0)


# --- nobody else's business -------------------------------------------------------------------------------------------


async def test_another_workspaces_post_does_not_exist_and_nothing_changes(world: World) -> None:
    post = await scheduled(world)
    await posts.save_draft(world.workspace, world.alice, world.draft())
    before = await documents()
    alien, who, draft = world.elsewhere, world.charlie, Draft(text="Mine now")
    later = planned(draft)
    for action in (
        posts.view(alien, post.id),
        posts.draft_of(alien, post.id),
        posts.cancel(alien, post.id),
        posts.delete(alien, post.id),
        posts.reschedule(alien, post.id, date=later.date, time=later.time, zone=later.zone),
        posts.save_draft(alien, who, draft, Target(post_id=post.id)),
        posts.save_draft(alien, who, draft, Target(new_id=post.id)),
    ):
        with pytest.raises(NotFound):
            await action
    for verb in (posts.publish_now, posts.schedule):
        with pytest.raises((NotFound, Invalid)):
            await verb(alien, who, replace(later, account_ids=world.draft().account_ids), Target(post_id=post.id))
    assert await posts.listed(alien) == []
    assert await documents() == before


async def test_with_an_account_of_ones_own_another_workspaces_post_still_does_not_exist(world: World) -> None:
    post = await scheduled(world)
    [mine, *_] = await connecting.connect_sandbox(world.elsewhere)
    before = await documents()
    draft = planned(Draft(text="Mine now", account_ids=(mine.id,)))
    for verb in (posts.publish_now, posts.schedule, posts.save_draft):
        for which in ({"post_id": post.id}, {"new_id": post.id}):
            with pytest.raises(NotFound):
                await verb(world.elsewhere, world.charlie, draft, Target(**which))
    assert await documents() == before


async def test_a_post_that_is_not_there_does_not_exist(world: World) -> None:
    for action in (posts.view(world.workspace, Id()), posts.cancel(world.workspace, Id()), posts.delete(world.workspace, Id())):
        with pytest.raises(NotFound):
            await action


# --- lists ------------------------------------------------------------------------------------------------------------


async def page(world: World, **asked: Any) -> list[str]:
    return [view.post.text for view in await posts.listed(world.workspace, **asked)]


async def test_the_newest_posts_come_first_page_by_page(world: World) -> None:
    for number in range(7):
        await scheduled(world, "bluesky", text=f"Bell {number}")
    pages, before = [], None
    while shown := await posts.listed(world.workspace, before=before, limit=3):
        pages.append([view.post.text for view in shown])
        before = shown[-1].post.id
    assert pages == [["Bell 6", "Bell 5", "Bell 4"], ["Bell 3", "Bell 2", "Bell 1"], ["Bell 0"]]


async def test_the_pages_of_a_filter_follow_each_other_too(world: World) -> None:
    for number in range(5):
        await scheduled(world, text=f"Bell {number}")
    first = await posts.listed(world.workspace, status="scheduled", limit=2)
    second = await posts.listed(world.workspace, status="scheduled", before=first[-1].post.id, limit=2)
    assert [view.post.text for view in first + second] == ["Bell 4", "Bell 3", "Bell 2", "Bell 1"]
    assert all(len(view.deliveries) == 2 for view in first)


@pytest.mark.parametrize("broken", [False, True], ids=["", "a broken one between"])
async def test_a_page_whose_posts_lie_far_apart_shows_each_with_all_its_deliveries(world: World, broken: bool) -> None:
    """The deliveries of a page are read by a range with an end: behind others' in between, they must be found all the same."""
    for number in range(12):
        post = await scheduled(world, text=f"Bell {number}")
        for delivery in await of_post(post) if number not in (0, 1, 10) else []:
            await put(delivery, state=State.PUBLISHED)
            if broken and number == 9:
                await put(delivery, parts="not a list")
    shown = await posts.listed(world.workspace, status="scheduled", limit=3)
    assert [(view.post.text, len(view.deliveries)) for view in shown] == [("Bell 10", 2), ("Bell 1", 2), ("Bell 0", 2)]
    assert all(row.delivery.post_id == view.post.id for view in shown for row in view.deliveries)


async def test_only_the_first_picture_of_a_post_stands_for_it_in_the_list(world: World) -> None:
    first, second = await world.picture("One"), await world.picture("Two")
    await scheduled(world, text="Without")
    post = await scheduled(world, text="With", attachments=(first, second))
    [cover] = (covers := await posts.covers(world.workspace, await posts.listed(world.workspace))).values()
    assert (list(covers), cover.alt, cover.file.id) == ([post.id], "One", first.media_id)
    assert await posts.covers(world.elsewhere, await posts.listed(world.workspace)) == {}


LISTED_UNDER = {
    "scheduled": {State.SCHEDULED, State.QUEUED, State.PUBLISHING, State.PROCESSING, State.UNCONFIRMED},
    "published": {State.PUBLISHED},
    "needs you": {State.FAILED, State.DEAD, State.MISSED},
    "drafts": set[State](),
}


@pytest.mark.parametrize("state", State)
async def test_each_state_is_found_under_its_filter(world: World, state: State) -> None:
    post = await scheduled(world, "bluesky")
    [delivery] = await of_post(post)
    await put(delivery, state=state)
    found = {name for name in LISTED_UNDER if await page(world, status=name)}
    assert found == {name for name, states in LISTED_UNDER.items() if state in states}
    assert await page(world) == ["Ring the bells"]


async def test_an_open_question_needs_the_person(world: World) -> None:
    post = await scheduled(world, "bluesky")
    [delivery] = await of_post(post)
    await put(delivery, state=State.UNCONFIRMED, undecidable=True)
    assert {name for name in LISTED_UNDER if await page(world, status=name)} == {"needs you"}


async def test_drafts_are_found_under_drafts(world: World) -> None:
    await posts.save_draft(world.workspace, world.alice, world.draft(text="Later"))
    await scheduled(world)
    assert await page(world, status="drafts") == ["Later"]


async def test_lists_end_at_the_workspace(world: World) -> None:
    await scheduled(world)
    for status in (None, *LISTED_UNDER):
        assert await posts.listed(world.elsewhere, status=status) == []


async def test_a_published_row_links_to_the_post(world: World) -> None:
    post = await world.publish_now()
    await world.outbox.deliver()
    [shown] = await posts.listed(world.workspace, status="published")
    assert shown.status == "published"
    assert sorted(row.url for row in shown.deliveries) == sorted(one["url"] for one in await world.judge.posts())
    assert (await posts.view(world.workspace, post.id)).final


async def test_a_picture_that_is_gone_is_a_reason_and_not_left_out(world: World) -> None:
    attachment = await world.picture()
    post = await scheduled(world, "bluesky", attachments=(attachment,))
    [delivery] = await of_post(post)
    await MediaFile.find({"_id": attachment.media_id}).delete()
    await put(delivery, due_at=now(), planned_at=now())
    await world.dispatch()
    failed = await fresh(delivery)
    assert (failed.state, failed.trouble.code, await world.texts()) == (State.FAILED, "media_gone", [])


@pytest.mark.parametrize("at_once", range(10))
async def test_of_two_who_edit_at_once_at_most_one_wins_and_page_and_network_agree(world: World, at_once: int) -> None:
    later = {"date": "2030-01-01", "time": "10:00"}
    post = await posts.schedule(world.workspace, world.alice, world.draft("bluesky", text="first", **later))
    edits = [world.draft("bluesky", text=text, **later) for text in ("Alice's", "Bob's")]
    target = Target(post_id=post.id, base=post.revision)
    ended = await asyncio.gather(
        *(posts.schedule(world.workspace, world.alice, edit, target) for edit in edits), return_exceptions=True
    )
    won = [one.text for one in ended if isinstance(one, Post)]
    assert len(won) <= 1
    assert all(isinstance(one, Post | Conflict) for one in ended)
    await pass_holds()
    await posts.publish_now(world.workspace, world.alice, await posts.draft_of(world.workspace, post.id), Target(post_id=post.id))
    await settled()
    await world.outbox.deliver()
    assert [text for _, text in await world.texts()] == [(await views.view(world.workspace, post.id)).text] == (won or ["first"])


async def pass_holds() -> None:
    """Nobody is saving any more."""
    for delivery in await Delivery.find({}).to_list():
        await put(delivery, held_until=EPOCH)


@pytest.mark.parametrize("at_once", range(10))
async def test_two_buttons_of_one_form_at_once_agree_with_the_page(world: World, at_once: int) -> None:
    """Shown on the first engine: a post that is shown as a draft goes out, 19 times of 20."""
    nonce, draft = Target(new_id=Id()), world.draft("bluesky")
    await asyncio.gather(
        posts.publish_now(world.workspace, world.alice, draft, nonce),
        posts.save_draft(world.workspace, world.alice, draft, nonce),
        return_exceptions=True,
    )
    await settled()
    await world.outbox.deliver()
    await world.dispatch()
    shown = await views.view(world.workspace, nonce.new_id)
    assert (shown.status, len(await world.texts())) in {("draft", 0), ("published", 1)}


async def test_the_same_form_sent_again_minutes_later_is_still_the_same_post(world: World) -> None:
    nonce = Target(new_id=Id())
    first = await posts.publish_now(world.workspace, world.alice, world.draft("bluesky"), nonce)
    await put(first, planned_at=now() - timedelta(minutes=10))
    again = await posts.publish_now(world.workspace, world.alice, world.draft("bluesky"), nonce)
    assert (again.id, again.revision) == (first.id, first.revision)
    await settled()


async def test_an_editor_that_was_left_open_changes_nothing_silently(world: World) -> None:
    post = await scheduled(world, "bluesky")
    await posts.schedule(
        world.workspace, world.alice, planned(world.draft("bluesky", text="Bob's")), Target(post_id=post.id, base=post.revision)
    )
    for verb in (posts.schedule, posts.publish_now, posts.save_draft):
        with pytest.raises(Conflict):
            await verb(
                world.workspace,
                world.alice,
                planned(world.draft("bluesky", text="Alice's")),
                Target(post_id=post.id, base=post.revision),
            )
    assert (await Post.get(post.id)).text == "Bob's"
    assert [one.text for one in await of_post(post)] == ["Bob's"]


async def test_deleting_and_editing_at_once_leaves_no_delivery_without_its_post(world: World) -> None:
    later = {"date": "2030-01-01", "time": "10:00"}
    for _ in range(10):
        post = await posts.schedule(world.workspace, world.alice, world.draft("bluesky", **later))
        edit = world.draft("bluesky", "mastodon", text="edited", **later)
        await asyncio.gather(
            posts.schedule(world.workspace, world.alice, edit, Target(post_id=post.id)),
            posts.delete(world.workspace, post.id),
            return_exceptions=True,
        )
        if await Post.get(post.id) is None:
            assert await of_post(post) == []
