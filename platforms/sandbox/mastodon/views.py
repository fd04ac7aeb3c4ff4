"""What the emulated Mastodon shows of its accounts, files and statuses."""

from platforms.sandbox.context import Call, Json, Sandbox, timestamp
from platforms.sandbox.mastodon.html import as_html, rewritten
from platforms.sandbox.quirks import Quirk
from platforms.sandbox.values import Account, Post, Upload


def show_account(request: Call, sandbox: Sandbox, account: Account) -> Json:
    """The account as the API shows it."""
    origin = sandbox.origin(request)
    return {
        "id": account.id,
        "username": account.handle,
        "acct": account.handle,
        "display_name": account.handle.title(),
        "url": f"{origin}/{account.platform}/@{account.handle}",
        "avatar": f"{origin}/avatar/{account.handle}.svg",
        "created_at": timestamp(account.created_at),
    }


def ready(sandbox: Sandbox, upload: Upload) -> bool:
    """Whether it is processed."""
    return upload.ready_at <= sandbox.store.clock()


def show_upload(request: Call, sandbox: Sandbox, upload: Upload) -> Json:
    """The file as the API shows it: without an address while it is being processed."""
    url = f"{sandbox.origin(request)}/media/{upload.cid}" if ready(sandbox, upload) else None
    kind = "video" if upload.mime.startswith("video/") else "image"
    return {"id": upload.id, "type": kind, "url": url, "preview_url": url, "description": upload.description or None}


def show(request: Call, sandbox: Sandbox, found: Post) -> Json:
    """The status as the API shows it. Nobody else lives here, so all counts are 0."""
    url = sandbox.origin(request) + sandbox.location(found)
    uploads = [sandbox.store.upload(upload_id) for upload_id in found.body["media"]]
    rewrites = sandbox.quirks.has(found.platform, Quirk.REWRITES_WORDS, found.account)
    kept = ("visibility", "spoiler_text", "sensitive", "language", "in_reply_to_id")
    return {
        "id": found.id,
        "created_at": found.created_at,
        "edited_at": None,
        "uri": url,
        "url": url,
        "content": (rewritten if rewrites else as_html)(found.text),
        "account": show_account(request, sandbox, sandbox.author(found)),
        "application": {"name": found.body["application"], "website": None},
        "media_attachments": [show_upload(request, sandbox, upload) for upload in uploads if upload],
        "reblog": None,
        **{name: found.body[name] for name in kept},
        **dict.fromkeys(("replies_count", "reblogs_count", "favourites_count", "quotes_count"), 0),
    }
