"""Objects in an S3 bucket: AWS, Google Cloud Storage through its S3 dialect, R2, MinIO, and whoever speaks it.

boto3 blocks, so every call runs in a thread of :mod:`app.storage.streams`, with limits on silence (:mod:`app.storage.clients`).
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from urllib.parse import quote

from app.settings import StorageSettings
from app.storage import keys
from app.storage.clients import code_of, connect, in_our_words, provider_of
from app.storage.errors import Mismatch, Missing, Refused, StorageError, TooLarge, Unavailable
from app.storage.streams import PIECE, in_thread, regrouped
from app.storage.values import MAX_PARTS, MAX_PUT, Origin, Part, Signed, Stored, Upload, in_order, part_size, until

RESUMED = 3
"""How often in a row a read that breaks off goes on, besides what boto3 tries by itself."""


class Bucket:
    """See :class:`app.storage.Storage`. Addresses are made for ``s3_public_url``, if browsers reach the bucket there."""

    def __init__(self, settings: StorageSettings) -> None:
        self._name = settings.s3_bucket or ""
        self._s3 = connect(settings)
        public = settings.s3_public_url
        self._signer = connect(settings, endpoint=public) if public else self._s3
        self._copies_up_to = provider_of(settings).copies_up_to

    async def _ask(self, call: Callable[..., Any], **params: Any) -> Any:
        with in_our_words():
            return await in_thread(call, Bucket=self._name, **params)

    # --- addresses ----------------------------------------------------------------------------------------------------

    @property
    def origin(self) -> Origin:
        """The bucket's own server."""
        return Origin(self._signer.meta.endpoint_url, "CARILLON_S3_PUBLIC_URL")

    async def put_url(self, key: str, *, mime: str, size: int, lasts: timedelta) -> Signed:
        """Type and size are signed headers: the bucket refuses any others."""
        params = {"Key": keys.check_type(key, mime), "ContentType": mime, "ContentLength": _limited(size)}
        url, end = await self._sign("put_object", params, lasts)
        return Signed(url, end, {"Content-Type": mime})

    async def part_url(self, upload: Upload, number: int, *, size: int, lasts: timedelta) -> Signed:
        """The size is signed; a part has no type."""
        if not 1 <= number <= MAX_PARTS:
            raise ValueError(f"parts have numbers from 1 to {MAX_PARTS}")
        part = {"UploadId": upload.id, "PartNumber": number, "ContentLength": _limited(size)}
        url, end = await self._sign("upload_part", {"Key": keys.check(upload.key), **part}, lasts)
        return Signed(url, end)

    async def get_url(self, key: str, *, lasts: timedelta, name: str = "") -> str:
        """Bound to GET by the signature: S3 refuses a HEAD."""
        saved_as = {"ResponseContentDisposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"} if name else {}
        url, _ = await self._sign("get_object", {"Key": keys.check(key), **saved_as}, lasts)
        return url

    async def _sign(self, operation: str, params: dict[str, Any], lasts: timedelta) -> tuple[str, datetime]:
        """In a thread too: keys of a machine's role may have to be fetched first."""
        end = until(lasts, datetime.now(UTC))
        named, seconds = {"Bucket": self._name, **params}, int(lasts.total_seconds())
        with in_our_words():
            return await in_thread(self._signer.generate_presigned_url, operation, Params=named, ExpiresIn=seconds), end

    # --- files --------------------------------------------------------------------------------------------------------

    async def head(self, key: str) -> Stored:
        """One HeadObject."""
        answer = await self._ask(self._s3.head_object, Key=keys.check(key))
        return Stored(key, answer["ContentLength"], _plain(answer["ETag"]), answer["LastModified"], answer.get("ContentType", ""))

    async def read(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        """One GetObject, read as fast as it is wanted; one more from where it was, if the connection breaks in between."""
        etag, left = "", RESUMED
        while end is None or start < end:
            body, etag = await self._open(key, start, end, etag)
            try:
                while piece := await self._piece(body):
                    start, left = start + len(piece), RESUMED
                    yield piece
                return
            except Unavailable:
                if not left:
                    raise
                left -= 1
            finally:
                body.close()

    async def _open(self, key: str, start: int, end: int | None, etag: str) -> tuple[Any, str]:
        """The body and the file's tag. With an ``etag``: of that file, and ``Unavailable`` if another one took its place."""
        same = {"IfMatch": etag} if etag else {}
        part = {"Range": f"bytes={start}-{'' if end is None else end - 1}"} if start or end is not None else {}
        try:
            answer = await self._ask(self._s3.get_object, Key=keys.check(key), **same, **part)
        except Refused as error:
            if code_of(error.__cause__) == "InvalidRange":  # nothing lies behind the end
                return BytesIO(), etag
            raise
        return answer["Body"], answer["ETag"]

    async def _piece(self, body: Any) -> bytes:
        with in_our_words():
            piece: bytes = await in_thread(body.read, PIECE)
            return piece

    async def write(self, key: str, source: AsyncIterable[bytes], *, mime: str, size: int | None = None) -> Stored:
        """One PutObject for what fits into a part; else part after part, of which one is in memory."""
        keys.check_type(key, mime)
        most = part_size(size or 0)
        chunks = regrouped(_counted(source, size), most)
        first = await anext(chunks, b"")
        if len(first) == most:
            source = _again(first, chunks)
            del first  # or it would be kept all the time
            return await self._write_parts(key, source, mime)
        async for _ in chunks:  # to its end, where the count is looked at
            pass
        answer = await self._ask(self._s3.put_object, Key=key, Body=first, ContentType=mime)
        return Stored(key, len(first), _plain(answer["ETag"]), datetime.now(UTC), mime)

    async def _write_parts(self, key: str, chunks: AsyncIterable[bytes], mime: str) -> Stored:
        upload, parts = await self.begin(key, mime=mime), list[Part]()
        try:
            async for chunk in chunks:
                parts.append(await self._write_part(upload, len(parts) + 1, chunk))
            return await self.complete(upload, parts)
        except BaseException:
            with suppress(StorageError):
                await asyncio.shield(self.abort(upload))
            raise

    async def _write_part(self, upload: Upload, number: int, data: bytes) -> Part:
        if number > MAX_PARTS:
            raise TooLarge(f"more than {MAX_PARTS} parts; say the size beforehand")
        named = {"Key": upload.key, "UploadId": upload.id, "PartNumber": number}
        answer = await self._ask(self._s3.upload_part, Body=BytesIO(data), **named)  # as bytes it would be copied
        return Part(number, _plain(answer["ETag"]), len(data))

    async def copy(self, source: str, target: str) -> Stored:
        """Within the bucket; the bytes do not come here."""
        keys.check(target)
        there, place = await self.head(source), {"Bucket": self._name, "Key": source}
        if self._copies_up_to is None or there.size <= self._copies_up_to:
            await self._ask(self._s3.copy_object, Key=target, CopySource=place)
        else:
            await self._copy_parts(there, target, max(self._copies_up_to, part_size(there.size)))
        return await self.head(target)

    async def _copy_parts(self, there: Stored, target: str, step: int) -> None:
        upload, parts = await self.begin(target, mime=there.mime), list[Part]()
        named = {"Key": target, "UploadId": upload.id, "CopySource": {"Bucket": self._name, "Key": there.key}}
        try:
            for number, start in enumerate(range(0, there.size, step), start=1):
                part = {"PartNumber": number, "CopySourceRange": f"bytes={start}-{min(start + step, there.size) - 1}"}
                answer = await self._ask(self._s3.upload_part_copy, CopySourceIfMatch=there.etag, **named, **part)
                parts.append(Part(number, _plain(answer["CopyPartResult"]["ETag"])))
            await self.complete(upload, parts)
        except BaseException:
            with suppress(StorageError):
                await asyncio.shield(self.abort(upload))
            raise

    async def delete(self, key: str) -> None:
        """One DeleteObject; Google answers 404 for a missing key where S3 answers 204."""
        keys.check(key)
        with suppress(Missing):
            await self._ask(self._s3.delete_object, Key=key)

    async def listed(self, prefix: str) -> AsyncGenerator[Stored, None]:
        """A thousand at a time."""
        more: dict[str, str] = {}
        while True:
            page = await self._ask(self._s3.list_objects_v2, Prefix=prefix, **more)
            for found in page.get("Contents", ()):
                yield Stored(found["Key"], found["Size"], _plain(found["ETag"]), found["LastModified"])
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    # --- in parts -----------------------------------------------------------------------------------------------------

    async def begin(self, key: str, *, mime: str) -> Upload:
        """One CreateMultipartUpload."""
        answer = await self._ask(self._s3.create_multipart_upload, Key=keys.check_type(key, mime), ContentType=mime)
        return Upload(key, answer["UploadId"], datetime.now(UTC))

    async def parts(self, upload: Upload) -> list[Part]:
        """As the bucket lists them."""
        found: list[Part] = []
        after = 0
        while True:
            page = await self._ask(self._s3.list_parts, Key=upload.key, UploadId=upload.id, PartNumberMarker=after)
            found += [Part(part["PartNumber"], _plain(part["ETag"]), part["Size"]) for part in page.get("Parts", ())]
            if not page.get("IsTruncated"):
                return found
            after = page["NextPartNumberMarker"]

    async def complete(self, upload: Upload, parts: list[Part]) -> Stored:
        """One CompleteMultipartUpload. If it has no clear answer and the upload is over, the file's tag tells whether it worked.

        Ceph answers 500 for one that is over.
        """
        in_order(parts)
        named = [{"PartNumber": part.number, "ETag": f'"{_plain(part.etag)}"'} for part in parts]
        try:
            call = self._s3.complete_multipart_upload
            await self._ask(call, Key=upload.key, UploadId=upload.id, MultipartUpload={"Parts": named})
        except (Missing, Unavailable) as error:
            if not await self._is_over(upload):
                raise
            stored = await self.head(upload.key)
            if stored.etag != _tag_of(parts):
                raise Missing("the upload is over, and another file lies there") from error
            return stored
        return await self.head(upload.key)

    async def _is_over(self, upload: Upload) -> bool:
        try:
            await self.parts(upload)
        except Missing:
            return True
        return False

    async def abort(self, upload: Upload) -> None:
        """One AbortMultipartUpload. A part that is on its way may still arrive; the lifecycle rule ends it."""
        with suppress(Missing):
            await self._ask(self._s3.abort_multipart_upload, Key=upload.key, UploadId=upload.id)

    async def unfinished(self, prefix: str) -> AsyncGenerator[Upload, None]:
        """A thousand at a time. MinIO lists those of one key only, given as the prefix; it ends the others by itself."""
        more: dict[str, str] = {}
        while True:
            page = await self._ask(self._s3.list_multipart_uploads, Prefix=prefix, **more)
            for found in page.get("Uploads", ()):
                yield Upload(found["Key"], found["UploadId"], found["Initiated"])
            if not page.get("IsTruncated"):
                return
            more = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    async def tidy(self, before: datetime) -> None:
        """A bucket keeps nothing of its own that could be left behind."""


async def _again(first: bytes, rest: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    yield first
    del first
    async for chunk in rest:
        yield chunk


async def _counted(source: AsyncIterable[bytes], size: int | None) -> AsyncGenerator[bytes, None]:
    count = 0
    async for piece in source:
        count += len(piece)
        if size is not None and count > size:
            raise TooLarge(f"more than the {size} bytes that were announced")
        yield piece
    if size is not None and count != size:
        raise Mismatch(f"{count} bytes came where {size} were announced")


def _limited(size: int) -> int:
    if not 0 <= size <= MAX_PUT:
        raise TooLarge(f"at most {MAX_PUT} bytes at once")
    return size


def _plain(etag: str) -> str:
    return etag.strip('"')


def _tag_of(parts: list[Part]) -> str:
    """The tag that S3 gives to a file of these parts, where a part's tag is its MD5."""
    with suppress(ValueError):
        joined = b"".join(bytes.fromhex(_plain(part.etag)) for part in parts)
        return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(parts)}"
    return ""
