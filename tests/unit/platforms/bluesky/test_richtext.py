import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.base import Segment
from platforms.bluesky import richtext

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
