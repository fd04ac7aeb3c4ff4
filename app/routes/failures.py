"""What went wrong, as a page a person can read, or as a note inside the page for htmx."""

import logging
from typing import Any
from urllib.parse import quote

from litestar import Request, Response
from litestar.exceptions import HTTPException, NotAuthorizedException
from litestar.response import Redirect
from litestar.types import ExceptionHandlersMap

from app.errors import Invalid, NotFound, TooLate, TooOften
from app.routes.bodies import Left
from app.routes.templating import page
from app.services.people.users import Identity
from app.storage import Unavailable

log = logging.getLogger(__name__)

_TITLES = {
    400: ("We could not read that", "The request was not complete. Go back, reload the page and try again."),
    403: ("This form is out of date", "Go back, reload the page and send it again."),
    404: ("There is nothing here", "The page does not exist, or it belongs to another workspace."),
    405: ("There is nothing here", "This address takes no such request."),
    413: ("That is too large", "Choose smaller or fewer images and try again."),
    429: ("One moment, please", "That was too often. Wait a minute and try again."),
}
_BROKEN = (
    "Something broke on our side",
    "It was noted in the log. Nothing you wrote was published twice; try again in a moment.",
)


def _show(request: Request[Any, Any, Any], status: int, title: str, message: str) -> Response[Any]:
    if _wants_json(request):
        return Response({"error": message}, status_code=status, headers={"Cache-Control": "no-store"})
    if request.headers.get("HX-Request") != "true":
        who = request.scope.get("user")
        return page("failure.html", status=status, title=title, message=message, me=who if isinstance(who, Identity) else None)
    answer = page("failure.html", block="alert", status=status, message=message)
    answer.headers.update({"HX-Retarget": "#alerts", "HX-Reswap": "innerHTML"})
    return answer


def _wants_json(request: Request[Any, Any, Any]) -> bool:
    """Programs say so, the pages' own among them; browsers that open a page name HTML first."""
    return request.headers.get("Accept", "").startswith("application/json")


def on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Litestar's own refusals: unknown pages, stale forms, too many tries."""
    title, message = _TITLES.get(error.status_code, _BROKEN)
    if error.status_code >= 500:  # noqa: PLR2004
        log.error("request failed", exc_info=error)
    answer = _show(request, error.status_code, title, message)
    answer.headers.update(error.headers or {})
    return answer


def on_missing(request: Request[Any, Any, Any], _: NotFound) -> Response[Any]:
    """Nothing of that id in this workspace."""
    return _show(request, 404, *_TITLES[404])


def on_invalid(request: Request[Any, Any, Any], error: Invalid) -> Response[Any]:
    """A form that its own route did not show again."""
    return _show(request, 422, "Something needs a change", " ".join(error.problems.values()))


def on_late(request: Request[Any, Any, Any], error: TooLate) -> Response[Any]:
    """The fence was passed before the person acted."""
    return _show(request, 409, "Too late", error.message)


def on_hurry(request: Request[Any, Any, Any], error: TooOften) -> Response[Any]:
    """More often than anybody needs to."""
    answer = _show(request, 429, _TITLES[429][0], error.message)
    answer.headers["Retry-After"] = str(error.seconds)
    return answer


def on_stranger(request: Request[Any, Any, Any], _: NotAuthorizedException) -> Response[Any]:
    """Sign in first, and come back to the page that was asked for."""
    if _wants_json(request):
        return _show(request, 401, "", "You were signed out. Sign in again in another window, and go on here.")
    reads = request.method == "GET"
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    address = f"/sign-in?next={quote(back, safe='')}" if reads and back != "/" else "/sign-in"
    if request.headers.get("HX-Request") == "true":
        return Response(content=None, status_code=401, headers={"HX-Redirect": "/sign-in"})
    return Redirect(address, status_code=303)


def on_storage(request: Request[Any, Any, Any], error: Unavailable) -> Response[Any]:
    """The media's bucket or disk is away for a while; the page has nothing of its own to say about it."""
    log.warning("the storage does not answer: %s", error)
    return _show(request, 503, "The pictures are not there right now", "Nothing was lost; try again in a moment.")


def on_leaving(_: Request[Any, Any, Any], __: Left) -> Response[Any]:
    """The browser went on before it had asked to the end, as it does with every preview that is overtaken. Nobody reads this."""
    return Response(content=None, status_code=400)


def on_bug(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Ours to mend: the log has the trace, the person a calm page."""
    log.error("request failed", exc_info=error)
    return _show(request, 500, *_BROKEN)


HANDLERS: ExceptionHandlersMap = {
    NotAuthorizedException: on_stranger,
    HTTPException: on_http,
    NotFound: on_missing,
    Invalid: on_invalid,
    TooLate: on_late,
    TooOften: on_hurry,
    Unavailable: on_storage,
    Left: on_leaving,
    Exception: on_bug,
}
