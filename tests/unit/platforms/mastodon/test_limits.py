from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.base import Capabilities, Idempotency, MediaKind
from platforms.errors import TokenRevoked, Unavailable
from platforms.mastodon.adapter import Mastodon
from tests.unit.platforms.mastodon.instance import Scene

CONFIGURATION = {
    "statuses": {"max_characters": 5000, "max_media_attachments": 16, "characters_reserved_per_url": 30},
    "media_attachments": {
        "supported_mime_types": ["image/png", "image/webp", "video/mp4"],
        "image_size_limit": 1_000_000,
        "image_matrix_limit": 2_000_000,
        "description_limit": 10_000,
    },
}


async def test_the_servers_own_limits_become_the_accounts_capabilities(scene: Scene) -> None:
    scene.server.instance = {"domain": "example", "version": "4.5.1", "configuration": CONFIGURATION}
    found = await scene.mastodon.limits(scene.session)
    assert (found["version"], found["domain"]) == ("4.5.1", "example")
    capabilities = scene.mastodon.capabilities_for(found)
    assert (capabilities.text.limit, capabilities.text.url_length) == (5000, 30)
    pictures = capabilities.media.of(MediaKind.IMAGE)
    assert (capabilities.media.max_count, pictures.max_count, pictures.alt_limit) == (16, 16, 10_000)
    assert (pictures.max_bytes, pictures.max_pixels) == (1_000_000, 2_000_000)
    assert capabilities.media.mimes == {"image/png", "image/webp", "video/mp4"}


async def test_a_server_without_version_two_is_asked_in_version_one(scene: Scene) -> None:
    scene.server.has_v2 = False
    scene.server.instance = {"uri": "https://old.example/", "version": "3.5.0", "configuration": CONFIGURATION}
    found = await scene.mastodon.limits(scene.session)
    assert found["domain"] == "old.example"
    assert found["max_characters"] == 5000
    assert scene.server.log == ["GET /api/v2/instance", "GET /api/v1/instance"]


async def test_the_older_forks_top_level_limits_are_understood(scene: Scene) -> None:
    scene.server.has_v2 = False
    scene.server.instance = {"uri": "fork.example", "max_toot_chars": 2222, "max_media_attachments": 8}
    capabilities = scene.mastodon.capabilities_for(await scene.mastodon.limits(scene.session))
    assert (capabilities.text.limit, capabilities.media.max_count) == (2222, 8)


@pytest.mark.parametrize("odd", [None, "500", -1, True, 1.5, {"a": 1}])
async def test_a_limit_that_is_no_number_is_ignored(scene: Scene, odd: Any) -> None:
    scene.server.instance = {"domain": "x.example", "configuration": {"statuses": {"max_characters": odd}}}
    found = await scene.mastodon.limits(scene.session)
    assert scene.mastodon.capabilities_for(found).text.limit == 500


@pytest.mark.parametrize("answer", [httpx.Response(200, text="<html>"), httpx.Response(503), httpx.ReadTimeout("slow")])
async def test_limits_that_cannot_be_read_are_asked_for_later(scene: Scene, answer: httpx.Response | Exception) -> None:
    scene.server.fails("GET", "/api/v2/instance", answer)
    with pytest.raises(Unavailable):
        await scene.mastodon.limits(scene.session)


async def test_limits_are_refused_to_a_withdrawn_token(scene: Scene) -> None:
    with pytest.raises(TokenRevoked):
        await scene.mastodon.limits(scene.signed_out().session)


def test_the_defaults_are_upstreams() -> None:
    capabilities = Mastodon.capabilities
    assert (capabilities.text.limit, capabilities.text.url_length) == (500, 23)
    pictures, gifs = (capabilities.media.of(kind) for kind in (MediaKind.IMAGE, MediaKind.GIF))
    assert (capabilities.media.max_count, pictures.alt_limit) == (4, 1500)
    assert (pictures.max_bytes, pictures.max_pixels) == (16 * 1024 * 1024, 33_177_600)
    assert (gifs.max_bytes, gifs.max_pixels) == (pictures.max_bytes, 1280 * 720)


def test_direct_messages_are_not_on_offer() -> None:
    visibility = next(option for option in Mastodon.capabilities.options if option.key == "visibility")
    assert [value for value, _ in visibility.choices] == ["public", "unlisted", "private"]
    assert visibility.default == "public"


