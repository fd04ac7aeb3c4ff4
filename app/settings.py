"""Configuration: environment variables named ``CARILLON_*``, and nothing else.

Every variable may also be given as ``CARILLON_<NAME>_FILE``, the path of a file that holds the value (Docker secrets).
``.env.example`` lists them all; a test compares it with this class.
"""

import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "CARILLON_"

CONSUMER_TIMEOUT = 1800.0
"""Seconds after which RabbitMQ takes a message back that nobody acknowledged (its default)."""

Provider = Literal["aws", "gcs", "r2", "minio", "other"]
"""Who offers a bucket; :mod:`app.storage.providers` says what differs."""

LEASES_A_MESSAGE = 4
SHORTEST_MESSAGE = 600.0
LONGEST_READY = timedelta(seconds=6)


def amqp_url() -> str | None:
    """``CARILLON_AMQP_URL`` alone: the broker has to be chosen before the other settings can be complete."""
    return os.environ.get(f"{PREFIX}AMQP_URL") or _from_file("amqp_url")


def operator_app(platform: str, names: Iterable[str]) -> dict[str, str]:
    """What is set of the operator's own app at a network: the fields ``names`` of ``CARILLON_<PLATFORM>_<FIELD>``.

    Not a field of :class:`Settings`, because which there are follows from the networks.
    """
    found = {name: os.environ.get(app_variable(platform, name)) or _from_file(f"{platform}_{name}") for name in names}
    return {name: value for name, value in found.items() if value}


def app_variable(platform: str, name: str) -> str:
    """The variable's name, e.g. ``CARILLON_NETWORK_CLIENT_ID``."""
    return f"{PREFIX}{platform}_{name}".upper()


def _from_file(name: str) -> str | None:
    path = os.environ.get(f"{PREFIX}{name.upper()}_FILE")
    return Path(path).read_text(encoding="utf-8").rstrip("\r\n") if path else None


class _FromFiles(PydanticBaseSettingsSource):
    """``CARILLON_X_FILE=/run/secrets/x`` stands for the content of that file, less its last line break."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        return _from_file(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class _Variables(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then variables, then ``_FILE`` variables."""
        return init_settings, env_settings, _FromFiles(settings_cls)


class StorageSettings(_Variables):
    """Where uploaded media lie: all that `carillon storage setup` needs."""

    public_url: str | None = Field(
        None, description="Address people use, e.g. https://social.example.org. Unset: taken from each request."
    )
    data_dir: Path = Field(Path("data"), description="Folder for uploaded media when no bucket is set.")
    s3_bucket: str | None = Field(None, description="Bucket for uploaded media. Unset: `data_dir`.")
    s3_provider: Provider | None = Field(
        None, description="Who offers the bucket: aws, gcs, r2, minio or other. Unset: guessed from `s3_endpoint_url`."
    )
    s3_endpoint_url: str | None = Field(
        None, description="S3 address for anything but AWS: https://storage.googleapis.com, a MinIO, R2 ..."
    )
    s3_public_url: str | None = Field(None, description="The same as people's browsers reach it. Unset: `s3_endpoint_url`.")
    s3_region: str = Field("auto", description="Bucket's region; `auto` for Google Cloud Storage and R2. AWS needs one.")
    s3_access_key: SecretStr | None = Field(None, description="Access key id (or HMAC id).")
    s3_secret_key: SecretStr | None = Field(None, description="Secret access key (or HMAC secret).")

    @model_validator(mode="after")
    def bucket_has_its_secret(self) -> Self:
        """Half a pair of keys is a forgotten line; without both, the machine's own role is used."""
        if (self.s3_access_key is None) != (self.s3_secret_key is None):
            raise ValueError("set both CARILLON_S3_ACCESS_KEY and CARILLON_S3_SECRET_KEY, or neither")
        return self

    @field_validator("s3_endpoint_url", "s3_public_url")
    @classmethod
    def address_is_whole(cls, url: str | None) -> str | None:
        """Signatures cover the host, so it must be exactly right."""
        parts = urlsplit(url or "")
        if url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query):
            raise ValueError("give scheme and host only, without the bucket's name, for example https://s3.example.org")
        return url.rstrip("/") if url else None

    @model_validator(mode="after")
    def bucket_can_be_found(self) -> Self:
        """Better a sentence at the start than a failed upload later."""
        if self.s3_bucket is None:
            return self
        if self.provider == "aws" and self.s3_region == "auto":
            raise ValueError("a bucket at AWS needs CARILLON_S3_REGION, for example eu-central-1")
        if self.provider in ("r2", "minio", "other") and self.s3_endpoint_url is None:
            raise ValueError(f"CARILLON_S3_PROVIDER={self.provider} needs CARILLON_S3_ENDPOINT_URL, its address")
        return self

    @property
    def provider(self) -> Provider:
        """Who is meant by the address, if nobody says it."""
        host = urlsplit(self.s3_endpoint_url or "").hostname or ""
        if self.s3_provider:
            return self.s3_provider
        if not host or host.endswith((".amazonaws.com", ".amazonaws.com.cn")):
            return "aws"
        if host == "storage.googleapis.com":
            return "gcs"
        return "r2" if host.endswith(".r2.cloudflarestorage.com") else "other"


