"""Keys: where things lie, and that nothing that is taken for a key leads out of a folder."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ids import Id
from app.storage import Missing, keys

WORKSPACE, MEDIA = Id("0" * 28), Id("1" * 28)
ROOT = Path("/data/media")


def test_every_kind_of_key_lies_where_it_should() -> None:
    assert keys.temp(WORKSPACE, MEDIA, "video/mp4") == f"temp/{WORKSPACE}/{MEDIA}.mp4"
    original = keys.original(WORKSPACE, MEDIA, "image/jpeg")
    assert original == f"media/{WORKSPACE}/{MEDIA}/original.jpg"
    assert keys.beside(original, "1000-0") == f"media/{WORKSPACE}/{MEDIA}/1000-0.jpg"
    assert keys.beside(original, "poster", mime="image/webp") == f"media/{WORKSPACE}/{MEDIA}/poster.webp"


def test_what_is_made_of_an_older_file_lies_where_it_always_did() -> None:
    assert keys.beside(f"{WORKSPACE}/{'a' * 32}", "1000-0") == f"{WORKSPACE}/{'a' * 32}.1000-0"


def test_every_type_has_one_extension_and_is_known_by_it() -> None:
    assert len(set(keys.TYPES.values())) == len(keys.TYPES)
    for extension, mime in keys.TYPES.items():
        assert keys.extension(mime) == extension
        assert keys.mime_of(keys.original(WORKSPACE, MEDIA, mime)) == mime
    assert keys.mime_of("noextension") == keys.mime_of("a.exe") == "application/octet-stream"


@pytest.mark.parametrize("mime", ["text/html", "image/svg+xml", "", "image/jpeg; charset=utf-8"])
def test_a_type_that_nobody_needs_has_no_place(mime: str) -> None:
    with pytest.raises(ValueError, match="is stored"):
        keys.temp(WORKSPACE, MEDIA, mime)


def test_a_name_that_promises_another_type_is_refused() -> None:
    keys.check_type("a/b.jpg", "image/jpeg")
    keys.check_type("a/b", "image/jpeg")
    with pytest.raises(ValueError, match="not the name"):
        keys.check_type("a/b.jpg", "text/html")


@given(st.text(max_size=60) | st.text(alphabet="./\\ a%\0\n-_", max_size=30))
def test_no_key_leads_out_of_the_folder_or_into_a_hidden_one(text: str) -> None:
    try:
        key = keys.check(text)
    except Missing:
        return
    file = Path(f"{ROOT}/{key}").resolve()
    assert file.is_relative_to(ROOT)
    assert file != ROOT
    assert not any(part.startswith(".") for part in file.relative_to(ROOT).parts)
    assert str(file.relative_to(ROOT)) == key


@given(st.lists(st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}\Z"), min_size=1, max_size=5))
def test_plain_names_are_keys(names: list[str]) -> None:
    key = "/".join(names)
    assert keys.check(key) == key


def test_a_key_has_an_end() -> None:
    with pytest.raises(Missing):
        keys.check("a" * 201)
    with pytest.raises(Missing):
        keys.check("/".join(["a" * 100] * 4))
