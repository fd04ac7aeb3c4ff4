"""From documents to the frozen :class:`platforms.base.Content` an adapter gets."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from app.models import Account, Attachment, Delivery
from app.services import media
from platforms import REGISTRY
from platforms.base import Content


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
        media=await media.for_adapter(attachments, rule),
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
