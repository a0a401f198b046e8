"""What doctor looks at. Each check reads the node and gives findings; none changes anything."""

import glob
import os
import socket
from typing import NamedTuple

from reaper_runtime import config
from reaper_runtime.commands import pods
from reaper_runtime.commands.home import STOPPED, TASK, homes, without_supervisor
from reaper_runtime.errors import ReaperError
from reaper_runtime.host import procfs
from reaper_runtime.host.cgroup import hierarchies
from reaper_runtime.overlay import overlays
from reaper_runtime.shim.bootstrap import SOCKET_DIRECTORY
from reaper_runtime.shim.launch import RUN_DIRECTORY
from reaper_runtime.shim.sockets import is_served
from reaper_runtime.state import STATE
from reaper_runtime.wire.server import peer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

OK, WARNING, PROBLEM = "ok", "warning", "problem"
RUNTIME_TYPE = "io.containerd.reaper.v2"
_SHIM = b"containerd-shim-reaper-v2"


class Finding(NamedTuple):
    """One line: how bad, what it is, and what to do."""

    level: str
    message: str
    next_step: str = ""


class Node(NamedTuple):
    """Where a node keeps what is looked at."""

    build: str
    environment: dict[str, str]
    run: str = RUN_DIRECTORY
    state: str = STATE
    etc: str = "/etc"
    shim_sockets: str = SOCKET_DIRECTORY
    proc: str = "/proc"

    def config(self) -> config.Config:
        """Raises InvalidConfig."""
        return config.load(self.environment, os.path.join(self.etc, "reaper", "reaper.conf"))


def version(node: Node) -> "Iterator[Finding]":
    """Which build this is."""
    yield Finding(OK, f"this is build {node.build}, process id {os.getpid()}, user {os.geteuid()}")
    if os.geteuid() != 0:
        yield Finding(WARNING, "other users' processes and sockets cannot be examined", "run doctor as root")


def configuration(node: Node) -> "Iterator[Finding]":
    """reaper.conf."""
    try:
        loaded = node.config()
    except config.InvalidConfig as error:
        yield Finding(PROBLEM, str(error), "new pods are refused until it is corrected")
        return
    for warning in loaded.warnings:
        yield Finding(WARNING, warning, "remove the line")
    yield Finding(OK, f"DNS mode {loaded.dns_mode}, overlays per {loaded.overlay_isolation}, "
                      f"{len(loaded.filter_paths)} paths hidden")  # fmt: skip


def fork_server(node: Node) -> "Iterator[Finding]":
    """The zygote of this build, and those of others."""
    expected = os.path.join(node.run, f"zygote-{node.build}.sock")
    found = sorted(glob.glob(os.path.join(glob.escape(node.run), "zygote-*.sock")))
    for path in found:
        pid = _server(path)
        if pid is None:
            yield Finding(WARNING, f"{path} has no listener", f"the next pod makes a new one; or remove {path}")
        elif path == expected:
            yield Finding(OK, f"the fork server of this build runs as process {pid}")
        else:
            yield Finding(WARNING, f"process {pid} is the fork server of another build ({path})",
                          "it ends with the first pod of this build; pods that run are not touched")  # fmt: skip
    if expected not in found:
        yield Finding(OK, "no fork server of this build runs: the first pod starts it")


def containerd(node: Node) -> "Iterator[Finding]":
    """Whether containerd's configuration names the runtime. What it imports from elsewhere is not followed."""
    import tomllib

    main = os.path.join(node.etc, "containerd", "config.toml")
    drop_ins = sorted(glob.glob(os.path.join(glob.escape(node.etc), "containerd", "conf.d", "*.toml")))
    if not os.path.exists(main):
        yield Finding(WARNING, f"{main} does not exist", "pods need a containerd that knows the handler reaper-v2")
        return
    naming = []
    for path in (main, *drop_ins):
        try:
            with open(path, "rb") as file:
                document = tomllib.load(file)
        except (OSError, ValueError) as error:
            yield Finding(PROBLEM, f"{path} cannot be read: {error}", "containerd would not start with it")
            continue
        naming += [f"{handler} in {path}" for handler in _handlers(document)]
    if naming:
        yield Finding(OK, f"containerd's configuration names {RUNTIME_TYPE}: {', '.join(naming)}")
    else:
        yield Finding(PROBLEM, f"neither {main} nor conf.d beside it names {RUNTIME_TYPE}",
                      "install the runtime's drop-in, and restart containerd")  # fmt: skip


def records(node: Node) -> "Iterator[Finding]":
    """Records of processes, and whether each is still there."""
    found = list(pods.rows(node.state))
    gone = [row for row in found if row[-1] == "gone"]
    yield Finding(OK, f"{len(found) - len(gone)} processes of pods run")
    for _, pod, container, _, pid, _ in gone:
        yield Finding(WARNING, f"process {pid} of container {container} is recorded, and gone",
                      f"delete pod {pod}, or remove the record from {node.state}")  # fmt: skip


def shims(node: Node) -> "Iterator[Finding]":
    """Processes of pods whose shim is gone: nobody will reap, log or report them."""
    mine = {process.pid for process in procfs.processes() if _is_shim(node, process.pid)}
    yield Finding(OK, f"{len(mine)} shims run")
    for _, pod, container, _, pid, status in pods.rows(node.state):
        process = procfs.stat(pid)
        if status == "running" and process is not None and process.parent not in mine:
            yield Finding(PROBLEM, f"process {pid} of container {container} has lost its shim",
                          f"delete pod {pod}: containerd then has it killed")  # fmt: skip


