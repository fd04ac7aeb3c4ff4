"""What an emulated Mastodon says of itself, and of who asks."""

from litestar import get

from platforms.sandbox.context import Call, Given, Json
from platforms.sandbox.mastodon.oauth import viewer
from platforms.sandbox.mastodon.rules import ALT_LIMIT, FILM_LIMIT, FILM_MIMES, IMAGE_LIMIT, IMAGE_MIMES, MAX_FILES, URL_LENGTH
from platforms.sandbox.mastodon.server import Server, server
from platforms.sandbox.mastodon.views import show_account


@get("/api/v2/instance")
async def instance(request: Call) -> Json:
    """What this server is and allows. Only the genuine one counts versions of its API."""
    here = server(request)
    genuine = {"api_versions": {"mastodon": here.api_version}} if here.api_version else {}
    return {"domain": here.domain, **_instance(here), **genuine}


@get("/api/v1/instance")
async def instance_v1(request: Call) -> Json:
    """The same for older clients."""
    here = server(request)
    return {"uri": here.domain, **_instance(here)}


def _instance(here: Server) -> Json:
    return {"title": "Sandbox", "version": here.version, "configuration": _configuration(here)}


def _configuration(here: Server) -> Json:
    return {
        "statuses": {
            "max_characters": here.max_characters,
            "max_media_attachments": MAX_FILES,
            "characters_reserved_per_url": URL_LENGTH,
        },
        "media_attachments": {
            "supported_mime_types": [*IMAGE_MIMES, *FILM_MIMES],
            "image_size_limit": IMAGE_LIMIT,
            "image_matrix_limit": 33_177_600,
            "video_size_limit": FILM_LIMIT,
            "video_frame_rate_limit": 120,
            "video_matrix_limit": 8_294_400,
            "description_limit": ALT_LIMIT,
        },
    }


@get("/api/v1/accounts/verify_credentials")
async def verify_credentials(request: Call, sandbox: Given) -> Json:
    """Who the token belongs to."""
    account, _ = viewer(request, sandbox, "read:accounts")
    source = {"privacy": "public", "sensitive": False, "language": None}
    return {**show_account(request, sandbox, account), "source": source}
