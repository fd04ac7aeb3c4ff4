"""docker-compose.yml, Dockerfile and .dockerignore: that they fit together, and fit the settings. Nothing is started here."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("web", "worker")
BUNDLED = ("mongo", "rabbitmq", "s3")
UV_IN = ("requirements-uv.lock", "requirements-dev.lock")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def seconds(text: str) -> int:
    """Compose's durations, as far as we use them."""
    return int(text.removesuffix("s"))


def settings_of(name: str) -> dict[str, str]:
    """A service's own ``CARILLON_*`` variables."""
    return {key: value for key, value in SERVICES[name]["environment"].items() if key.startswith(PREFIX)}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_comes_back_after_a_crash(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - set(OURS)))
def test_every_service_with_a_port_is_checked(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", BUNDLED)
def test_other_peoples_images_are_pinned_to_a_version(name: str) -> None:
    assert re.search(r":\d", SERVICES[name]["image"])


@pytest.mark.parametrize("name", BUNDLED)
def test_data_lies_in_declared_volumes_and_out_of_reach(name: str) -> None:
    assert {volume.partition(":")[0] for volume in SERVICES[name]["volumes"]} <= set(COMPOSE["volumes"])
    assert SERVICES[name]["networks"] == ["backend"]
    assert COMPOSE["networks"]["backend"]["internal"]


def test_only_pages_are_published_and_only_to_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"web", "sandbox"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_the_sandbox_starts_only_when_asked_for_and_holds_no_secret() -> None:
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["sandbox"]
    assert not SERVICES["sandbox"]["environment"]


@pytest.mark.parametrize("name", OURS)
def test_web_and_worker_wait_until_everything_answers(name: str) -> None:
    conditions = {other: entry["condition"] for other, entry in SERVICES[name]["depends_on"].items()}
    assert conditions == dict.fromkeys(BUNDLED, "service_healthy")


def test_web_and_worker_are_one_image_with_the_same_settings() -> None:
    assert settings_of("web") == settings_of("worker")
    assert SERVICES["web"]["image"] == SERVICES["worker"]["image"]
    assert "command" not in SERVICES["web"]  # the image's own


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_setting_and_every_host_a_service(name: str) -> None:
    given = settings_of(name)
    assert {key.removeprefix(PREFIX).lower() for key in given} <= set(Settings.model_fields)
    hosts = {match[1] for value in given.values() if (match := re.search(r"://(?:[^@/]*@)?([\w.]+)", value))}
    assert hosts == set(BUNDLED)


def test_the_bucket_and_its_key_are_the_same_on_both_sides() -> None:
    ours, theirs = SERVICES["web"]["environment"], SERVICES["s3"]["environment"]
    assert theirs["S3_BUCKET"] == ours["CARILLON_S3_BUCKET"]
    assert theirs["AWS_ACCESS_KEY_ID"] == ours["CARILLON_S3_ACCESS_KEY"]
    assert "CARILLON_S3_SECRET_KEY" in theirs["AWS_SECRET_ACCESS_KEY"]


def test_the_replica_set_has_one_name() -> None:
    name = SERVICES["mongo"]["command"][1]
    assert f"replicaSet={name}" in SERVICES["web"]["environment"]["CARILLON_MONGODB_URL"]
    assert f'_id: "{name}"' in SERVICES["mongo"]["healthcheck"]["test"][-1]


def test_a_stopped_worker_may_finish_the_step_it_is_in() -> None:
    assert seconds(SERVICES["worker"]["stop_grace_period"]) > Settings.model_fields["step_limit"].default


def test_no_secret_is_written_down() -> None:
    lines = [line for line in (ROOT / "docker-compose.yml").read_text(encoding="utf-8").splitlines() if "SECRET" in line]
    values = [line.split(": ", 1)[1] for line in lines if not line.lstrip().startswith("#")]
    assert sorted(set(values)) == ["${CARILLON_S3_SECRET_KEY-}", "${CARILLON_SECRET_KEY-}"]


def test_the_image_is_built_from_what_the_ignore_file_lets_through() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    copied = {source for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE) for source in line.split()}
    assert copied == let_through
    assert all((ROOT / path).exists() for path in copied)
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(packages["packages"]) <= copied


def test_the_image_installs_only_what_the_lock_file_vouches_for() -> None:
    installs = re.findall(r"pip install ([^&\n]+)", DOCKERFILE)
    vouched = ["--require-hashes -r requirements-uv.lock", "--require-hashes -r requirements.lock", "--no-deps ."]
    assert [install.strip() for install in installs] == vouched


def test_what_installs_is_the_version_that_made_the_lock_files() -> None:
    versions = {re.findall(r"^uv==\S+", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)[0] for name in UV_IN}
    assert len(versions) == 1


def test_the_image_does_not_run_as_root() -> None:
    last_stage = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER carillon$", last_stage, re.MULTILINE)
    assert last_stage.index("USER carillon") < last_stage.index("\nCMD ")
