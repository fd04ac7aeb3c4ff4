"""boto3, told how to speak to a bucket, and its errors in our words."""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from app.settings import StorageSettings
from app.storage.errors import Mismatch, Missing, Refused, StorageError, TooLarge, Unavailable
from app.storage.providers import PROVIDERS, Provider
from app.storage.streams import THREADS

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest
    from types_boto3_s3.client import S3Client
else:
    S3Client = Any

_ERRORS: Mapping[str, type[StorageError]] = {
    "404": Missing,
    "NoSuchKey": Missing,
    "NoSuchUpload": Missing,
    "EntityTooLarge": TooLarge,
    "EntityTooSmall": Mismatch,
    "InvalidPart": Mismatch,
    "InvalidPartOrder": Mismatch,
    "MalformedXML": Mismatch,
    "BadDigest": Mismatch,
    "NotImplemented": Refused,
    "OperationAborted": Unavailable,
    "ConditionalRequestConflict": Unavailable,
    "412": Unavailable,
    "PreconditionFailed": Unavailable,
}
"""What the answer's code says, where its status does not say enough."""

_TOO_OFTEN, _BROKEN = 429, 500

CONNECT_SECONDS = 5
SILENT_SECONDS = 30
"""Each of three tries."""


def provider_of(settings: StorageSettings) -> Provider:
    """The one that is set or guessed."""
    return PROVIDERS[settings.provider]


def connect(settings: StorageSettings, *, endpoint: str | None = None) -> S3Client:
    """A client, which speaks to nobody yet. ``endpoint``: another address than the settings', for what others will ask.

    ``s3v4`` is said aloud because boto3 still falls back to V2 in old regions. Checksums only ``when_required``: boto3's newer
    default, in a trailer, is refused by some servers and stored as content by others; and an upload that is begun with it wants
    it with every part, which browsers do not send.
    """
    provider = provider_of(settings)
    client = boto3.client(
        "s3",
        endpoint_url=endpoint or settings.s3_endpoint_url or provider.endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key.get_secret_value() if settings.s3_access_key else None,
        aws_secret_access_key=settings.s3_secret_key.get_secret_value() if settings.s3_secret_key else None,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": provider.addressing},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"mode": "standard", "max_attempts": 3},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=SILENT_SECONDS,
            max_pool_connections=THREADS,
        ),
    )
    if not provider.crc:
        for operation in ("PutBucketCors", "PutBucketLifecycleConfiguration"):
            client.meta.events.register(f"before-sign.s3.{operation}", _with_md5)
    return client


def origins(settings: StorageSettings) -> list[str]:
    """Where browsers reach the bucket, as a page's policy names servers; none for a folder. Nobody is asked."""
    if not settings.s3_bucket:
        return []
    endpoint = urlsplit(connect(settings, endpoint=settings.s3_public_url).meta.endpoint_url)
    found = [f"{endpoint.scheme}://{endpoint.netloc}"]
    if provider_of(settings).addressing == "virtual":
        found.append(f"{endpoint.scheme}://{settings.s3_bucket}.{endpoint.netloc}")
    return found


def _with_md5(request: "AWSRequest", **_: Any) -> None:
    """The checksum that servers have always asked for, in the place of the one that boto3 sends today."""
    for name in [name for name in request.headers if name.lower().startswith(("x-amz-checksum-", "x-amz-sdk-checksum-"))]:
        del request.headers[name]
    body = request.data if isinstance(request.data, bytes) else str(request.data).encode()
    request.headers["Content-MD5"] = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


@contextmanager
def in_our_words() -> Iterator[None]:
    """Turn boto3's errors into the storage's."""
    try:
        yield
    except ClientError as error:
        raise _translated(error) from error
    except NoCredentialsError as error:
        raise Refused("the bucket's keys are not set") from error
    except (BotoCoreError, OSError) as error:
        raise Unavailable(f"the bucket does not answer ({type(error).__name__})") from error


def code_of(error: BaseException | None) -> str:
    """What the bucket's answer called its refusal; empty if there was no answer."""
    return str(error.response.get("Error", {}).get("Code") or "") if isinstance(error, ClientError) else ""


def _translated(error: ClientError) -> StorageError:
    code, status = code_of(error), int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    kind = _ERRORS.get(code)
    if kind is None:
        kind = Unavailable if status >= _BROKEN or status == _TOO_OFTEN else Refused
    return kind(f"the bucket answered {status} {code}")
