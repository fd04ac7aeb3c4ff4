"""The template environment: what every page may use, and how times, names and colours are written."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2_fragments.litestar import HTMXBlockTemplate
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.template.config import TemplateConfig

from app.models import now
from app.routes import static
from app.routes.languages import LANGUAGES
from app.services.accounts import profiles
from app.zones import ZONES, local

_APP = Path(__file__).parent.parent

TONES: Mapping[str, str] = {
    "scheduled": "progress",
    "publishing": "progress",
    "published": "good",
    "partly published": "warn",
    "needs you": "warn",
    "failed": "bad",
}
"""The colour of a post's status; anything else is neutral."""


def page(name: str, *, block: str | None = None, status: int = 200, **context: object) -> HTMXBlockTemplate:
    """The page ``name``, or only one block of it. Private: no cache may keep it."""
    return HTMXBlockTemplate(
        template_name=name,
        block_name=block,
        context=context,
        status_code=status,
        headers={"Cache-Control": "no-store"},
    )


def template_config() -> TemplateConfig[JinjaTemplateEngine]:
    """Litestar's view of :func:`environment`."""
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(environment()))


def environment() -> Environment:
    """Everything is escaped, and a name that a template misspells is an error."""
    made = Environment(
        loader=FileSystemLoader(_APP / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(asset=static.address, ZONES=ZONES, LANGUAGES=LANGUAGES, me=None, section="")
    made.filters.update(
        at_sign=at_sign,
        avatar_url=lambda account: profiles.public_url(account, account.avatar_url) if account.avatar_url else None,
        initial=initial,
        ink_on=ink_on,
        spoken=lambda at, zone: spoken(at, zone, now()),
        exactly=exactly,
        in_bytes=in_bytes,
        language=lambda code: dict(LANGUAGES).get(code, code),
        type_name=type_name,
        tone=lambda status: TONES.get(status, "neutral"),
    )
    made.globals["ui"] = made.get_template("ui.html").module
    return made


def at_sign(handle: str) -> str:
    """A handle as people write it: ``@me``."""
    return f"@{handle.removeprefix('@')}"


def initial(name: str) -> str:
    """The letter that stands for a person without a picture."""
    return name.lstrip("@ ")[:1].upper() or "?"


def type_name(mime: str) -> str:
    """A file's type as people call it: "JPEG", "MP4"."""
    return {"video/quicktime": "MOV", "video/x-matroska": "MKV", "image/webp": "WebP", "video/webm": "WebM"}.get(
        mime, mime.rpartition("/")[2].upper()
    )


def in_bytes(count: int) -> str:
    """As people write a file's size: "12 kB", "3.4 MB"."""
    return f"{-(-count // 1000)} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"  # noqa: PLR2004


_BRIGHT = 150
"""Of 255; brighter colours take black letters."""


def ink_on(colour: str) -> str:
    """Black or white, whichever is easier to read on ``#rrggbb`` (perceived brightness, ITU-R BT.601 weights)."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#000000" if 0.299 * red + 0.587 * green + 0.114 * blue > _BRIGHT else "#ffffff"


def spoken(at: datetime, zone: str, at_present: datetime) -> str:
    """``at`` as people say it near ``at_present``: "Today, 14:05"; else "Mon 30 Nov 2026, 14:05"."""
    there, here = local(at, zone), local(at_present, zone)
    days = (there.date() - here.date()).days
    day = {-1: "Yesterday", 0: "Today", 1: "Tomorrow"}.get(days)
    if day is None:
        day = f"{there:%a} {there.day} {there:%b}" + (f" {there.year}" if there.year != here.year else "")
    return f"{day}, {there:%H:%M}"


def exactly(at: datetime, zone: str) -> str:
    """``at`` to the second, with its offset, for evidence."""
    return f"{local(at, zone):%Y-%m-%d %H:%M:%S %Z}"
