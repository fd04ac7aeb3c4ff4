"""What was uploaded and never kept goes after a day.

A bucket's own rules do the same; this is for folders, and for buckets that were told no rules.
"""

from datetime import datetime, timedelta

from app.storage import Storage, keys

KEPT = timedelta(days=1)


async def sweep(storage: Storage, at: datetime) -> int:
    """Remove temporary files and abort uploads that are older than a day; how many. Any number may sweep at once.

    Only below our own prefixes: a bucket may hold other things.
    """
    removed, before = 0, at - KEPT
    async for stored in storage.listed(keys.TEMP):
        if stored.modified_at < before:
            await storage.delete(stored.key)
            removed += 1
    for prefix in (keys.TEMP, keys.MEDIA):
        async for upload in storage.unfinished(prefix):
            if upload.started_at < before:
                await storage.abort(upload)
                removed += 1
    await storage.tidy(before)
    return removed
