import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.mastodon.html import MOST, plain
from platforms.mastodon.text import length, segments, without_hosts
from platforms.text import graphemes
from tests.unit.platforms.mastodon.instance import rendered


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("bell", 4),
        ("é", 1),
        ("e\u0301", 1),
        ("👨‍👩‍👧‍👦", 1),
        ("🇩🇪🇫🇷", 2),
        ("👍🏽", 1),
        ("a\r\nb", 3),
        ("한국어", 3),
    ],
)
def test_a_grapheme_is_what_a_reader_sees(text: str, expected: int) -> None:
    assert graphemes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bell", 4),
        ("https://example.com", 23),
        ("http://example.com/" + "a" * 500, 23),
        ("HTTPS://EXAMPLE.COM/A", 23),
        ("see https://example.com.", 4 + 23 + 1),
        ("(https://example.com/a)", 1 + 23 + 1),
        ("https://en.wikipedia.org/wiki/Bell_(instrument)", 23),
        ("https://例え.テスト/鐘?q=鐘#x", 23),
        ("https://xn--r8jz45g.xn--zckzah/", 23),
        ("https://example.com日本", 23 + 2),
        ("https://a.example https://b.example", 23 + 1 + 23),
        ("https://example.com/@bob@remote.example", 23),
        ("example.com/without/a/scheme", 28),
        ("http://localhost/a", 18),
        ("xhttps://example.com", 20),
        ("@bob", 4),
        ("@bob@remote.example", 4),
        ("@bob@remote.example, hello", 4 + 7),
        ("@bob@remote.example.", 4 + 1),
        ("bob@remote.example", 18),
        ("@bob@", 5),
        ("@josé@remote.example", 20),
        ("#bells @bob@remote.example", 11),
    ],
)
def test_links_and_remote_mentions_count_as_the_server_counts_them(text: str, expected: int) -> None:
    assert length("", text, url_length=23) == expected


@pytest.mark.parametrize("url_length", [0, 1, 30, 10**12])
def test_a_link_counts_what_this_server_says(url_length: int) -> None:
    assert length("", "a https://example.com\u0301 b", url_length=url_length) == 4 + max(url_length, 1) - (url_length == 0)


def test_the_warning_counts_as_written_even_where_it_holds_a_link() -> None:
    assert length("https://a.example", "text", url_length=23) == 17 + 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", [("text", "plain")]),
        ("", []),
        ("Go https://a.example/x!", [("text", "Go "), ("link", "https://a.example/x"), ("text", "!")]),
        ("@bob and @eve@b.example", [("mention", "@bob"), ("text", " and "), ("mention", "@eve@b.example")]),
        ("#bell #2026 #été", [("tag", "#bell"), ("text", " #2026 "), ("tag", "#été")]),
        ("a#b me@b.example", [("text", "a#b me@b.example")]),
    ],
)
def test_the_preview_cuts_the_text_where_the_server_will(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(segment.kind, segment.text) for segment in segments(text)] == expected


def test_only_links_have_an_address() -> None:
    found = {segment.kind: segment.href for segment in segments("https://a.example @bob #bell")}
    assert found == {"link": "https://a.example", "text": None, "mention": None, "tag": None}


pieces = st.sampled_from(
    ["https://", "http://a.example", "@bob", "@", "#", "bell", ".", "/", "(", ")", "?", "\n", " ", "é", "👍🏽", "2026"]
)
texts = st.one_of(st.text(), st.lists(pieces, max_size=30).map("".join))


@given(texts)
def test_the_segments_joined_are_the_text(text: str) -> None:
    assert "".join(segment.text for segment in segments(text)) == text


@given(texts)
def test_a_text_is_as_long_as_its_graphemes_with_links_and_mentions_exchanged(text: str) -> None:
    exchanged = {"link": "x" * 23}
    shown = "".join(exchanged.get(segment.kind, without_hosts(segment.text)) for segment in segments(text))
    assert length("", text, url_length=23) == graphemes(shown)


@given(st.text(alphabet=st.characters(exclude_characters="@#:/\r"), max_size=200))
def test_without_links_and_mentions_the_length_is_that_of_the_graphemes(text: str) -> None:
    assert length("", text, url_length=23) == graphemes(text)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789/-_", max_size=300))
def test_a_link_counts_the_same_whatever_its_path(path: str) -> None:
    assert length("", f"https://a.example/{path}", url_length=23) == 23


@pytest.mark.parametrize(
    "text",
    [
        'One line & <two> "quotes"',
        "First\nsecond\n\nthird",
        "Read https://a.example/very/long/path?with=query&more=1 now",
        "With @bob and #bells in it",
    ],
)
def test_a_text_can_be_read_back_from_the_html(text: str) -> None:
    assert plain(rendered(text)).split() == text.split()


def test_a_mention_is_read_back_without_its_host() -> None:
    assert plain(rendered("Hi @bob@remote.example")).strip() == without_hosts("Hi @bob@remote.example")


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<p>A &amp; B &#128276; &lt;i&gt;</p>", "A & B 🔔 <i>"),
        ('Ding <img class="emojione" alt="🔔" src="x.png"/> dong', "Ding 🔔 dong"),
        ('Ding <img alt=":bell:"> dong', "Ding :bell: dong"),
        ("Ding<!-- a note -->dong", "Dingdong"),
        ("a < b > c", "a < b > c"),
        ("<a>Ding</a> dong", "Ding dong"),
        ('<A HREF="https://a.example">a</A>', "https://a.example"),
        ("<a href='https://a.example'>a", "https://a.example"),
        ("<![ding", "<![ding"),
        ("<", "<"),
        ("&bogus; &", "&bogus; &"),
        ("&#" + "9" * 5000 + ";", "&#" + "9" * 5000 + ";"),
    ],
)
def test_any_html_is_read_as_well_as_it_can_be(page: str, expected: str) -> None:
    assert plain(page).strip() == expected


@given(
    st.one_of(
        st.text(), st.lists(st.sampled_from(["<", ">", "a", "p", "!", "-", "&", "#", "1", ";", '"', " href="])).map("".join)
    )
)
def test_no_html_is_too_odd_to_be_read(page: str) -> None:
    assert isinstance(plain(page), str)


def test_no_more_html_is_read_than_a_post_can_need() -> None:
    assert len(plain("a" * 10 * MOST)) == MOST
