from typing import Any

import httpx
import pytest

from platforms.base import Idempotency
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
    assert (capabilities.media.max_count, capabilities.media.alt_limit) == (16, 10_000)
    assert (capabilities.media.max_bytes, capabilities.media.max_pixels) == (1_000_000, 2_000_000)
    assert capabilities.media.mimes == {"image/png", "image/webp"}


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
    assert (capabilities.media.max_count, capabilities.media.alt_limit) == (4, 1500)
    assert (capabilities.media.max_bytes, capabilities.media.max_pixels) == (16 * 1024 * 1024, 33_177_600)
    assert capabilities.idempotency is Idempotency.NATIVE


def test_direct_messages_are_not_on_offer() -> None:
    visibility = next(option for option in Mastodon.capabilities.options if option.key == "visibility")
    assert [value for value, _ in visibility.choices] == ["public", "unlisted", "private"]
    assert visibility.default == "public"
