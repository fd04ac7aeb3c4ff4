"""What differs between those who offer buckets: data, which the rest of this package reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app import settings
from app.storage.values import MEBIBYTE

GOOGLE = "https://storage.googleapis.com"


@dataclass(frozen=True, slots=True)
class Provider:
    """One of them.

    ``addressing``: where the bucket's name stands. A new bucket at AWS answers its global address with redirects for hours, which
    browsers do not follow; its own host is right at once.
    ``crc``: the checksum of bucket settings, where everybody else still wants Content-MD5.
    ``sets_up``: whether CORS and lifecycle rules can be written in S3's dialect; Google has words of its own.
    ``ends_uploads``: whether a lifecycle rule can end unfinished uploads; MinIO ends them by itself after a day.
    ``copies_up_to``: bytes of one server-side copy; larger files are copied part by part. Google copies any size at once, and
    is not known to copy parts.
    """

    addressing: Literal["path", "virtual"] = "path"
    endpoint: str | None = None
    crc: bool = False
    sets_up: bool = True
    ends_uploads: bool = True
    copies_up_to: int | None = 256 * MEBIBYTE


PROVIDERS: Mapping[settings.Provider, Provider] = {
    "aws": Provider(addressing="virtual", crc=True),
    "gcs": Provider(endpoint=GOOGLE, sets_up=False, copies_up_to=None),
    "r2": Provider(),
    "minio": Provider(ends_uploads=False),
    "other": Provider(),
}
