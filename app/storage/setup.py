"""``carillon storage setup``: tell the bucket what it has to know, or tell the person how. May be repeated at any time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from app.settings import StorageSettings
from app.storage import by_hand, rules
from app.storage.clients import code_of, connect, in_our_words, provider_of
from app.storage.errors import Missing, Refused, StorageError

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client
else:
    S3Client = Any

State = Literal["done", "right", "by hand", "failed"]


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one thing, in words for the operator. ``right``: it was already."""

    state: State
    text: str


def set_up(settings: StorageSettings) -> list[Line]:
    """Write the CORS and the lifecycle rules, leaving other people's rules alone. Blocks for some seconds."""
    if not settings.s3_bucket:
        folder = settings.data_dir / "media"
        return [Line("right", f"Uploads lie in {folder}, where nothing has to be set up. For a bucket set CARILLON_S3_BUCKET.")]
    client = connect(settings)
    try:
        with in_our_words():
            client.head_bucket(Bucket=settings.s3_bucket)
    except StorageError as error:
        return [Line("failed", _unreachable(settings, error))]
    reached = Line("right", f"The bucket {settings.s3_bucket} answers to our keys. It needs nothing public.")
    return [reached, _cors(client, settings), _lifecycle(client, settings)]


def _unreachable(settings: StorageSettings, error: StorageError) -> str:
    if isinstance(error, Missing):
        return f"There is no bucket {settings.s3_bucket} at this address. Make it first; it needs nothing public."
    if isinstance(error, Refused):
        return f"The bucket {settings.s3_bucket} refuses our keys ({error}). Look at keys, region, and this machine's clock."
    return f"{error}. Look at CARILLON_S3_ENDPOINT_URL."


def _cors(client: S3Client, settings: StorageSettings) -> Line:
    if not settings.public_url:
        return Line("by hand", "Set CARILLON_PUBLIC_URL, the address of the pages, and come again: the CORS rule names it.")
    origin = rules.origin_of(settings.public_url)
    wanted = rules.cors(origin)
    if not provider_of(settings).sets_up:
        return Line("by hand", by_hand.cors(settings, wanted))
    try:
        there = _read(lambda **where: client.get_bucket_cors(**where)["CORSRules"], settings)
        if (new := rules.with_cors(there, wanted)) is None:
            return Line("right", f"Pages at {origin} may put files into it.")
        with in_our_words():
            client.put_bucket_cors(Bucket=settings.s3_bucket or "", CORSConfiguration={"CORSRules": new})  # type: ignore[typeddict-item]
    except StorageError as error:
        return Line("by hand", f"The CORS rule could not be written ({error}).\n{by_hand.cors(settings, wanted)}")
    return Line("done", f"Pages at {origin} may put files into it (CORS){_kept(len(there))}.")


def _lifecycle(client: S3Client, settings: StorageSettings) -> Line:
    provider = provider_of(settings)
    wanted = rules.lifecycle(ends_uploads=provider.ends_uploads)
    what = "What lies in temp/ goes after a day, and so does what of an upload was never finished"
    if not provider.sets_up:
        return Line("by hand", by_hand.lifecycle(settings, wanted))
    try:
        there = _read(lambda **where: client.get_bucket_lifecycle_configuration(**where)["Rules"], settings)
        if (new := rules.with_lifecycle(there, wanted)) is None:
            return Line("right", f"{what}.")
        with in_our_words():
            client.put_bucket_lifecycle_configuration(
                Bucket=settings.s3_bucket or "",
                LifecycleConfiguration={"Rules": new},  # type: ignore[typeddict-item]
            )
    except StorageError as error:
        return Line("by hand", f"The lifecycle rule could not be written ({error}).\n{by_hand.lifecycle(settings, wanted)}")
    return Line("done", f"{what} (lifecycle){_kept(len(new) - len(wanted))}.")


def _read(ask: Callable[..., Any], settings: StorageSettings) -> list[rules.Rule]:
    """The rules there are; a bucket that was told nothing yet says so with an error."""
    try:
        with in_our_words():
            return list(ask(Bucket=settings.s3_bucket))
    except StorageError as error:
        if code_of(error.__cause__) in ("NoSuchCORSConfiguration", "NoSuchLifecycleConfiguration"):
            return []
        raise


def _kept(number: int) -> str:
    return f"; {number} other rule{'s' if number > 1 else ''} kept" if number else ""
