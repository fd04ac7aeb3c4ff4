"""What is said about a file before it comes: refused in words or given a type, and cut into parts that are all of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.media.offers import MAX_NAME, Offer, part_sizes, refusal
from app.storage import keys, part_size
from app.storage.values import MEBIBYTE
from platforms.base import MediaKind, MediaRule, MediaRules

STILLS = MediaRules((MediaRule(MediaKind.IMAGE, max_count=1, mimes=frozenset({"image/png"}), max_bytes=1),), max_count=1)
text = st.text(max_size=300)


@given(name=text, mime=text | st.sampled_from(sorted(keys.TYPES.values())), size=st.integers(), taken=st.booleans())
def test_whatever_is_said_is_refused_in_a_sentence_or_has_a_place(name: str, mime: str, size: int, taken: bool) -> None:
    offer = Offer(name, mime, size)
    why = refusal(offer, [STILLS] if taken else [])
    if why is None:
        assert offer.size > 0
        assert keys.mime_of(f"x.{keys.extension(offer.type)}") == offer.type
    else:
        assert why.endswith(".")
    assert len(offer.title) <= MAX_NAME
    assert not set(offer.title) & {"/", "\\", "\n", "\0"}


def test_one_account_that_takes_it_is_enough() -> None:
    gif = Offer("bell.gif", "image/gif", 1)
    assert refusal(gif, []) is None
    assert refusal(gif, [MediaRules(), STILLS]) == "None of the chosen accounts takes GIFs."
    assert refusal(Offer("bell.png", "image/png", 1), [MediaRules(), STILLS]) is None


@pytest.mark.parametrize(("name", "title"), [("C:\\a\\bell.jpg", "bell.jpg"), ("../x/", ""), ("a\0b\n.png", "ab.png")])
def test_a_name_is_without_its_folders(name: str, title: str) -> None:
    assert Offer(name, "", 1).title == title


@given(size=st.integers(1, 90 * 1024 * MEBIBYTE))
def test_parts_are_all_alike_but_the_last_and_together_the_file(size: int) -> None:
    step = part_size(size)
    sizes = part_sizes(size, step)
    assert list(sizes) == list(range(1, len(sizes) + 1))
    assert sum(sizes.values()) == size
    assert set(list(sizes.values())[:-1]) <= {step}
    assert 0 < sizes[len(sizes)] <= step
