"""Files in the composer: their order, an account's own, how each is cut, and the library's, as they reach the network."""

import re
from dataclasses import replace
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from app.errors import Invalid
from app.models import Attachment, Post
from app.services.media import files
from app.services.writing import composing, drafts, posts
from app.services.writing.posts import Draft, Target
from platforms import REGISTRY
from platforms.base import Capabilities
from platforms.fitting import Ratio, Shape
from platforms.mastodon.adapter import Mastodon
from tests.integration.services.test_forms import part, send
from tests.integration.services.test_posts import planned
from tests.integration.services.world import World, of_post


class Narrow(Mastodon):
    """Mastodon as if it took squares only, and no picture that one can see through."""

    def capabilities_for(self, limits: Any) -> Capabilities:
        known = super().capabilities_for(limits)
        rules = tuple(replace(rule, shapes=(1.0, 1.0), transparency=False) for rule in known.media.rules)
        return replace(known, media=replace(known.media, rules=rules))


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY, "mastodon", Narrow())


async def banner(world: World, alt: str = "A banner", **more: Any) -> Attachment:
    """400 x 100, its left half blue and its right half red."""
    image = Image.new("RGB", (400, 100), "red")
    image.paste((0, 0, 255), (0, 0, 200, 100))
    return Attachment(media_id=(await files.add(world.workspace, png(image))).id, alt=alt, **more)


def png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


async def three(world: World) -> tuple[Attachment, ...]:
    return tuple([await world.picture(alt) for alt in ("One", "Two", "Three")])


async def shown(world: World, platform: str) -> list[tuple[str, str]]:
    """The files of the one post on a network as its page shows them: address and description."""
    [post] = [each for each in await world.judge.posts() if each["platform"] == platform]
    page = (await world.judge.http.get(post["url"])).text
    article = page[page.index("<article") : page.index("</article>")]
    tags = [dict(re.findall(r'(\w+)="([^"]*)"', tag)) for tag in re.findall(r"<img [^>]*>", article)]
    return [(str(httpx.URL(post["url"]).join(tag["src"])), tag["alt"]) for tag in tags if "/media/" in tag["src"]]


# --- an account's own -------------------------------------------------------------------------------------------------


async def test_every_account_gets_its_own_files_in_its_own_order_with_its_own_words(world: World) -> None:
    one, two, three_ = await three(world)
    own = (three_.model_copy(update={"alt": "Drei"}), one)
    post = await world.publish_now(attachments=(one, two, three_), files={world.accounts["mastodon"].id: own})
    assert [each.attachments for each in await of_post(post)] == [[one, two, three_], list(own)]
    await world.outbox.deliver()
    assert [alt for _, alt in await shown(world, "bluesky")] == ["One", "Two", "Three"]
    assert [alt for _, alt in await shown(world, "mastodon")] == ["Drei", "One"]


async def test_own_files_that_are_the_posts_are_no_own_files(world: World) -> None:
    shared = await three(world)
    post = await world.publish_now(attachments=shared, files={each.id: shared for each in world.accounts.values()})
    assert [variant.attachments for variant in post.variants] == [None, None]


async def test_an_account_may_show_none_and_no_own_file_is_lost_by_editing(world: World) -> None:
    account, shared = world.accounts["mastodon"].id, await three(world)
    chosen = shared[0].model_copy(update={"focus": (0.25, 0.125), "shape": Shape.CROP})
    for own in ((), (shared[2], chosen)):
        draft = planned(world.draft(attachments=shared, files={account: own}))
        post = await posts.schedule(world.workspace, world.alice, draft)
        assert replace(await posts.draft_of(world.workspace, post.id), options={}) == draft


async def test_a_file_that_only_one_account_shows_is_used_by_its_post(world: World) -> None:
    [one, two, _] = await three(world)
    post = await world.publish_now("mastodon", attachments=(one,), files={world.accounts["mastodon"].id: (two,)})
    assert [each.id for each in await files.used_by(world.workspace, two.media_id)] == [post.id]
    assert [each.id for each in await files.used_by(world.workspace, one.media_id)] == [post.id]


async def test_another_workspaces_file_is_no_own_file(world: World) -> None:
    foreign = Attachment(media_id=(await files.add(world.elsewhere, png(Image.new("RGB", (9, 9))))).id)
    with pytest.raises(Invalid, match="no longer exists"):
        await world.publish_now("mastodon", files={world.accounts["mastodon"].id: (foreign,)})


