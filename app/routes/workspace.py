"""The workspace's settings, changed by its owner."""

from typing import Any

from litestar import Router, get, post
from litestar.params import FromQuery
from litestar.response import Redirect, Response

from app.errors import Invalid, NotFound
from app.models import Role
from app.routes import forms
from app.routes.security import Asking, Me
from app.routes.templating import page
from app.services.people import workspaces
from app.services.people.users import Identity

_FIELDS = ("name", "zone", "late_policy", "late_after", "keep_files")


@get("/workspace")
async def form(identity: Me, done: FromQuery[str] = "") -> Response[Any]:
    """The settings as they are."""
    answers = {name: str(getattr(identity.workspace, name)) for name in _FIELDS}
    return _show(identity, answers, {}, alt_required=identity.workspace.alt_required, done=done == "saved")


@post("/workspace")
async def change(request: Asking, identity: Me) -> Response[Any]:
    """Save them; members may look only."""
    if identity.role != Role.OWNER:
        raise NotFound
    given = await forms.read(request)
    answers, alt_required = {name: given.get(name, "") for name in _FIELDS}, "alt_required" in given
    try:
        await workspaces.change(identity.workspace, **answers, alt_required=alt_required)
    except Invalid as invalid:
        return _show(identity, answers, invalid.problems, alt_required=alt_required, status=422)
    return Redirect("/workspace?done=saved", status_code=303)


def _show(
    identity: Identity,
    answers: dict[str, str],
    problems: dict[str, str],
    *,
    alt_required: bool,
    done: bool = False,
    status: int = 200,
) -> Response[Any]:
    shown: dict[str, Any] = {"answers": answers, "alt_required": alt_required, "problems": problems, "done": done}
    return page("workspace.html", status=status, me=identity, section="workspace", **shown)


router = Router("/", route_handlers=[form, change])
