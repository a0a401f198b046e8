"""What the installer is told from outside: the chart sets these as environment variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reaper_node.errors import NodeError

if TYPE_CHECKING:
    from collections.abc import Mapping

INSTALL_DIRECTORY = "/opt/reaper"  # exists and may execute on immutable distributions too
CURRENT = f"{INSTALL_DIRECTORY}/current"
SHIM = f"{CURRENT}/bin/containerd-shim-reaper-v2"
STATE_DIRECTORY = "/run/reaper"
DROP_IN = "reaper.toml"
HANDLER = "reaper-v2"
RUNTIME_TYPE = "io.containerd.reaper.v2"


@dataclass(frozen=True)
class Settings:
    """Every setting with its default; `from_env` names the variables."""

    node_name: str
    """The Node this pod runs on, from the downward API."""

    host_root: str = "/host"
    """Where the node's root file system is mounted in this pod."""

    bundle: str = "/bundle"
    """The runtime to install, as the image carries it."""

    ready_file: str = "/run/reaper-node/ready"
    """Exists in this pod while the node is in the wanted state: what the readiness probe looks for."""

    containerd_unit: str = "containerd.service"
    """The systemd unit that is restarted when containerd has to read a new configuration."""

    containerd_socket: str = "/run/containerd/containerd.sock"
    """Where containerd answers, as a path of the node."""

    drop_in_directory: str = "/etc/containerd/conf.d"
    """The folder that containerd's main configuration imports, as a path of the node."""

    tasks_directory: str = f"{STATE_DIRECTORY}/tasks"
    """Where the runtime tells which process is a ReaperTask's, as a path of this pod."""

    check_interval: float = 60.0
    """Seconds between two looks at a node that is in order."""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """Read the environment; a missing or malformed variable is an error that names it."""
        node_name = env.get("NODE_NAME", "")
        if not node_name:
            raise NodeError("BadSettings", "the environment variable NODE_NAME is empty: set it from spec.nodeName")
        interval = env.get("REAPER_CHECK_INTERVAL", str(cls.check_interval))
        try:
            check_interval = float(interval)
        except ValueError:
            check_interval = 0
        if check_interval <= 0:
            raise NodeError(
                "BadSettings", f"REAPER_CHECK_INTERVAL must be a positive number of seconds, not {interval!r}"
            )
        return cls(
            node_name=node_name,
            host_root=env.get("REAPER_HOST_ROOT", cls.host_root),
            bundle=env.get("REAPER_BUNDLE", cls.bundle),
            ready_file=env.get("REAPER_READY_FILE", cls.ready_file),
            containerd_unit=env.get("REAPER_CONTAINERD_UNIT", cls.containerd_unit),
            containerd_socket=env.get("REAPER_CONTAINERD_SOCKET", cls.containerd_socket),
            drop_in_directory=env.get("REAPER_DROP_IN_DIRECTORY", cls.drop_in_directory),
            tasks_directory=env.get("REAPER_TASKS_DIRECTORY", cls.tasks_directory),
            check_interval=check_interval,
        )