HUGE = [10**9, 400_000_000, 2**63, 10**400]


def numbers(capabilities: Capabilities) -> list[int]:
    text, media = capabilities.text, capabilities.media
    files = [number for rule in media.rules for number in (rule.max_count, rule.max_bytes, rule.max_pixels, rule.alt_limit)]
    return [text.limit, text.url_length, media.max_count, *files, *(option.max_length for option in capabilities.options)]


@pytest.mark.parametrize("huge", HUGE)
async def test_a_huge_limit_is_cut_when_it_is_read(scene: Scene, huge: int) -> None:
    every = {part: dict.fromkeys(names, huge) for part, names in CONFIGURATION.items()}
    scene.server.instance = {"domain": "x.example", "configuration": every}
    found = await scene.mastodon.limits(scene.session)
    assert len(found) == 8
    assert all(value <= 2**31 for value in found.values() if isinstance(value, int))


@pytest.mark.parametrize("huge", HUGE)
def test_a_huge_limit_that_is_stored_already_is_cut_when_it_is_used(huge: int) -> None:
    names = [name for names in CONFIGURATION.values() for name in names]
    capabilities = Mastodon().capabilities_for(dict.fromkeys(names, huge))
    assert max(numbers(capabilities)) <= 2**31
    assert capabilities.text.limit <= 100_000
    assert capabilities.text.url_length <= 1000


odd = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text()), st.just({}), st.binary())
names = st.sampled_from([*CONFIGURATION["statuses"], *CONFIGURATION["media_attachments"], "version", "domain"])


@given(st.dictionaries(names, odd))
def test_no_stored_limits_are_too_odd_to_be_used(limits: dict[str, Any]) -> None:
    capabilities = Mastodon().capabilities_for(limits)
    assert all(type(number) is int and 0 <= number <= 2**31 for number in numbers(capabilities))
    assert capabilities.text.limit > 0
    assert capabilities.media.mimes <= Mastodon.capabilities.media.mimes


async def test_long_names_and_long_lists_are_not_kept(scene: Scene) -> None:
    mimes = ["image/png", *(f"image/{number}" for number in range(10_000))]
    configuration = {"media_attachments": {"supported_mime_types": mimes}}
    scene.server.instance = {"domain": "d" * 10_000, "version": "4" * 10_000, "configuration": configuration}
    found = await scene.mastodon.limits(scene.session)
    assert len(str(found)) < 1000
    assert found["supported_mime_types"] == ["image/png"]


NEAR = ["4.7.0-alpha.2+glitch", "4.2.1+hometown-1.1.1", "4.3.0-alpha.3+pr-30031-0123abc"]
MASTODON = ["4.5.0", "v4.5.1", "3.5.19", "2.9.0rc2", "4.10.0", "4.6.0-alpha.7", "4.6.0-nightly.2026-04-30", "4.4.0-beta.1"]
COMPATIBLE = ["2.7.2 (compatible; Pleroma 2.4.0)", "2.7.2 (compatible; Akkoma 3.10.4)", "4.0.0 (not true; really snac 2.44)"]
OTHERS = ["3.5.3+0.17.0-git-abcdef", "0.17.0+git-abcdef", "takahe/0.11.0", "4.5.0+unheard-of"]
NONSENSE = ["1.4.0", "4.5", "four", "", "4.5.0\n", " 4.5.0", "4.5.0+", "４.5.0", None, 4.5, ["4.5.0"]]


@pytest.mark.parametrize("version", [*MASTODON, *NEAR])
def test_mastodon_itself_is_known_to_honour_the_key(version: str) -> None:
    assert Mastodon().capabilities_for({"version": version}).idempotency is Idempotency.NATIVE


@pytest.mark.parametrize("version", [*COMPATIBLE, *OTHERS, *NONSENSE])
def test_of_any_other_server_nothing_is_promised(version: object) -> None:
    assert Mastodon().capabilities_for({"version": version}).idempotency is Idempotency.NONE


def test_of_a_server_that_was_never_asked_nothing_is_promised() -> None:
    assert Mastodon.capabilities.idempotency is Idempotency.NONE


def test_a_request_that_was_given_up_may_run_on_as_long_as_the_server_lets_it() -> None:
    assert Mastodon.capabilities.settles_in == timedelta(minutes=2)