# --- the order, and the key of the words ------------------------------------------------------------------------------


async def keyed(world: World, post: Post, draft: Draft) -> tuple[int, str]:
    target = Target(post_id=post.id, base=post.revision)
    saved = await posts.schedule(world.workspace, world.alice, draft, target)
    [delivery] = await of_post(saved)
    post.revision = saved.revision
    return delivery.wording, delivery.parts[0].key


async def test_another_order_or_crop_is_another_wording_and_the_same_files_keep_theirs(world: World) -> None:
    draft = planned(world.draft("mastodon", attachments=await three(world)))
    post = await posts.schedule(world.workspace, world.alice, draft)
    first = await keyed(world, post, draft)
    own = drafts.parted(draft, world.accounts["mastodon"].id)
    assert await keyed(world, post, own) == first
    turned = drafts.moved(draft, draft.attachments[0].media_id, 1)
    second = await keyed(world, post, turned)
    assert second != first
    cut = replace(turned, attachments=(turned.attachments[0].model_copy(update={"shape": Shape.CROP}), *turned.attachments[1:]))
    assert await keyed(world, post, cut) not in (first, second)


# --- how it is cut ----------------------------------------------------------------------------------------------------


async def test_a_shape_that_a_network_does_not_take_is_asked_about(world: World, narrow: None) -> None:
    wide = await banner(world)
    [preview] = await composing.previews(world.workspace, world.draft("mastodon", attachments=(wide,)))
    assert preview.blocked
    assert [(each.media_id, each.number, each.own) for each in preview.misfits] == [(wide.media_id, 1, False)]


async def test_what_a_network_asks_about_is_open_and_one_press_away(alice: httpx.AsyncClient, world: World, narrow: None) -> None:
    wide, account = await banner(world), world.accounts["mastodon"].id
    fields = {"account": account, "media": wide.media_id, f"files-{account}": "own", f"media-{account}": wide.media_id}
    shared, own = part("media", wide.media_id.encode()), [part(name, value.encode()) for name, value in fields.items()]
    for sent, name in (([own[0], shared], f"fit-{wide.media_id}"), (own, f"fit-{account}-{wide.media_id}")):
        page = (await send(alice, "/compose", *sent)).text
        assert f'href="#{name}"' in page
        [fit] = [each for each in page.split('<details class="fit"') if f'id="{name}"' in each]
        assert fit.startswith(" open>")
        assert "It is too wide for this network." in fit


async def moving(world: World) -> Attachment:
    """Two seconds of an animation."""
    frames = [Image.new("RGB", (60, 40), (number * 20, 0, 0)) for number in range(10)]
    file = BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=200)
    return Attachment(media_id=(await files.add(world.workspace, file.getvalue())).id)


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("1.5", "1", "The end must come after the beginning."),
        ("5", "", "The video ends after 2 seconds: begin earlier."),
        ("soon", "1", "Write seconds as a number, like 2.5."),
    ],
)
async def test_a_part_that_is_none_is_asked_about_and_stays_as_it_was_typed(
    alice: httpx.AsyncClient, world: World, start: str, end: str, said: str
) -> None:
    moves = (await moving(world)).media_id
    fields = {"text": "Ring", "media": moves, f"from-{moves}": start, f"to-{moves}": end, "action": "draft"}
    answer = await send(alice, "/compose", *(part(name, value.encode()) for name, value in fields.items()))
    assert answer.status_code == 422
    assert answer.text.count(said) >= 2
    assert f'name="from-{moves}" value="{start}"' in answer.text
    assert await Post.find({}).to_list() == []


async def test_a_part_of_what_moves_is_kept(alice: httpx.AsyncClient, world: World) -> None:
    moves = (await moving(world)).media_id
    fields = {"text": "Ring", "media": moves, f"from-{moves}": "0,5", f"to-{moves}": "90", "action": "draft"}
    await send(alice, "/compose", *(part(name, value.encode()) for name, value in fields.items()))
    [post] = await Post.find({}).to_list()
    assert post.attachments[0].trim == (0.5, 2.0)
    page = (await alice.get(f"/posts/{post.id}/edit")).text
    assert f'name="from-{moves}" value="0.5"' in page
    assert f'name="to-{moves}" value="2"' in page
    assert "0.5–2 s" in page