def sockets(node: Node) -> "Iterator[Finding]":
    """Sockets of shims that nobody serves."""
    paths = sorted(glob.glob(os.path.join(glob.escape(node.shim_sockets), "*")))
    dead = [path for path in paths if not is_served(path)]
    if dead:
        yield Finding(WARNING, f"{len(dead)} of {len(paths)} sockets in {node.shim_sockets} have no listener",
                      f"harmless, of any runtime; remove for example {dead[0]}")  # fmt: skip
    else:
        yield Finding(OK, f"each of {len(paths)} sockets in {node.shim_sockets} has a listener")


def containers(node: Node) -> "Iterator[Finding]":
    """Containers of the OCI commands that have lost their supervisor."""
    try:
        root = os.path.join(node.config().runtime_root if node.run == RUN_DIRECTORY else node.run, "oci")
    except config.InvalidConfig:
        return  # said before
    count = 0
    for home in homes(root):
        count += 1
        if _server(home.socket(TASK)) is not None:
            continue
        try:
            status = without_supervisor(home.read()).status
        except ReaperError as error:
            yield Finding(WARNING, str(error), f"reaper-runtime delete --force {home.name}")
            continue
        level = WARNING if status == STOPPED else PROBLEM
        yield Finding(level, f"container {home.name} is {status} and has lost its supervisor",
                      f"reaper-runtime delete --force {home.name}")  # fmt: skip
    yield Finding(OK, f"{count} containers of the OCI commands in {root}")


def overlayfs(node: Node) -> "Iterator[Finding]":
    """Whether the kernel can mount overlays."""
    with open(os.path.join(node.proc, "filesystems")) as file:
        known = {line.split()[-1] for line in file if line.strip()}
    if "overlay" in known:
        yield Finding(OK, "the kernel knows overlayfs")
    else:
        yield Finding(WARNING, "overlayfs is not loaded", "modprobe overlay, or set REAPER_OVERLAY_ISOLATION=none")


def overlays_left(node: Node) -> "Iterator[Finding]":
    """What is mounted, and what is left of a time before a reboot."""
    try:
        base = node.config().overlay_base
    except config.InvalidConfig:
        return  # said under "configuration"
    found = overlays(base)
    used = procfs.roots() if found else set()
    in_use = {each.name for each in found if each.is_used(used)}
    stale = [each.name for each in found if not each.mounted and each.name not in in_use]
    for name in stale:
        yield Finding(WARNING, f"overlay {name} is not mounted, and its layers take space on the node",
                      f"reaper-runtime overlay reset {name}")  # fmt: skip
    yield Finding(OK, f"{len(found)} overlays in {base}, {len(in_use)} in use")


def pidfd(_node: Node) -> "Iterator[Finding]":
    """pidfd_open(2), from Linux 5.3 on: nothing is signalled without it."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError as error:
        yield Finding(PROBLEM, f"pidfd_open does not work: {error.strerror}", "Reaper needs Linux 5.3 or later")
    else:
        yield Finding(OK, "pidfd_open works")


def cgroups(node: Node) -> "Iterator[Finding]":
    """What containers are tracked by."""
    joined = hierarchies.find(os.path.join(node.proc, "self", "mountinfo")).tracking()
    if hierarchies.UNIFIED in joined:
        yield Finding(OK, f"containers are tracked by cgroup version 2, at {joined[hierarchies.UNIFIED]}")
    elif "pids" in joined:
        yield Finding(OK, f"containers are tracked by cgroup version 1: {', '.join(joined)}")
    else:
        yield Finding(WARNING, "there is no cgroup file system that can be written",
                      "mount one, or run as root; without one, daemons are found by their parents only")  # fmt: skip


def oom_score(node: Node) -> "Iterator[Finding]":
    """Whether the score that kubelet gives a container can be set: lowering it takes CAP_SYS_RESOURCE."""
    with open(os.path.join(node.proc, "self", "status")) as file:
        effective = next(int(line.split()[1], 16) for line in file if line.startswith("CapEff"))
    with open(os.path.join(node.proc, "self", "oom_score_adj")) as file:
        score = int(file.read())
    if effective >> _CAP_SYS_RESOURCE & 1:
        yield Finding(OK, "oom_score_adj can be raised and lowered")
    else:
        yield Finding(WARNING, f"oom_score_adj cannot be set below {score}: CAP_SYS_RESOURCE is missing",
                      "critical pods are refused on this node")  # fmt: skip


_CAP_SYS_RESOURCE = 24  # linux/capability.h


def _server(path: str) -> int | None:
    """The process that listens at a socket, or None."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
            return peer(probe)[0]
        except OSError:
            return None


def _is_shim(node: Node, pid: int) -> bool:
    try:
        with open(os.path.join(node.proc, str(pid), "cmdline"), "rb") as file:
            return os.path.basename(file.read().split(b"\0")[0]) == _SHIM
    except OSError:
        return False


def _handlers(document: "object") -> "Iterator[str]":
    """The runtime handlers of our type, wherever the version of the configuration has its table of runtimes."""
    if not isinstance(document, dict):
        return
    for key, value in document.items():
        if isinstance(value, dict):
            if value.get("runtime_type") == RUNTIME_TYPE:
                yield str(key)
            yield from _handlers(value)
