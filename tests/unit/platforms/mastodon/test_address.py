from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.base import Profile
from platforms.mastodon.adapter import Mastodon

ALICE = Profile("https://bell.example", "109", "alice@bell.example", {"version": "4.5.0"})
ELSEWHERE = replace(ALICE, limits={"version": "0.17.0+git-abcdef"})
SANDBOX = replace(ALICE, server="http://127.0.0.1:8000/sandbox/mastodon", handle="alice@sandbox.test")
ULID = "01HVNFYPKZ8QX3N2K5T7R9W4BD"


def named(url: str, profile: Profile = ALICE) -> str | None:
    return Mastodon().remote_id(url, profile)


@pytest.mark.parametrize(
    "url",
    [
        "https://bell.example/@alice/1234",
        "https://bell.example/@alice/1234/",
        "https://bell.example/@alice/1234?utm_source=x&y=/@bob/9",
        "https://bell.example/@alice/1234#reply",
        "  https://bell.example/@alice/1234\n",
        "https://BELL.example/@Alice/1234",
        "HTTPS://bell.example:443/@ALICE/1234",
        "bell.example/@alice/1234",
        "https://bell.example/%40alice/1234",
        "https://bell.example/@alice@bell.example/1234",
        "https://bell.example/deck/@alice/1234",
        "https://bell.example/web/@alice/1234",
        "https://bell.example/users/alice/statuses/1234",
        "https://bell.example/ap/users/109/statuses/1234",
    ],
)
def test_every_address_that_people_copy_is_understood(url: str) -> None:
    assert named(url) == "1234"


@pytest.mark.parametrize(
    "url",
    [
        "https://bell.example/@bob/1234",
        "https://bell.example/@alic/1234",
        "https://bell.example/@alice@other.example/1234",
        "https://bell.example/users/bob/statuses/1234",
        "https://bell.example/ap/users/110/statuses/1234",
        "https://other.example/@alice/1234",
        "https://bell.example.evil.example/@alice/1234",
        "https://bell.example:8443/@alice/1234",
        "http://bell.example/@alice/1234",
        "https://alice@bell.example/@alice/1234",
        "https://bell.example@evil.example/@alice/1234",
        "https://bell.example/web/statuses/1234",
        "https://bell.example/notice/1234",
        "https://bell.example/@alice",
        "https://bell.example/@alice/",
        "https://bell.example/@alice/media",
        "https://bell.example/@alice/followers",
        "https://bell.example/@alice/12 34",
        "https://bell.example/@alice/12\n34",
        "https://bell.example/@alice/1234/embed",
        "https://bell.example/@alice/١٢٣٤",
        f"https://bell.example/@alice/{ULID}",
        "https://bell.example/x/@alice/1234",
        "https://[bell.example/@alice/1234",
        "https://bell.example:x/@alice/1234",
        "https://bell.example/@alice/" + "1" * 5000,
        "",
        "1234",
    ],
)
def test_no_other_address_is_taken_for_the_accounts_post(url: str) -> None:
    assert named(url) is None


@pytest.mark.parametrize("path", [f"/@alice/statuses/{ULID}", f"/@alice/{ULID}", f"/users/alice/statuses/{ULID}", "/@alice/1234"])
def test_other_software_has_ids_of_its_own(path: str) -> None:
    assert named(f"https://bell.example{path}", ELSEWHERE) == path.rpartition("/")[2]


@pytest.mark.parametrize("path", ["/@alice/media", "/@alice/followers", "/@alice/collections", f"/notice/{ULID}"])
def test_a_word_is_no_id_there_either(path: str) -> None:
    assert named(f"https://bell.example{path}", ELSEWHERE) is None


def test_a_server_below_a_path_has_its_posts_below_it() -> None:
    assert named("http://127.0.0.1:8000/sandbox/mastodon/@alice/1234", SANDBOX) == "1234"
    assert named("http://127.0.0.1:8000/@alice/1234", SANDBOX) is None
    assert named("http://127.0.0.1:8000/sandbox/mastodonx/@alice/1234", SANDBOX) is None


def test_a_name_in_another_script_is_the_same_host() -> None:
    profile = replace(ALICE, server="https://xn--r8jz45g.example")
    assert named("https://例え.example/@alice/1234", profile) == "1234"


pieces = st.sampled_from(
    ["https://", "bell.example", "/", "@", "alice", "1234", "[", "]", ":", "?", "#", "%40", "é", "\u2100", " "]
)


@given(st.one_of(st.text(), st.lists(pieces).map("".join)), st.sampled_from([ALICE, ELSEWHERE, SANDBOX]))
def test_no_address_is_too_odd_to_be_looked_at(url: str, profile: Profile) -> None:
    found = named(url, profile)
    assert found is None or found in url


@given(st.builds(Profile, st.text(), st.text(), st.text(), st.just({})), st.text())
def test_no_profile_is_too_odd_either(profile: Profile, text: str) -> None:
    assert named(f"{profile.server}/@{profile.handle}/{text}", profile) is None or text
