import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.base import Segment
from platforms.bluesky import richtext

NOTICEABLE = 0.002
"""Seconds. Below this a measurement says nothing."""

PIECES = st.sampled_from(
    [
        "https://example.org/a?b=c#d",
        "example.org",
        "(http://example.org/($AAPL)",
        "https:///nowhere",
        "https://",
        "@alice.test",
        "@bob.example.com.",
        "#tag",
        "＃タグ",
        "#a($AAPL)",
        "#e" + "\u0301" * 700,
        "$AAPL",
        "👩‍👩‍👧‍👦",
        "🇩🇪",
        "日本語",
        "e\u0301",
        "\u200b",
        "\u3000",
        "\n",
        " ",
        "(",
        ").",
    ]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=5))).map("".join)


@given(TEXTS)
def test_the_segments_joined_are_the_text(text: str) -> None:
    assert "".join(segment.text for segment in richtext.segments(text)) == text


@given(TEXTS)
def test_spans_are_ordered_apart_and_whole_characters(text: str) -> None:
    data, position = text.encode(), 0
    for span in richtext.spans(text):
        assert position <= span.start < span.end <= len(data)
        assert data[span.start : span.end].decode()
        position = span.end


@given(TEXTS)
def test_a_span_covers_the_words_that_it_stands_for(text: str) -> None:
    data = text.encode()
    for span in richtext.spans(text):
        words = data[span.start : span.end].decode()
        match span.kind:
            case "link":
                assert span.value in (words, f"https://{words}")
            case "mention":
                assert words == f"@{span.value}"
            case "tag":
                assert words[1:] == span.value or words.upper() == span.value


@pytest.mark.parametrize("before", ["", "👩‍👩‍👧‍👦 ", "日本語 ", "e\u0301 ", "Ünïcödé\n"])
def test_a_link_after_any_script_is_counted_in_bytes(before: str) -> None:
    (span,) = richtext.spans(f"{before}https://example.org/ü!")
    start = len(before.encode())
    assert span == richtext.Span("link", start, start + len("https://example.org/ü".encode()), "https://example.org/ü")


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("see example.org.", ["text", "link", "text"]),
        ("e.g. this and file.pyx", ["text"]),
        ("mail alice@example.org", ["text"]),
        ("hi @alice.test!", ["text", "mention", "text"]),
        ("@alice without a domain", ["text"]),
        ("#one #2 #three3", ["tag", "text", "tag"]),
        ("https:///nowhere", ["text"]),
        ("https://example.org/($AAPL)", ["link"]),
        ("", []),
    ],
)
def test_what_is_found(text: str, kinds: list[str]) -> None:
    assert [segment.kind for segment in richtext.segments(text)] == kinds


def test_only_links_have_an_address() -> None:
    assert richtext.segments("#a example.org @bob.test") == (
        Segment("tag", "#a"),
        Segment("text", " "),
        Segment("link", "example.org", "https://example.org"),
        Segment("text", " "),
        Segment("mention", "@bob.test"),
    )


def test_a_tag_that_the_lexicon_refuses_stays_text() -> None:
    assert richtext.spans(f"#{'a' * 65}") == ()
    assert richtext.spans("#e" + "\u0301" * 400) == ()
    assert len(richtext.spans(f"#{'a' * 64}")) == 1


def test_a_handle_nobody_has_stays_text_and_a_tag_of_the_same_name_a_tag() -> None:
    found = richtext.spans("@bob.test @nobody.test #bob.test")
    features = [facet.features[0].model_dump(by_alias=True) for facet in richtext.facets(found, {"bob.test": "did:plc:bob"})]
    assert features == [
        {"$type": "app.bsky.richtext.facet#mention", "did": "did:plc:bob"},
        {"$type": "app.bsky.richtext.facet#tag", "tag": "bob.test"},
    ]


@pytest.mark.parametrize("tag", ["#e" + "\u0301" * 700, "＃e" + "\u0301" * 700, "x\ufeff#" + "\u0301" * 641])
def test_a_tag_that_the_models_refuse_takes_no_link_along(tag: str) -> None:
    text = f"https://example.org/#a {tag} https://example.org/#b @bob.test"
    assert [span.value for span in richtext.spans(text)] == ["https://example.org/#a", "https://example.org/#b", "bob.test"]


def test_a_broken_character_makes_it_all_plain_text() -> None:
    assert richtext.segments("example.org \ud800") == (Segment("text", "example.org \ud800"),)


def test_what_is_beyond_the_longest_post_is_not_searched() -> None:
    text = "x" * 3000 + " example.org"
    assert richtext.segments(text) == (Segment("text", text),)


HOSTILE = {
    "one word of dots": lambda n: "http://" + "a." * (n // 2),
    "links": lambda n: "a.co " * (n // 5),
    "mentions": lambda n: "@a.com " * (n // 7),
    "mentions in one word": lambda n: "@a.b" * (n // 4),
    "hashes": lambda n: "#" * n,
    "tags": lambda n: "#a " * (n // 3),
    "a tag of digits": lambda n: "#" + "1" * n,
    "a tag of punctuation": lambda n: "#a" + "!" * n + "a",
    "a tag of accents": lambda n: "#a" + "\u0301" * n,
    "cashtags": lambda n: "$A " * (n // 3),
    "brackets": lambda n: "(" * n,
    "flags": lambda n: "\U0001f1e9" * n,
    "a family": lambda n: "👩\u200d" * (n // 2),
}


@pytest.mark.parametrize("made", HOSTILE.values(), ids=HOSTILE)
def test_twice_the_text_is_at_most_three_times_the_work(made: Callable[[int], str]) -> None:
    once, twice = (min(worked(made(size)) for _ in range(3)) for size in (80_000, 160_000))
    assert twice < 3 * max(once, NOTICEABLE)


def worked(text: str) -> float:
    started = time.process_time()
    richtext.segments(text)
    return time.process_time() - started
