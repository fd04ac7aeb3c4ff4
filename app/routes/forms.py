"""From a form's fields to values."""

from collections.abc import AsyncGenerator, Iterable
from typing import Any

from litestar import Request
from litestar.datastructures import FormMultiDict, UploadFile

from app.errors import Invalid, NotFound
from app.ids import Id
from app.models import Attachment, User, Workspace
from app.services.media import files
from app.services.writing import choices
from app.services.writing.choices import ASPECTS, Refused
from app.services.writing.drafts import field_name
from app.services.writing.posts import Draft
from app.services.writing.sizes import MAX_MEDIA
from app.storage.values import MEBIBYTE


def to_id(value: str) -> Id:
    """An id from an address. Raises ``NotFound``: what is no id is nobody's."""
    if not Id.is_valid(value):
        raise NotFound
    return Id(value)


async def read(request: Request[Any, Any, Any]) -> dict[str, str]:
    """The text fields of a small form, each once."""
    form = await request.form()
    return {name: value for name, value in form.items() if isinstance(value, str)}


def draft(form: FormMultiDict) -> Draft:
    """What the composer holds. Fields of unknown accounts are harmless: the services look only at the workspace's own."""
    shared, refused = _files(form, None)
    files = {}
    for account, kind in _per_account(form, "files-"):
        if kind == OWN:
            files[account], more = _files(form, account)
            refused |= more
    return Draft(
        text=_newlines(form.get("text", "")),
        account_ids=tuple(ids(form.getall("account", []))),
        texts={account: _newlines(text) for account, text in _per_account(form, "text-") if text.strip()},
        options=_options(form),
        attachments=shared,
        files=files,
        refused=refused,
        language=form.get("language") or None,
        date=form.get("date", ""),
        time=form.get("time", ""),
        zone=form.get("zone", "UTC"),
    )


async def add_uploads(workspace: Workspace, user: User, form: FormMultiDict) -> tuple[list[Attachment], dict[str, str]]:
    """Store the chosen files, whichever button was pressed; those that cannot be used are named in the problems."""
    added: list[Attachment] = []
    refused: list[str] = []
    room = MAX_MEDIA - len(form.getall("media", []))
    for upload in [each for each in form.getall("images", []) if isinstance(each, UploadFile)]:
        if len(added) + len(refused) >= room:
            refused.append(f"Attach at most {MAX_MEDIA} images; the others were left out.")
            break
        try:
            file = await files.receive(workspace, _pieces(upload), name=upload.filename, user=user)
            added.append(Attachment(media_id=file.id))
        except Invalid as invalid:
            refused.append(f"{upload.filename}: {' '.join(invalid.problems.values())}")
    return added, {"media": " ".join(refused)} if refused else {}


async def _pieces(upload: UploadFile) -> AsyncGenerator[bytes, None]:
    """Large ones lie on the disk since they came."""
    while piece := await upload.read(MEBIBYTE):
        yield piece


OWN = "own"
"""What the field ``files-<account>`` says of an account that does not show the post's files."""


def _files(form: FormMultiDict, account_id: Id | None) -> tuple[tuple[Attachment, ...], dict[str, Refused]]:
    """The post's files or an account's, in the form's order, and what was typed about them and cannot be meant, by field."""
    found: list[Attachment] = []
    refused: dict[str, Refused] = {}
    for media_id in ids(form.getall(f"media-{account_id}" if account_id else "media", [])):
        names = {aspect: field_name(aspect, media_id, account_id) for aspect in ("alt", *ASPECTS)}
        typed = {aspect: value for aspect, name in names.items() if isinstance(value := form.get(name), str)}
        attachment, wrong = choices.read(media_id, _newlines(typed.get("alt", "")).strip(), typed)
        found.append(attachment)
        refused |= {names[aspect]: one for aspect, one in wrong.items()}
    return tuple(found), refused


def _options(form: FormMultiDict) -> dict[Id, dict[str, str]]:
    """Fields are named ``option-<account>-<key>``."""
    found: dict[Id, dict[str, str]] = {}
    for name, value in form.multi_items():
        account, _, key = name.removeprefix("option-").partition("-")
        if name.startswith("option-") and Id.is_valid(account) and isinstance(value, str):
            found.setdefault(Id(account), {})[key] = value
    return found


def _per_account(form: FormMultiDict, prefix: str) -> Iterable[tuple[Id, str]]:
    for name, value in form.multi_items():
        rest = name.removeprefix(prefix)
        if name.startswith(prefix) and Id.is_valid(rest) and isinstance(value, str):
            yield Id(rest), value


def ids(values: Iterable[Any]) -> list[Id]:
    """Valid ids, each once, in the form's order."""
    return [Id(value) for value in dict.fromkeys(values) if Id.is_valid(value)]


def _newlines(text: str) -> str:
    """Browsers send CRLF; networks count it as two."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
