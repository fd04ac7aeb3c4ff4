"""From documents to the frozen :class:`platforms.base.Content` an adapter gets."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from math import sqrt

from app import pictures, runtime
from app.models import Account, Attachment, Delivery, MediaFile
from platforms import REGISTRY
from platforms.base import Content, Media, MediaRule


async def build(
    account: Account,
    *,
    text: str,
    attachments: Sequence[Attachment],
    language: str | None,
    options: Mapping[str, str],
    created_at: datetime,
) -> Content:
    """Content for ``account``, with its pictures announced as they will be sent there."""
    rule = REGISTRY[account.platform].capabilities_for(account.limits).media
    return Content(
        text=text,
        created_at=created_at,
        media=await for_adapter(attachments, rule),
        language=language,
        options=dict(options),
    )


async def of_part(delivery: Delivery, account: Account) -> Content:
    """The content of the delivery's current part. Pictures belong to the first part."""
    position = delivery.position
    return await build(
        account,
        text=delivery.parts[position].text,
        attachments=delivery.attachments if position == 0 else (),
        language=delivery.language,
        options=delivery.options,
        created_at=delivery.content_at,
    )


# --- media --------------------------------------------------------------------------------------------------------------


async def for_adapter(attachments: Sequence[Attachment], rule: MediaRule) -> tuple[Media, ...]:
    """The attached files as an adapter takes them; those that were deleted meanwhile are left out."""
    files = [(await MediaFile.get(attachment.media_id), attachment.alt) for attachment in attachments]
    return tuple(_adapted(file, alt, rule) for file, alt in files if file is not None)


def _adapted(file: MediaFile, alt: str, rule: MediaRule) -> Media:
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
        read=partial(_read_fitted, file, rule),
    )


async def _read_fitted(file: MediaFile, rule: MediaRule) -> bytes:
    data = await runtime.current().storage.get(file.path)
    return await pictures.in_workshop(pictures.fit, data, file.mime, rule)
