"""Servers that speak a network's API in their own way, as far as the sandbox can play them."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from platforms.sandbox.mastodon.html import rewritten
from platforms.sandbox.quirks import Quirk, Quirks
from tests.unit.platforms.sandbox.conftest import Clock, Instance, Pds


async def switch_on(network: Instance | Pds, quirk: str, **more: Any) -> None:
    platform = network.server if isinstance(network, Instance) else "bluesky"
    answer = await network.http.post("/api/quirks", json={"platform": platform, "quirk": quirk, **more})
    assert answer.status_code == 201, answer.text


# --- the list of quirks -----------------------------------------------------------------------------------------------


def test_an_accounts_own_quirk_goes_before_everybodys_and_the_last_word_counts() -> None:
    quirks = Quirks()
    quirks.switch_on("mastodon", Quirk.LAGS, seconds=1)
    quirks.switch_on("mastodon", Quirk.LAGS, seconds=2, account="alice")
    quirks.switch_on("mastodon", Quirk.LAGS, seconds=3)
    assert [quirks.seconds("mastodon", Quirk.LAGS, account) for account in ("alice", "bob")] == [2, 3]
    assert not quirks.has("keyless", Quirk.LAGS, "alice")


async def test_a_quirk_of_one_account_can_be_listed_and_taken_back(instance: Instance) -> None:
    await switch_on(instance, "lags", seconds=60, account="you")
    [ordered] = (await instance.http.get("/api/quirks")).json()
    assert (ordered["quirk"], ordered["seconds"], bool(ordered["account"])) == ("lags", 60, True)
    assert (await instance.http.delete("/api/quirks")).json() == []
    await instance.publish()
    assert await instance.listed() == ["Dong"]


@pytest.mark.parametrize("wrong", [{"quirk": "nonsense"}, {"platform": "nowhere"}, {"account": "nobody"}, {"seconds": "long"}])
async def test_a_quirk_that_does_not_exist_is_refused_and_named(instance: Instance, wrong: dict[str, str]) -> None:
    answer = await instance.http.post("/api/quirks", json={"platform": "mastodon", "quirk": "lags"} | wrong)
    assert answer.status_code == 400
    assert next(iter(wrong.values())) in answer.text


# --- timelines --------------------------------------------------------------------------------------------------------


async def test_at_home_are_ones_own_statuses_of_every_visibility(instance: Instance) -> None:
    for visibility in ("public", "private", "direct"):
        await instance.publish(visibility, visibility=visibility)
    await instance.exchange(await instance.code(username="bob"))
    await instance.publish("by bob")
    assert await instance.listed("timelines/home") == ["by bob"]
    await instance.exchange(await instance.code())
    assert await instance.listed("timelines/home") == await instance.listed() == ["direct", "private", "public"]


async def test_others_see_only_what_everybody_may_see(instance: Instance) -> None:
    own = (await instance.get("accounts/verify_credentials")).json()["id"]
    hidden = (await instance.publish("for some", visibility="private")).json()["id"]
    await instance.publish("for all", visibility="unlisted")
    assert (await instance.get(f"statuses/{hidden}")).status_code == 200
    await instance.exchange(await instance.code(username="bob"))
    assert await instance.listed(f"accounts/{own}/statuses") == ["for all"]
    assert (await instance.get(f"statuses/{hidden}")).status_code == 404


async def test_a_server_can_hide_private_statuses_from_their_author_and_at_home_too(instance: Instance) -> None:
    await instance.publish("for all")
    await instance.publish("for some", visibility="private")
    await switch_on(instance, "hides_private")
    assert (await instance.listed(), await instance.listed("timelines/home")) == (["for all"], ["for some", "for all"])
    await switch_on(instance, "hides_private_at_home")
    assert await instance.listed("timelines/home") == ["for all"]


async def test_a_server_that_lags_shows_a_status_later_and_gives_it_at_once_to_who_knows_its_id(
    instance: Instance, clock: Clock
) -> None:
    await switch_on(instance, "lags", seconds=90)
    status = (await instance.publish()).json()
    clock.sleep(89)
    assert await instance.listed() == await instance.listed("timelines/home") == []
    assert (await instance.get(f"statuses/{status['id']}")).status_code == 200
    clock.sleep(1)
    assert await instance.listed() == await instance.listed("timelines/home") == ["Dong"]


async def test_a_server_can_begin_with_the_newest_whatever_is_asked(instance: Instance) -> None:
    await switch_on(instance, "ignores_max_id")
    first = (await instance.publish()).json()["id"]
    assert await instance.listed(max_id=first) == ["Dong"]


# --- words and clocks -------------------------------------------------------------------------------------------------


async def test_a_server_can_keep_no_source(instance: Instance) -> None:
    await switch_on(instance, "no_source")
    status = (await instance.publish()).json()["id"]
    assert (await instance.get(f"statuses/{status}/source")).status_code == 404


async def test_a_server_can_rewrite_the_words(instance: Instance) -> None:
    await switch_on(instance, "rewrites_words")
    assert (await instance.publish("so **loud**")).json()["content"] == "<p>so <strong>loud</strong></p>"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("*a* `b` 2 * 3", "<em>a</em> <code>b</code> 2 * 3"),
        ("see example.org", 'see <a href="https://example.org">example.org</a>'),
        ("https://example.org/a", '<a href="https://example.org/a">https://example.org/a</a>'),
        ("ring 🔔", 'ring <img class="emoji" alt=":bell:">'),
    ],
)
def test_rewriting_knows_markdown_bare_addresses_and_emoji(typed: str, shown: str) -> None:
    assert rewritten(typed) == f"<p>{shown}</p>"


@pytest.mark.parametrize(("quirk", "header", "status"), [("date_off", 300, 0), ("clock_off", 300, 300)])
async def test_a_servers_clock_can_be_off(instance: Instance, clock: Clock, quirk: str, header: int, status: int) -> None:
    await switch_on(instance, quirk, seconds=300)
    answer = await instance.publish()
    told = parsedate_to_datetime(answer.headers["date"]), datetime.fromisoformat(answer.json()["created_at"])
    assert [(at - datetime.fromtimestamp(clock.now, UTC)).total_seconds() for at in told] == [header, status]


async def test_a_server_can_be_silent_about_the_time(instance: Instance) -> None:
    assert "date" in (await instance.get("instance")).headers
    await switch_on(instance, "no_date")
    assert "date" not in (await instance.get("instance")).headers


# --- the server without keys ------------------------------------------------------------------------------------------


async def test_the_server_without_keys_takes_a_repetition_for_a_new_status(keyless: Instance) -> None:
    assert (await keyless.publish(key="k")).json()["id"] != (await keyless.publish(key="k")).json()["id"]


async def test_it_says_what_it_is_and_its_twin_too(instance: Instance, keyless: Instance) -> None:
    for version in ("v1", "v2"):
        told = [(await server.http.get(f"/{server.server}/api/{version}/instance")).json() for server in (instance, keyless)]
        assert [each["version"] for each in told] == ["4.5.0", "2.7.2 (compatible; Belltower 1.0)"]
    assert [each.get("api_versions") for each in told] == [{"mastodon": 7}, None]


async def test_the_two_servers_share_neither_sign_ins_nor_statuses(instance: Instance, keyless: Instance) -> None:
    await instance.publish("there")
    status = (await keyless.publish("here")).json()
    assert (await instance.listed(), await keyless.listed()) == (["there"], ["here"])
    assert (await Instance(keyless.http, "mastodon", access=keyless.access).get("timelines/home")).status_code == 401
    assert status["url"] == f"http://sandbox.test/keyless/@you/{status['id']}"
    assert "here" in (await keyless.http.get(status["url"])).text


async def test_a_fault_of_one_server_leaves_its_twin_alone(instance: Instance, keyless: Instance) -> None:
    await keyless.http.post("/api/faults", json={"platform": "keyless", "kind": "rate_limited"})
    assert [(await server.publish()).status_code for server in (instance, keyless)] == [200, 429]


async def test_the_judge_tells_server_and_visibility(instance: Instance, keyless: Instance) -> None:
    await instance.publish(visibility="private")
    await keyless.publish()
    posts = (await keyless.http.get("/api/posts")).json()
    assert [(post["platform"], post["visibility"]) for post in posts] == [("mastodon", "private"), ("keyless", "public")]


# --- Bluesky ----------------------------------------------------------------------------------------------------------


async def test_a_deactivated_account_can_sign_in_and_cannot_write(pds: Pds) -> None:
    await switch_on(pds, "deactivated", account="you.sandbox.test")
    answer = (await pds.sign_in()).json()
    assert (answer["active"], answer["status"]) == (False, "deactivated")
    assert (await pds.get("sync.getRepoStatus", did=answer["did"])).json()["status"] == "deactivated"
    refused = await pds.write()
    assert (refused.status_code, refused.json()["error"]) == (401, "AccountDeactivated")


async def test_a_refresh_token_can_be_used_up_at_once(pds: Pds) -> None:
    await switch_on(pds, "once_only", account="you.sandbox.test")
    assert (await pds.post("server.refreshSession", token=pds.refresh)).status_code == 200
    assert (await pds.post("server.refreshSession", token=pds.refresh)).json()["error"] == "ExpiredToken"