@pytest.mark.parametrize(
    ("choice", "size", "middle"),
    [
        ({"shape": Shape.CROP, "focus": (0.0, 0.5)}, (100, 100), (0, 0, 255)),
        ({"shape": Shape.CROP, "focus": (1.0, 0.5)}, (100, 100), (255, 0, 0)),
        ({"shape": Shape.PAD, "colour": "#00ff00"}, (400, 400), None),
    ],
)
async def test_a_picture_goes_out_as_it_was_cut(
    world: World, narrow: None, choice: dict[str, Any], size: tuple[int, int], middle: tuple[int, int, int] | None
) -> None:
    """On the one account for which it was chosen; the other has the whole."""
    wide = await banner(world)
    own = {world.accounts["mastodon"].id: (wide.model_copy(update=choice),)}
    draft = world.draft(attachments=(wide,), files=own)
    by_platform = {each.account.platform: each for each in await composing.previews(world.workspace, draft)}
    framed = by_platform["mastodon"].media[0].framed
    assert framed is not None
    assert framed.view[2:] == size
    assert by_platform["bluesky"].media[0].framed is None
    await world.publish_now(attachments=(wide,), files=own)
    await world.outbox.deliver()
    assert await size_on(world, "bluesky") == ((400, 100), (255, 0, 0))
    seen, colour = await size_on(world, "mastodon", at=(0.5, 0.02))
    assert (seen, colour) == (size, middle or (0, 255, 0))


async def size_on(world: World, platform: str, at: tuple[float, float] = (0.5, 0.5)) -> tuple[tuple[int, int], tuple[int, ...]]:
    """Of the one picture on a network: its size, and the colour at a place."""
    [(address, _)] = await shown(world, platform)
    data = (await world.judge.http.get(address)).content
    with Image.open(BytesIO(data)) as image:
        rgb = image.convert("RGB")
        pixel = rgb.getpixel((int(image.width * at[0]), int(image.height * at[1])))
        assert isinstance(pixel, tuple)
        return image.size, pixel


async def test_a_chosen_ratio_goes_out_where_no_network_asks_for_one(world: World) -> None:
    """Cut around the file's own point for all, and with a border for the one that wants it so."""
    wide = await banner(world, ratio=Ratio.SQUARE, shape=Shape.CROP)
    await files.describe(world.workspace, wide.media_id, focus=(0.9, 0.5))
    own = {world.accounts["mastodon"].id: (wide.model_copy(update={"shape": Shape.PAD, "colour": "#00ff00"}),)}
    await world.publish_now(attachments=(wide,), files=own)
    await world.outbox.deliver()
    assert await size_on(world, "bluesky") == ((100, 100), (255, 0, 0))
    assert await size_on(world, "mastodon", at=(0.5, 0.02)) == ((400, 400), (0, 255, 0))


async def test_every_ratio_is_offered_and_the_chosen_one_is_kept(alice: httpx.AsyncClient, world: World) -> None:
    wide = await banner(world)
    fields = {"media": wide.media_id, f"ratio-{wide.media_id}": "4:5", f"focus-{wide.media_id}": "0.9,0.5"}
    page = (await send(alice, "/compose", *(part(name, value.encode()) for name, value in fields.items()))).text
    offered = re.findall(rf'name="ratio-{wide.media_id}" value="([^"]*)"( checked)?', page)
    assert dict(offered) == {**dict.fromkeys(Ratio, ""), Ratio.PORTRAIT: " checked"}
    assert f'name="shape-{wide.media_id}" value="crop" checked' in page
    assert re.search(r'<path fill-rule="evenodd" d="M0 0h400v100H0zM320 0h80v100h-80z"', page)


async def test_a_picture_holds_its_place_in_its_own_colour_unless_one_sees_through_it(
    alice: httpx.AsyncClient, world: World
) -> None:
    red = await files.add(world.workspace, png(Image.new("RGB", (60, 30), "red")))
    glass = await files.add(world.workspace, png(Image.new("RGBA", (60, 30), (255, 0, 0, 90))))
    for file, tinted in ((red, 3), (glass, 0)):  # beside its description, and in both previews
        fields = [part("media", file.id.encode()), *(part("account", each.id.encode()) for each in world.accounts.values())]
        page = (await send(alice, "/compose", *fields)).text
        assert len(re.findall(r'<svg class="tint" [^>]*><rect [^>]*fill="#f[ef]0[01]0[01]"', page)) == tinted
        assert len(re.findall(r'<img [^>]* width="60" height="30"', page)) == 3


