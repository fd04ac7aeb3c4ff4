"""A private Ceph object gateway: a real and strict S3 server, of three processes on loopback.

It checks signatures, expiry, and every header that was signed; it enforces CORS, and it really runs lifecycle rules.
"""

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx

from tests.servers.process import NotReady, Server, accepts, end, free_port, spawn

PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool", "ceph")
ACCESS_KEY, SECRET_KEY = "CARILLONTEST00000001", "carillon-test-secret-00000000000000000001"

DAY = 2
"""Seconds that a day of a lifecycle rule takes here."""

CONFIG = """\
[global]
fsid = {fsid}
mon_initial_members = a
mon_host = [v2:127.0.0.1:{mon}/0]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv4 = true
auth_allow_insecure_global_id_reclaim = true
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 1000
run_dir = {folder}/run
admin_socket =
log_file = {folder}/$name.log
crash_dir = {folder}/run
mon_data = {folder}/mon
osd_data = {folder}/osd
rgw_data = {folder}/rgw
keyring = {folder}/keyring
osd_objectstore = bluestore
bluestore_block_size = 4294967296
bluestore_fsck_on_mount = false
osd_memory_target = 1073741824
bluestore_cache_autotune = false
bluestore_cache_size = 67108864
osd_op_num_shards = 2
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:{port}
rgw_thread_pool_size = 32
rgw_lc_debug_interval = {day}
"""


@dataclass(frozen=True, slots=True)
class Bucket:
    """An empty bucket, with what ``CARILLON_S3_*`` needs."""

    name: str
    endpoint_url: str
    region: str = "default"
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY


def missing() -> str | None:
    """Why there is no S3 server to start, and how to get one."""
    if all(shutil.which(name) for name in PROGRAMS):
        return None
    return "An S3 server is missing: install radosgw, ceph-mon, ceph-osd and ceph-common (Debian's names)."


@dataclass(kw_only=True)
class Gateway(Server):
    """The gateway, and the monitor and the store behind it."""

    behind: Sequence[Sequence[str]]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> "Gateway":
        """Start what it stands on first; the gateway itself waits for it."""
        self.running = [spawn(command, log=self.log) for command in self.behind]
        super().start()
        return self

    def _end(self, by: signal.Signals) -> None:
        if self.process is not None:
            end(self.process, by=by, within=2)  # one that is busy with lifecycle rules takes half a minute
            self.process = None
        for process in reversed(self.running):
            end(process, by=signal.SIGKILL)  # they write ahead
        self.running = []


def start(folder: Path) -> Server:
    """Start a server that keeps everything in ``folder`` (10 to 15 s, 160 MB). Its one user may make buckets."""
    conf, port = folder / "ceph.conf", free_port()
    fsid, mon = str(uuid4()), free_port()
    conf.write_text(CONFIG.format(folder=folder, fsid=fsid, mon=mon, port=port, day=DAY))
    monitor = ["ceph-mon", "-c", str(conf), "-i", "a", "-f"]
    store = ["ceph-osd", "-c", str(conf), "-i", "0", "-f"]
    _found(folder, conf, fsid, mon, monitor)
    server = Gateway(
        url=f"http://127.0.0.1:{port}",
        command=["radosgw", "-c", str(conf), "-n", "client.rgw", "-f"],
        behind=[monitor, store],
        ready=lambda: accepts(port) and _answers(port),
        log=folder / "output.log",
    )
    server.start()
    key = ["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY]
    _run("radosgw-admin", "-c", conf, "-n", "client.rgw", "user", "create", "--uid=test", "--display-name=test", *key)
    return server


def _answers(port: int) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=2, trust_env=False).status_code == 200
    return False


def _found(folder: Path, conf: Path, fsid: str, mon: int, monitor: Sequence[str]) -> None:
    """Make keys, the monitor's map and an empty store. The store's id comes from a monitor, which runs for it."""
    for name in ("mon", "osd", "rgw", "run"):
        (folder / name).mkdir()
    keyring, chart = folder / "keyring", folder / "monmap"
    everything = ["--cap", "mon", "allow *", "--cap", "osd", "allow *"]
    _run("ceph-authtool", "-C", "-g", "-n", "mon.", "--cap", "mon", "allow *", keyring)
    for name in ("client.admin", "client.rgw"):
        _run("ceph-authtool", keyring, "-g", "-n", name, *everything)
    _run("ceph-authtool", keyring, "-g", "-n", "osd.0", "--cap", "mon", "allow profile osd", "--cap", "osd", "allow *")
    _run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{mon}]", chart)
    _run("ceph-mon", "-c", conf, "-i", "a", "--mkfs", "--monmap", chart, "-k", keyring)
    running, store = spawn(monitor, log=folder / "output.log"), str(uuid4())
    try:
        _run("ceph", "-c", conf, "auth", "import", "-i", keyring)
        _run("ceph", "-c", conf, "osd", "new", store)
        _run("ceph-osd", "-c", conf, "-i", "0", "--mkfs", "--osd-uuid", store, "--no-mon-config")
    finally:
        end(running, by=signal.SIGTERM)


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise NotReady(f"{command[0]}: {done.stderr[-2000:]}")
