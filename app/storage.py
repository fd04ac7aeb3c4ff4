"""Where the bytes of uploaded media lie: a folder, or a bucket that speaks S3."""

import asyncio
from pathlib import Path
from typing import Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from app.settings import Settings


class Storage(Protocol):
    """Keeps files under paths of our own making (``<workspace>/<random>``)."""

    async def put(self, path: str, data: bytes, *, mime: str) -> None:
        """Store ``data``; an existing file at ``path`` is replaced."""
        ...

    async def get(self, path: str) -> bytes:
        """The bytes at ``path``. Raises ``FileNotFoundError``."""
        ...

    async def delete(self, path: str) -> None:
        """Remove the file; a missing one is fine."""
        ...


class Folder:
    """Files below one directory."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def _file(self, path: str) -> Path:
        file = (self._root / path).resolve()
        if not file.is_relative_to(self._root):
            raise FileNotFoundError(path)
        return file

    async def put(self, path: str, data: bytes, *, mime: str) -> None:  # noqa: ARG002
        """Write beside and rename, so that nobody ever reads half a file."""
        await asyncio.to_thread(_write, self._file(path), data)

    async def get(self, path: str) -> bytes:
        """The file's bytes."""
        return await asyncio.to_thread(self._file(path).read_bytes)

    async def delete(self, path: str) -> None:
        """Unlink the file."""
        await asyncio.to_thread(self._file(path).unlink, missing_ok=True)


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    part.write_bytes(data)
    part.replace(file)


class Bucket:
    """Objects in an S3 bucket (AWS, Google Cloud Storage through its S3 dialect, MinIO, R2).

    boto3 blocks, so every call runs in a thread. Checksums only ``when_required``: boto3's newer default of trailing checksums is
    refused or stored as content by several servers. ``s3v4`` is said aloud because boto3 still falls back to V2 in old regions.
    """

    def __init__(self, name: str, settings: Settings) -> None:
        self._bucket = name
        self._s3 = boto3.client(
            "s3",
            endpoint_url=settings.s3_endpoint_url,
            region_name=settings.s3_region,
            aws_access_key_id=settings.s3_access_key.get_secret_value() if settings.s3_access_key else None,
            aws_secret_access_key=settings.s3_secret_key.get_secret_value() if settings.s3_secret_key else None,
            config=Config(
                signature_version="s3v4",
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                retries={"mode": "standard", "max_attempts": 3},
                connect_timeout=5,
                read_timeout=30,
            ),
        )

    async def put(self, path: str, data: bytes, *, mime: str) -> None:
        """One PutObject."""
        await asyncio.to_thread(self._s3.put_object, Bucket=self._bucket, Key=path, Body=data, ContentType=mime)

    async def get(self, path: str) -> bytes:
        """One GetObject."""
        return await asyncio.to_thread(self._read, path)

    def _read(self, path: str) -> bytes:
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=path)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in {"NoSuchKey", "404"}:
                raise FileNotFoundError(path) from error
            raise
        body: bytes = answer["Body"].read()
        return body

    async def delete(self, path: str) -> None:
        """One DeleteObject; Google answers 404 for a missing key where S3 answers 204."""
        try:
            await asyncio.to_thread(self._s3.delete_object, Bucket=self._bucket, Key=path)
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 404:  # noqa: PLR2004
                raise


def open_storage(settings: Settings) -> Storage:
    """The bucket if one is configured, else the data folder."""
    return Bucket(settings.s3_bucket, settings) if settings.s3_bucket else Folder(settings.data_dir / "media")
