"""The library's pages: what they show, what they take, and that another workspace's file is none."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.ids import Id
from app.models import MediaFile, Post
from app.services.media import files, shelf
from app.services.writing import posts
from tests.integration.services.test_forms import part, send
from tests.integration.services.test_library import VTT, draft_with, filmed, kept, planned_with, png
from tests.integration.services.world import World

HTMX = {"HX-Request": "true"}


async def known(file: MediaFile) -> MediaFile:
    found = await MediaFile.get(file.id)
    assert found is not None
    return found


async def form(alice: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    return await send(alice, path, *(part(name, value.encode()) for name, value in fields.items()))


def file_part(name: str, filename: str, data: bytes) -> bytes:
    return part(name, data, f'; filename="{filename}"')


async def test_the_shelf_is_empty_then_shows_what_was_brought(alice: httpx.AsyncClient, world: World) -> None:
    assert "Pictures and videos live here" in (await alice.get("/library")).text
    answer = await send(alice, "/library", file_part("images", "bell.png", png()), file_part("images", "no.png", b"none"))
    assert answer.status_code == 422
    assert "no.png" in answer.text
    assert "bell.png" in answer.text
    [file] = (await shelf.shelf(world.workspace)).files
    assert (file.name, file.uploader_id) == ("bell.png", world.alice.id)


async def test_filters_are_in_the_address_and_htmx_gets_only_the_shelf(alice: httpx.AsyncClient, world: World) -> None:
    await kept(world, "bell.png", folder="Spring & more")
    await kept(world, "tower.png")
    whole = (await alice.get("/library?q=bell&folder=Spring+%26+more&view=list")).text
    assert "bell.png" in whole
    assert "tower.png" not in whole
    assert "/library?q=bell&amp;folder=Spring+%26+more" in whole
    block = (await alice.get("/library?q=tower", headers=HTMX)).text
    assert block.strip().startswith('<section id="shelf"')
    assert "tower.png" in block
    assert (await alice.get("/library?before=nonsense")).status_code == 404


async def test_older_files_come_page_by_page(alice: httpx.AsyncClient, world: World) -> None:
    for number in range(shelf.PAGE + 2):
        await MediaFile(workspace_id=world.workspace.id, mime="image/png", size=9, name=f"n{number}", path="x").insert()
    first = (await alice.get("/library?kind=images")).text
    [older] = re.findall(r'hx-get="(/library\?kind=images[^"]*before=\w+)"', first)
    then = (await alice.get(older.replace("&amp;", "&"), headers=HTMX)).text
    assert re.findall(r'tile-name">(n\d+)<', then) == ["n1", "n0"]


async def test_what_its_owner_says_is_kept_with_htmx_and_without(alice: httpx.AsyncClient, world: World) -> None:
    file = await kept(world, "bell.png")
    address = f"/library/{file.id}"
    answer = await form(alice, address, name="The bell", alt="A\r\nbell", folder="Spring", **{f"focus-{file.id}": "0.9,0.25"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{address}?done=saved")
    found = await known(file)
    assert (found.name, found.alt, found.folder, tuple(found.focus)) == ("The bell", "A\nbell", "Spring", (0.9, 0.25))
    page = (await alice.get(f"{address}?done=saved")).text
    assert 'value="0.9,0.25"' in page
    answer = await form(alice, address, alt="Only this", back="/library?view=list")
    assert answer.headers["location"] == "/library?view=list"
    answer = await form(alice, address, alt="Only this", back="//evil.example")
    assert answer.headers["location"] == f"{address}?done=saved"
    found = await known(file)
    assert (found.alt, found.folder, tuple(found.focus)) == ("Only this", "Spring", (0.9, 0.25))
    await form(alice, address, **{f"focus-{file.id}": ""})
    assert tuple((await known(file)).focus) == (0.5, 0.5)
    wrong = await form(alice, address, alt="x" * 6_000, **{f"focus-{file.id}": "nowhere"})
    assert wrong.status_code == 422


async def test_the_page_of_a_file_lists_its_posts_and_refuses_what_they_need(alice: httpx.AsyncClient, world: World) -> None:
    file = await kept(world, "bell.png")
    assert "No post shows it yet" in (await alice.get(f"/library/{file.id}")).text
    post = await draft_with(world, file, text="Needs the <bell>")
    page = (await alice.get(f"/library/{file.id}")).text
    assert f'href="/posts/{post.id}"' in page
    assert "Needs the &lt;bell&gt;" in page
    answer = await form(alice, f"/library/{file.id}/delete")
    assert answer.status_code == 409
    assert "A post still needs this file" in answer.text
    await post.delete()
    answer = await form(alice, f"/library/{file.id}/delete")
    assert (answer.status_code, answer.headers["location"]) == (303, "/library?done=deleted")
    assert (await alice.get(f"/library/{file.id}")).status_code == 404


async def test_a_post_that_was_canceled_says_that_its_file_is_gone(alice: httpx.AsyncClient, world: World) -> None:
    file = await kept(world, "bell.png")
    post = await planned_with(world, file)
    assert "deleted from the library" not in (await alice.get(f"/posts/{post.id}")).text
    await posts.cancel(world.workspace, post.id)
    assert (await form(alice, f"/library/{file.id}/delete")).status_code == 303
    assert "A file of this post was deleted from the library." in (await alice.get(f"/posts/{post.id}")).text


async def test_a_file_is_replaced_by_a_form(alice: httpx.AsyncClient, world: World) -> None:
    file = await kept(world, "bell.png")
    post = await draft_with(world, file)
    assert (await form(alice, f"/library/{file.id}/replace")).status_code == 422
    answer = await send(alice, f"/library/{file.id}/replace", file_part("images", "new.png", png("navy")))
    assert answer.status_code in (200, 201)
    assert "took the place of the old one in a post" in answer.text
    changed = await Post.get(post.id)
    assert changed is not None
    assert changed.holds != [file.id]


async def test_captions_are_added_played_and_removed(alice: httpx.AsyncClient, world: World, tmp_path: Path) -> None:
    clip = await filmed(world, tmp_path)
    address = f"/library/{clip.id}/captions"
    wrong = await send(alice, address, part("language", b"en"), file_part("captions", "a.vtt", b"no"))
    assert wrong.status_code == 422
    assert "WebVTT" in wrong.text
    answer = await send(alice, address, part("language", b"en"), file_part("captions", "a.vtt", VTT))
    assert answer.status_code == 303
    assert f'srclang="en" label="English" src="{address}/en"' in (await alice.get(f"/library/{clip.id}")).text
    played = await alice.get(f"{address}/en")
    assert (played.headers["content-type"].split(";")[0], played.text.startswith("WEBVTT")) == ("text/vtt", True)
    assert (await form(alice, f"{address}/remove", language="en")).status_code == 303
    assert (await alice.get(f"{address}/en")).status_code == 404


async def test_another_workspaces_file_is_nowhere(alice: httpx.AsyncClient, world: World) -> None:
    foreign = await files.add(world.elsewhere, png())
    await files.describe(world.elsewhere, foreign.id, name="secret.png")
    for media_id in (foreign.id, Id(), "nonsense"):
        for path in ("", "/captions/en"):
            assert (await alice.get(f"/library/{media_id}{path}")).status_code == 404
        assert (await alice.get(f"/library/items/{media_id}")).status_code == 404
        for path in ("", "/delete", "/replace", "/captions/remove"):
            assert (await form(alice, f"/library/{media_id}{path}", alt="Mine")).status_code == 404
        answer = await send(alice, f"/library/{media_id}/captions", part("language", b"en"), file_part("captions", "a.vtt", VTT))
        assert answer.status_code == 404
    for path in ("/library", "/library/pick", f"/library/picked?pick={foreign.id}", f"/library/pick?pick={foreign.id}"):
        assert "secret.png" not in (await alice.get(path)).text
    assert (await MediaFile.get(foreign.id)) == await files.get(world.elsewhere, foreign.id)


# --- into a post ------------------------------------------------------------------------------------------------------


async def test_nothing_typed_is_lost_on_the_way_to_the_library_and_back(alice: httpx.AsyncClient, world: World) -> None:
    bell, tower = await kept(world, "bell.png", alt="A bell"), await kept(world, "tower.png")
    there = await kept(world, "there.png")
    account = world.accounts["mastodon"].id
    typed: dict[str, Any] = {
        "text": "One\r\n<two>",
        "account": account,
        f"text-{account}": "Own words",
        "media": there.id,
        f"alt-{there.id}": 'Typed "here"',
        "language": "de",
    }
    answer = await form(alice, "/compose", **typed, action="library")
    assert answer.status_code in (200, 201)
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', answer.text))
    assert hidden["text"] == "One\r\n&lt;two&gt;"
    assert hidden[f"alt-{there.id}"] == "Typed &#34;here&#34;"
    found = await form(alice, "/compose", **typed, pick=bell.id, find="tower", action="library")
    assert [name in found.text for name in ("bell.png", "tower.png", "there.png")] == [True, True, False]
    back = await send(
        alice,
        "/compose",
        *(part(name, value.encode()) for name, value in typed.items()),
        part("pick", tower.id.encode()),
        part("pick", bell.id.encode()),
        part("action", b"pick"),
    )
    assert re.findall(r'name="media" value="(\w+)"', back.text) == [there.id, tower.id, bell.id]
    for words in ("One\n&lt;two&gt;", "Own words", "A bell", "Typed &#34;here&#34;"):
        assert words in back.text.replace("\r\n", "\n")


async def test_files_that_came_with_the_form_are_carried_along(alice: httpx.AsyncClient, world: World) -> None:
    answer = await send(alice, "/compose", part("action", b"library"), file_part("images", "late.png", png()))
    [file] = (await shelf.shelf(world.workspace)).files
    assert f'name="media" value="{file.id}"' in answer.text


async def test_the_dialog_gives_the_composer_what_is_ticked_and_not_there(alice: httpx.AsyncClient, world: World) -> None:
    bell, there = await kept(world, "bell.png", alt="A bell"), await kept(world, "there.png")
    assert "bell.png" in (await alice.get("/library/pick?find=bell", headers=HTMX)).text
    answer = (await alice.get(f"/library/picked?pick={bell.id}&pick={there.id}&media={there.id}", headers=HTMX)).text
    assert re.findall(r'name="media" value="(\w+)"', answer) == [bell.id]
    assert "A bell" in answer
    assert "<span data-number>2</span>" in answer
    full = "&".join(f"media={Id()}" for _ in range(40))
    assert "media-item" not in (await alice.get(f"/library/picked?pick={bell.id}&{full}")).text


@pytest.mark.parametrize("count", ["-1", "9999999999999999999", "0"])
async def test_a_strange_count_is_harmless(alice: httpx.AsyncClient, world: World, count: str) -> None:
    await kept(world, "bell.png")
    assert (await alice.get(f"/library/pick?count={count}")).status_code == 200
    assert (await form(alice, "/compose", action=f"library:{count}")).status_code in (200, 201)