async def test_what_cannot_be_meant_is_not_saved_and_nothing_typed_is_lost(alice: httpx.AsyncClient, world: World) -> None:
    wide, account = await banner(world), world.accounts["mastodon"].id
    fields = {
        "text": "Ring",
        "account": account,
        "media": wide.media_id,
        f"alt-{wide.media_id}": "A long banner",
        f"colour-{wide.media_id}": "#12",
        f"files-{account}": "own",
        f"media-{account}": wide.media_id,
        f"focus-{account}-{wide.media_id}": "left",
        f"shape-{account}-{wide.media_id}": "pad",
        "action": "draft",
    }
    answer = await send(alice, "/compose", *(part(name, value.encode()) for name, value in fields.items()))
    assert answer.status_code == 422
    assert "Write the colour as # and six digits" in answer.text
    assert "You wrote: #12" in answer.text
    assert f'id="error-focus-{account}-{wide.media_id}"' in answer.text
    assert re.search(rf'name="shape-{account}-{wide.media_id}" value="pad" checked', answer.text)
    assert answer.text.count("A long banner") >= 1
    assert await Post.find({}).to_list() == []


async def test_the_form_comes_back_as_it_is_stored(alice: httpx.AsyncClient, world: World) -> None:
    """What the page shows of a post, sent again by a browser, is the same post."""
    wide = await banner(world, ratio=Ratio.WIDE, shape=Shape.CROP, focus=(0.31, 0.72), colour="#102030")
    other, account = await world.picture("Other"), world.accounts["mastodon"].id
    kept = await posts.save_draft(
        world.workspace, world.alice, world.draft(attachments=(wide, other), files={account: (other, wide)})
    )
    page = (await alice.get(f"/posts/{kept.id}/edit")).text
    answer = await send(alice, f"/posts/{kept.id}/edit", *as_a_browser_sends(page), part("action", b"draft"))
    assert answer.status_code == 303
    again = await Post.get(kept.id)
    assert again is not None
    assert again.attachments == kept.attachments
    assert [each.attachments for each in again.variants] == [each.attachments for each in kept.variants]


def as_a_browser_sends(page: str) -> list[bytes]:
    """The fields of the composer that a press of a button sends, without date and time."""
    form = page[page.index('<form id="composer"') : page.index('<div class="preview-column">')]
    found = []
    for tag in re.findall(r"<input [^>]*>", form):
        said = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        ticked = said.get("type") not in ("checkbox", "radio") or tag.endswith(" checked>")
        if "name" in said and ticked and said.get("type") != "file" and said["name"] != "_csrf_token":
            found.append(part(said["name"], said.get("value", "").encode()))
    for name, text in re.findall(r'<textarea [^>]*name="([^"]*)"[^>]*>\n?(.*?)</textarea>', form, re.DOTALL):
        found.append(part(name, text.encode()))
    return found


# --- steps without a script -------------------------------------------------------------------------------------------


async def test_the_buttons_move_part_and_join(alice: httpx.AsyncClient, world: World) -> None:
    one, two, _ = await three(world)
    account = world.accounts["mastodon"].id
    media = [part("account", account.encode()), part("media", one.media_id.encode()), part("media", two.media_id.encode())]
    own = [part(f"files-{account}", b"own"), *(part(f"media-{account}", each.media_id.encode()) for each in (one, two))]

    async def after(action: str, *fields: bytes) -> tuple[list[str], list[str]]:
        page = (await send(alice, "/compose", *fields, part("action", action.encode()))).text
        names = ("media", f"media-{account}")
        found = [re.findall(rf'name="{name}" value="(\w+)"(?: checked)?', page) for name in names]
        return found[0], found[1]

    there, turned = [one.media_id, two.media_id], [two.media_id, one.media_id]
    assert await after(f"earlier:{two.media_id}", *media) == (turned, [])
    assert await after(f"later:{one.media_id}", *media) == (turned, [])
    assert await after(f"own:{account}", *media) == (there, there)
    assert await after(f"later:{account}:{one.media_id}", *media, *own) == (there, turned)
    assert await after(f"shared:{account}", *media, *own) == (there, [])
    assert await after(f"remove:{one.media_id}", *media, *own) == ([two.media_id], there)
    assert await after("preview", *media, own[0], own[2]) == (there, there)  # the one that is left out is offered in its place
    for nonsense in ("earlier:", "later:x", f"earlier:{account}:x", "own"):
        await after(nonsense, *media)