class Settings(StorageSettings):
    """One process's configuration. Times are in seconds; they must nest (see ``times_nest``)."""

    secret_key: SecretStr = Field(
        description="Seals tokens and signs links; 32 random bytes as hex or longer. Changing it disconnects every account."
    )
    mongodb_url: SecretStr = Field(
        description="mongodb:// address with the database name. Production: a replica set, of one node at least."
    )
    amqp_url: SecretStr | None = Field(
        None, description="amqp:// address of RabbitMQ. Unset: the embedded broker inside `carillon run`."
    )
    setup_token: SecretStr | None = Field(
        None, description="Asked for on first visit, so that no stranger becomes the owner. Unset: one is printed in the log."
    )
    allow_private_hosts: bool = Field(False, description="Allow servers on loopback and private networks to be connected.")
    sandbox_url: str | None = Field(
        None, description="Address of a sandbox server as the workers see it. Offers *Try it with sandbox networks*."
    )
    sandbox_public_url: str | None = Field(None, description="The same as people's browsers see it. Unset: `sandbox_url`.")
    http_timeout: float = Field(20, gt=0, description="Longest silence of a network before its answer counts as lost.")
    step_limit: float = Field(
        45, gt=0, description="Longest time between two checkpoints of a publication (one upload, one request)."
    )
    lease: float = Field(
        60, gt=0, description="After this long without a checkpoint a worker counts as gone and its work is taken over."
    )
    horizon: float = Field(
        60, gt=0, le=1200, description="Deliveries due within this time go to the broker; later ones wait in the database."
    )
    sweep_after: float = Field(
        30, gt=0, description="A queued delivery this late is sent to the broker again: its message was lost."
    )
    dispatch_interval: float = Field(1, gt=0, description="Pause between two passes of the dispatcher.")
    keep_attempts_days: int = Field(
        180, gt=0, description="Days after which old attempts of a finished delivery are removed; the latest eight stay with it."
    )
    fault_points: Path | None = Field(
        None, description="Tests only: a folder through which the chaos harness stops a worker at a named step."
    )

    @model_validator(mode="after")
    def times_nest(self) -> Self:
        """A worker must have given up on a request before another may take its work over (design §5).

        Everything else that has to fit is derived from these: the time a message may take, the wait before a network's
        *not there* is believed, the lease on tokens, the pause before a look is ordered again.
        """
        if not self.http_timeout < self.step_limit < self.lease:
            raise ValueError(
                "CARILLON_HTTP_TIMEOUT must be shorter than CARILLON_STEP_LIMIT, and that shorter than CARILLON_LEASE"
            )
        if self.message_limit >= CONSUMER_TIMEOUT:
            raise ValueError(f"CARILLON_LEASE must be shorter than {CONSUMER_TIMEOUT / LEASES_A_MESSAGE:.0f} seconds")
        return self

    @model_validator(mode="after")
    def key_is_long(self) -> Self:
        """A short key could be guessed; there is no default."""
        if len(self.secret_key.get_secret_value()) < 32:
            raise ValueError("CARILLON_SECRET_KEY needs at least 32 characters, e.g. from `openssl rand -hex 32`")
        return self

    @property
    def lease_time(self) -> timedelta:
        """``lease`` as a timedelta."""
        return timedelta(seconds=self.lease)

    @property
    def ready_time(self) -> timedelta:
        """So long before its time a delivery is claimed and prepared, which holds a thread, and which the lease must outlive."""
        return min(self.lease_time / 10, LONGEST_READY)

    @property
    def message_limit(self) -> float:
        """Seconds that the work for one message may take, uploads included: several leases, and not RabbitMQ's patience."""
        return max(SHORTEST_MESSAGE, LEASES_A_MESSAGE * self.lease)

    @property
    def horizon_time(self) -> timedelta:
        """``horizon`` as a timedelta."""
        return timedelta(seconds=self.horizon)
