"""Files in requests: streamed, counted beforehand, and with signs of life."""

from email.parser import BytesParser
from email.policy import HTTP

import pytest

from platforms import uploading
from platforms.uploading import chunks, form
from tests.contract.harness import PIECE, Diary, media, whole


@pytest.mark.parametrize("alt", ["", 'Größe "und" 🔔', "--boundary--\r\n\r\nContent-Disposition: form-data", "x" * 10_000])
async def test_a_form_is_as_long_as_it_says_and_says_what_it_was_given(alt: str) -> None:
    data = bytes(range(256)) * 1000
    sent = form(media(data, "image/jpeg"), {"description": alt}, Diary())
    body = b"".join([chunk async for chunk in sent.content])
    assert len(body) == int(sent.headers["Content-Length"])
    head = f"Content-Type: {sent.headers['Content-Type']}\r\n\r\n".encode()
    description, file = BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()
    assert description.get_payload(decode=True) == alt.encode()
    assert (file.get_content_type(), file.get_filename(), file.get_payload(decode=True)) == ("image/jpeg", "upload.jpg", data)


async def test_a_chunk_is_asked_for_when_the_one_before_is_taken() -> None:
    file = media(bytes(10 * PIECE))
    sent = form(file, {}, Diary()).content
    taken = 0
    async for piece in sent:
        taken += len(piece)
        assert file.source.asked <= taken  # type: ignore[attr-defined]


@pytest.mark.parametrize(("seconds", "told"), [(0.0, 4), (60.0, 0)])
async def test_the_checkpoint_hears_now_and_then_that_an_upload_goes_on(
    monkeypatch: pytest.MonkeyPatch, seconds: float, told: int
) -> None:
    monkeypatch.setattr(uploading, "SIGN_OF_LIFE", seconds)
    diary, file = Diary(saved={"other": 1}), media(bytes(4 * PIECE))
    assert b"".join([chunk async for chunk in chunks(file, diary)]) == await whole(file)
    assert (diary.entries, diary.saved) == (["save"] * told, {"other": 1})
