"""Workers that know the foundry: ``dramatiq tests.twin.actors``, started at the root of the repository."""

from platforms import REGISTRY
from tests.twin.adapter import Foundry
from tests.twin.errors import NAME

REGISTRY[NAME] = Foundry()  # before the queues are declared, of which each network has one

from actors import broker  # noqa: E402, F401
