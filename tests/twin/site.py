"""A web process that knows the foundry: ``uvicorn --factory tests.twin.site:served``, started at the root of the repository."""

from platforms import REGISTRY
from tests.twin.adapter import Foundry
from tests.twin.errors import NAME

REGISTRY[NAME] = Foundry()

from app.asgi import served  # noqa: E402, F401
