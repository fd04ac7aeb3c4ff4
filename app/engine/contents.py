"""From documents to the frozen :class:`platforms.base.Content` an adapter gets."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from math import sqrt

from app import renditions
from app.models import Account, Attachment, Delivery, MediaFile, reading
from platforms import REGISTRY
from platforms.base import Content, Media, MediaRule
from platforms.errors import MediaRejected


async def build(
    account: Account,
    *,
    text: str,
    attachments: Sequence[Attachment],
    language: str | None,
    options: Mapping[str, str],
    created_at: datetime,
    sent: bool = False,
) -> Content:
    """Content for ``account``, with its pictures announced as they will be sent there.

    Raises ``MediaRejected`` if a picture is gone: nothing is left out silently. ``sent``: only the past is asked about, which
    needs no file any more.
    """
    rule = REGISTRY[account.platform].capabilities_for(account.limits).media
    return Content(
        text=text,
        created_at=created_at,
        media=tuple([await _announced(attachment, account.platform, rule, sent=sent) for attachment in attachments]),
        language=language,
        options=dict(options),
    )


async def of_part(delivery: Delivery, account: Account, *, sent: bool = False) -> Content:
    """The content of the delivery's current part. Pictures belong to the first part. Raises like :func:`build`."""
    position = delivery.position
    return await build(
        account,
        text=delivery.parts[position].text,
        attachments=delivery.attachments if position == 0 else (),
        language=delivery.language,
        options=delivery.options,
        created_at=delivery.content_at,
        sent=sent,
    )


# --- media -----------------------------------------------------------------------------------------------------------


async def _announced(attachment: Attachment, platform: str, rule: MediaRule, *, sent: bool) -> Media:
    file = await reading.get(MediaFile, attachment.media_id)
    if file is not None:
        return _adapted(file, attachment.alt, platform, rule)
    if not sent:
        raise _gone(platform)
    return Media(str(attachment.media_id), "", 0, 0, 0, attachment.alt, partial(_read_nothing, platform))


def _gone(platform: str) -> MediaRejected:
    return MediaRejected(
        platform, "media_gone", "One of its pictures no longer exists. Edit the post, and add the picture again."
    )


async def _read_nothing(platform: str) -> bytes:
    raise _gone(platform)


def _adapted(file: MediaFile, alt: str, platform: str, rule: MediaRule) -> Media:
    """Still pictures will be made to fit when they are read, so they are announced with the size they will have at most."""
    shrinks = file.mime != "image/gif"
    scale = min(1.0, sqrt(rule.max_pixels / (file.width * file.height))) if shrinks and rule.max_pixels else 1.0
    return Media(
        id=str(file.id),
        mime=file.mime,
        size=min(file.size, rule.max_bytes) if shrinks else file.size,
        width=max(1, int(file.width * scale)),
        height=max(1, int(file.height * scale)),
        alt=alt,
        read=partial(_read_fitted, file, platform, rule),
    )


async def _read_fitted(file: MediaFile, platform: str, rule: MediaRule) -> bytes:
    try:
        return await renditions.read(file, rule)
    except FileNotFoundError:
        raise _gone(platform) from None
