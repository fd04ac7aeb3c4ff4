"""app/settings.py: variables, secrets in files, the rules between values, and that .env.example tells the truth about them."""

import os
import re
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
KEY = "k" * 32
FIELDS = Settings.model_fields


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is needed, whatever the developer's shell has set."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CARILLON_SECRET_KEY", KEY)
    monkeypatch.setenv("CARILLON_MONGODB_URL", "mongodb://localhost/carillon")


def documented() -> dict[str, tuple[str, str, bool]]:
    """What .env.example says: variable -> (comment above it, value, whether it is commented out)."""
    paragraphs = (ROOT / ".env.example").read_text(encoding="utf-8").split("\n\n")
    found = {}
    for paragraph in paragraphs:
        if match := re.fullmatch(r"((?:# .*\n)*)(#?)(CARILLON_\w+)=(.*)\n?", paragraph):
            comment, hash_sign, name, value = match.groups()
            found[name] = (re.sub(r"\s*\n?# ", " ", comment).strip(), value, bool(hash_sign))
    return found


def test_env_example_lists_exactly_the_settings() -> None:
    assert set(documented()) == {PREFIX + name.upper() for name in FIELDS}


@pytest.mark.parametrize("name", FIELDS)
def test_env_example_explains_each_variable_in_the_words_of_its_field(name: str) -> None:
    assert documented()[PREFIX + name.upper()][0] == FIELDS[name].description


@pytest.mark.parametrize("name", FIELDS)
def test_env_example_leaves_uncommented_only_what_has_no_default(name: str) -> None:
    assert documented()[PREFIX + name.upper()][2] != FIELDS[name].is_required()


def test_env_example_shows_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = Settings()
    with_defaults = [name for name, field in FIELDS.items() if not field.is_required() and field.default is not None]
    for name in with_defaults:
        monkeypatch.setenv(PREFIX + name.upper(), documented()[PREFIX + name.upper()][1])
    assert Settings() == defaults
    assert len(with_defaults) > 5


def test_env_example_has_no_secret_key_to_forget_about() -> None:
    assert documented()["CARILLON_SECRET_KEY"][1] == ""


@pytest.mark.parametrize("name", ["CARILLON_SECRET_KEY", "CARILLON_MONGODB_URL"])
def test_what_is_needed_has_no_default(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(ValidationError):
        Settings()


def test_a_secret_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("f" * 32 + "\n")
    monkeypatch.delenv("CARILLON_SECRET_KEY")
    monkeypatch.setenv("CARILLON_SECRET_KEY_FILE", str(tmp_path / "key"))
    assert Settings().secret_key.get_secret_value() == "f" * 32


def test_a_variable_wins_over_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("f" * 32)
    monkeypatch.setenv("CARILLON_SECRET_KEY_FILE", str(tmp_path / "key"))
    assert Settings().secret_key.get_secret_value() == KEY


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARILLON_PUBLIC_URL", "")
    assert Settings().public_url is None


def test_half_a_pair_of_bucket_keys_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARILLON_S3_ACCESS_KEY", "key-id")
    with pytest.raises(ValidationError, match="or neither"):
        Settings()


def test_only_the_last_line_break_of_a_file_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_bytes(b" spaces matter \r\n")
    monkeypatch.setenv("CARILLON_S3_ACCESS_KEY", "key-id")
    monkeypatch.setenv("CARILLON_S3_SECRET_KEY_FILE", str(tmp_path / "secret"))
    secret = Settings().s3_secret_key
    assert secret is not None
    assert secret.get_secret_value() == " spaces matter "


def test_a_secret_file_that_is_missing_is_an_error_not_an_empty_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARILLON_S3_SECRET_KEY_FILE", str(tmp_path / "missing"))
    with pytest.raises(FileNotFoundError):
        Settings()


def test_a_short_key_is_refused_with_the_way_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARILLON_SECRET_KEY", "k" * 31)
    with pytest.raises(ValidationError, match="openssl rand -hex 32"):
        Settings()


@pytest.mark.parametrize(
    ("http_timeout", "step_limit", "lease"),
    [(45, 45, 60), (20, 60, 60), (20, 61, 60), (90, 45, 60)],
)
def test_times_that_do_not_nest_are_refused(
    http_timeout: int, step_limit: int, lease: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARILLON_HTTP_TIMEOUT", str(http_timeout))
    monkeypatch.setenv("CARILLON_STEP_LIMIT", str(step_limit))
    monkeypatch.setenv("CARILLON_LEASE", str(lease))
    with pytest.raises(ValidationError, match="CARILLON_STEP_LIMIT"):
        Settings()


@pytest.mark.parametrize(("lease", "ready"), [(60, 6), (30, 3), (400, 6)])
def test_a_thread_waits_for_no_instant_longer_than_a_moment(lease: int, ready: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARILLON_STEP_LIMIT", "25")
    monkeypatch.setenv("CARILLON_LEASE", str(lease))
    assert Settings().ready_time == timedelta(seconds=ready)


def test_a_lease_that_leaves_a_message_no_time_is_refused_and_long_ones_get_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARILLON_STEP_LIMIT", "150")
    monkeypatch.setenv("CARILLON_LEASE", "200")
    assert Settings().message_limit == 800
    monkeypatch.setenv("CARILLON_LEASE", "450")
    with pytest.raises(ValidationError, match="CARILLON_LEASE"):
        Settings()


def test_a_horizon_longer_than_the_broker_waits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """RabbitMQ closes a consumer that holds a message for 30 minutes (design §4)."""
    monkeypatch.setenv("CARILLON_HORIZON", "1800")
    with pytest.raises(ValidationError, match="horizon"):
        Settings()


def test_secrets_do_not_show_in_the_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARILLON_AMQP_URL", "amqp://carillon:opensesame@localhost/")
    assert KEY not in repr(Settings())
    assert "opensesame" not in repr(Settings())
