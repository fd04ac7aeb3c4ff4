"""What the environment may tell the tests, and what none of it may reach: the programs under test."""

import os
from collections.abc import Mapping

from pymongo.uri_parser import parse_uri

PREFIX = "CARILLON_"
OURS = "CARILLON_TEST_"
"""Variables that switch tests on and off."""

MONGODB_URL = os.environ.get("CARILLON_MONGODB_URL")
"""A running engine to use beside the private ones; tests make databases of their own on it."""
AMQP_URL = os.environ.get("CARILLON_AMQP_URL")
"""A running broker to use instead of a private one."""

DATABASES = "carillon_test"
"""How the name of every database begins that a test may touch."""


class LiveData(Exception):
    """A test was about to use a database that is not its own."""


def forget() -> None:
    """Take a developer's settings out of this process's environment: what is tested here must not read them."""
    for name in set(os.environ) - set(clean()):
        del os.environ[name]


def clean() -> dict[str, str]:
    """This process's environment without anybody's settings, for programs that are started."""
    return {name: value for name, value in os.environ.items() if not _is_a_setting(name)}


def guard(env: Mapping[str, str]) -> None:
    """Raise ``LiveData`` if ``env`` names a database, on the server we were given, that is no test's."""
    url = env.get("CARILLON_MONGODB_URL")
    if not (url and MONGODB_URL):
        return
    wanted, given = parse_uri(url), parse_uri(MONGODB_URL)
    if set(wanted["nodelist"]) & set(given["nodelist"]) and not str(wanted["database"]).startswith(DATABASES):
        raise LiveData(f"a test would use the database {wanted['database']!r} of a server that it was only lent")


def _is_a_setting(name: str) -> bool:
    return name in {"HOST", "PORT"} or (name.startswith(PREFIX) and not name.startswith(OURS))
