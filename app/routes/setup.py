"""The first visit: who can read the log, and so has the token, makes the place theirs.

It is always asked for: behind a proxy every visitor comes from this machine.
"""

import hmac
from typing import Any

from litestar import Router, get, post
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.params import FromQuery
from litestar.response import Redirect, Response

from app import runtime
from app.errors import Invalid
from app.routes import forms
from app.routes.security import Asking, session_cookie
from app.routes.templating import page
from app.services.people import users

_FIELDS = ("email", "name", "password", "workspace_name", "zone")


def _show(answers: dict[str, str], problems: dict[str, str], status: int = 200) -> Response[Any]:
    given = {"token": "", "name": "", "email": "", "workspace_name": "", "zone": "UTC", **answers}
    return page("setup.html", status=status, answers=given, problems=problems)


@get("/setup")
async def form(token: FromQuery[str] = "") -> Response[Any]:
    """Ask for the owner; once there is one, this page is gone."""
    if await users.any_exists():
        return Redirect("/sign-in", status_code=303)
    return _show({"token": token}, {})


@post("/setup", middleware=[RateLimitConfig(rate_limit=("minute", 20), store="setup_tries").middleware])
async def create(request: Asking) -> Response[Any]:
    """Create owner and workspace, and sign the owner in."""
    answers = await forms.read(request)
    try:
        _check_token(answers.get("token", ""))
        await users.create_owner(**{name: answers.get(name, "") for name in _FIELDS})
        token = await users.sign_in(answers["email"], answers["password"])
    except Invalid as invalid:
        return _show(answers, invalid.problems, status=422)
    return Redirect("/accounts", status_code=303, cookies=[session_cookie(token, runtime.current().settings)])


def _check_token(given: str) -> None:
    expected = runtime.current().setup_token
    if not hmac.compare_digest(given.strip().encode(), expected.encode()):
        raise Invalid({"token": "This is not the token. It is in the link that was printed when Carillon started."})


router = Router("/", route_handlers=[form, create])
