"""A private RabbitMQ: own folder, own node name, own Erlang port mapper, no plugins, loopback only."""

import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pika
from pika.exceptions import AMQPError

from tests.servers.process import Server, accepts, end, free_port, spawn

SEARCH = "/usr/lib/rabbitmq/bin"
"""Debian's /usr/sbin/rabbitmq-server changes to the user `rabbitmq` and its folders; the program behind it does not."""

CONFIG = """\
log.console = false
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 50MB
"""


def _program(name: str) -> str | None:
    return shutil.which(name, path=SEARCH) or shutil.which(name)


def missing() -> str | None:
    """Why there is no RabbitMQ to start, and how to get one."""
    if _program("rabbitmq-server") and _program("epmd"):
        return None
    return "RabbitMQ is missing: install rabbitmq-server, or set CARILLON_AMQP_URL to the address of a running one."


@dataclass(kw_only=True)
class RabbitMQ(Server):
    """The broker and the Erlang port mapper it registers with."""

    mapper_command: tuple[str, ...]
    mapper: subprocess.Popen[bytes] | None = None

    def start(self) -> "RabbitMQ":
        """Start the port mapper first: the broker would start one that outlives us."""
        self.mapper = spawn(self.mapper_command, log=self.log)
        return super().start()

    def _end(self, by: signal.Signals) -> None:
        super()._end(by)
        if self.mapper is not None:
            end(self.mapper, by=signal.SIGKILL)
            self.mapper = None


def start(folder: Path) -> RabbitMQ:
    """Start a broker that keeps everything in ``folder`` (5 to 14 s, 140 MB)."""
    port, mapper_port = free_port(), free_port()
    url = f"amqp://guest:guest@127.0.0.1:{port}/"
    (folder / "rabbitmq.conf").write_text(CONFIG)
    (folder / "enabled_plugins").write_text("[].")
    server = RabbitMQ(
        url=url,
        command=[_program("rabbitmq-server") or "rabbitmq-server"],
        env=_environment(folder, port, mapper_port),
        ready=lambda: accepts(port) and answers(url),
        log=folder / "output.log",
        mapper_command=(_program("epmd") or "epmd", "-port", str(mapper_port), "-address", "127.0.0.1"),
    )
    return server.start()


def answers(url: str) -> bool:
    """Whether a broker opens a connection at this address."""
    try:
        pika.BlockingConnection(pika.URLParameters(url)).close()
    except (AMQPError, OSError):
        return False
    return True


def _environment(folder: Path, port: int, mapper_port: int) -> dict[str, str]:
    """RabbitMQ's variables (rabbitmq.com/docs/configure). Without the kernel argument Erlang listens on every interface."""
    return {
        "HOME": str(folder),  # the Erlang cookie
        "RABBITMQ_NODENAME": f"carillon-{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(mapper_port),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "rabbit.pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "conf"),
        "RUNNING_UNDER_SYSTEMD": "true",  # the Erlang machine replaces the start script, so our signals reach it
    }
