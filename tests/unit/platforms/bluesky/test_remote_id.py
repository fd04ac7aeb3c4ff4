"""The addresses that people paste, and whose posts they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.base import Profile
from platforms.bluesky.adapter import Bluesky

DID, HANDLE, RKEY = "did:plc:alice", "alice.bsky.social", "3mabcdefghi2k"
ALICE = Profile("https://pds.test", DID, HANDLE, {})
SANDBOXED = Profile("https://pds.test", DID, HANDLE, {"web": "http://localhost:8000/sandbox/bluesky"})
POST = f"at://{DID}/app.bsky.feed.post/{RKEY}"
bluesky = Bluesky()


@pytest.mark.parametrize(
    "url",
    [
        f"https://bsky.app/profile/{HANDLE}/post/{RKEY}",
        f"https://bsky.app/profile/{DID}/post/{RKEY}",
        f"http://bsky.app/profile/{DID}/post/{RKEY}",
        f"bsky.app/profile/{HANDLE}/post/{RKEY}",
        f"https://www.bsky.app/profile/{HANDLE}/post/{RKEY}",
        f"HTTPS://BSKY.APP/profile/Alice.Bsky.Social/post/{RKEY}",
        f"https://bsky.app/profile/@{HANDLE}/post/{RKEY}",
        f"https://bsky.app/profile/{DID.replace(':', '%3A')}/post/{RKEY}",
        f"https://bsky.app/profile/{HANDLE}/post/{RKEY}/",
        f"https://bsky.app:443/profile/{HANDLE}/post/{RKEY}",
        f"https://bsky.app/profile/{HANDLE}/post/{RKEY}?ref_src=embed&x=%20",
        f"https://bsky.app/profile/{HANDLE}/post/{RKEY}#replies",
        f"https://bsky.app/profile/{HANDLE}/post/{RKEY}/liked-by",
        f"\n  https://bsky.app/profile/{HANDLE}/post/{RKEY}\t",
        f"<https://bsky.app/profile/{HANDLE}/post/{RKEY}>",
        POST,
        f" at://{HANDLE}/app.bsky.feed.post/{RKEY}/ ",
        f"AT://{DID}/app.bsky.feed.post/{RKEY}",
    ],
)
def test_an_address_of_the_accounts_post_is_its_id(url: str) -> None:
    assert bluesky.remote_id(url, ALICE) == POST


@pytest.mark.parametrize(
    "url",
    [
        "",
        "Hello",
        RKEY,
        "https://bsky.app",
        f"https://bsky.app/profile/{HANDLE}",
        f"https://bsky.app/profile/{HANDLE}/post/",
        f"https://bsky.app/profile/{HANDLE}/feed/{RKEY}",
        f"https://bsky.app/profile/bob.bsky.social/post/{RKEY}",
        f"https://bsky.app/profile/did:plc:bob/post/{RKEY}",
        f"https://bsky.app/profile/{DID.upper()}/post/{RKEY}",
        f"https://bsky.app/profile/{HANDLE}/post/..",
        f"https://bsky.app/profile/{HANDLE}/post/not-a-tid",
        f"https://bsky.app/profile/{HANDLE}/post/{RKEY.upper()}",
        f"https://bsky.app/profile/{HANDLE}/post/{RKEY}x",
        f"https://bsky.app/profile/{HANDLE}/post/{RKEY}%2F",
        f"https://bsky.app.evil.example/profile/{HANDLE}/post/{RKEY}",
        f"https://bsky.app@evil.example/profile/{HANDLE}/post/{RKEY}",
        f"https://evil.example/profile/{HANDLE}/post/{RKEY}",
        f"https://bsky.app:8443/profile/{HANDLE}/post/{RKEY}",
        f"https://evil.example/?https://bsky.app/profile/{HANDLE}/post/{RKEY}",
        f"ftp://bsky.app/profile/{HANDLE}/post/{RKEY}",
        f"http://localhost:8000/sandbox/bluesky/profile/{HANDLE}/post/{RKEY}",
        f"at://did:plc:bob/app.bsky.feed.post/{RKEY}",
        f"at://{DID}/app.bsky.feed.like/{RKEY}",
        "https://[",
        "https://bsky.app:port/profile",
        "\ud800",
    ],
)
def test_another_address_is_nothing(url: str) -> None:
    assert bluesky.remote_id(url, ALICE) is None


@pytest.mark.parametrize("base", ["http://localhost:8000/sandbox/bluesky", "HTTP://LOCALHOST:8000/sandbox/bluesky"])
def test_the_sandbox_shows_its_posts_itself(base: str) -> None:
    assert bluesky.remote_id(f"{base}/profile/{HANDLE}/post/{RKEY}", SANDBOXED) == POST
    assert bluesky.remote_id(POST, SANDBOXED) == POST
    assert bluesky.remote_id(f"https://bsky.app/profile/{HANDLE}/post/{RKEY}", SANDBOXED) is None


@pytest.mark.parametrize("handle", ["", "handle.invalid"])
def test_an_account_without_a_valid_handle_is_known_by_its_did_alone(handle: str) -> None:
    nameless = Profile(ALICE.server, DID, handle, {})
    assert bluesky.remote_id(f"https://bsky.app/profile/{handle}/post/{RKEY}", nameless) is None
    assert bluesky.remote_id(f"https://bsky.app/profile/{DID}/post/{RKEY}", nameless) == POST


PIECES = st.sampled_from(
    ["https://", "at://", "bsky.app", "/profile/", "/post/", HANDLE, DID, RKEY, "?", "#", "%", "[", "]", ":", "@", "/"]
)


@given(st.lists(st.one_of(PIECES, st.text(max_size=5))).map("".join), st.sampled_from([ALICE, SANDBOXED]))
def test_anything_may_be_pasted(url: str, profile: Profile) -> None:
    found = bluesky.remote_id(url, profile)
    assert found is None or found.startswith(f"at://{DID}/app.bsky.feed.post/")


@given(st.dictionaries(st.sampled_from(["web"]), st.one_of(st.none(), st.integers(), st.text())))
def test_whatever_the_limits_hold(limits: dict[str, object]) -> None:
    bluesky.remote_id(f"https://bsky.app/profile/{HANDLE}/post/{RKEY}", Profile("", DID, HANDLE, limits))
