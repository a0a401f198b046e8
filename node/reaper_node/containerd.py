"""The node's containerd: which one runs, what it reads, and what it made of that."""

from __future__ import annotations

import fnmatch
import posixpath
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reaper_node.errors import CommandError, NodeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reaper_node.host import Host

DEFAULT_CONFIG = "/etc/containerd/config.toml"
_DELETED = " (deleted)"  # what the kernel adds to /proc/PID/exe, proc(5)
# Where each version of the configuration keeps the runtimes of Kubernetes; 4 kept the name of 3.
CRI_PLUGIN = {
    2: "io.containerd.grpc.v1.cri",
    3: "io.containerd.cri.v1.runtime",
    4: "io.containerd.cri.v1.runtime",
}


@dataclass(frozen=True)
class Daemon:
    """The containerd that runs now."""

    pid: int
    binary: str
    config: str
    started: float
    """Seconds since the epoch."""
    merges: bool
    """Whether a drop-in adds to a plugin's table (2.0 and later) or replaces it whole (1.x)."""


@dataclass(frozen=True)
class ConfigFile:
    """One file of the configuration, where containerd reads it."""

    path: str
    content: Mapping[str, Any]


def find(host: Host, unit: str) -> Daemon:
    """The daemon behind a systemd unit."""
    answer = host.run("systemctl", "show", "--property=MainPID", "--value", unit).strip()
    if not answer.isdigit() or int(answer) == 0:
        raise NodeError(
            "ContainerdNotFound",
            f"systemd on the node knows no running {unit}: set the chart's value node.containerd.unit "
            "to the unit that runs containerd",
        )
    pid = int(answer)
    command = host.path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    binary = _binary(host, pid)
    return Daemon(
        pid=pid,
        binary=binary,
        config=_config_argument(command) or DEFAULT_CONFIG,
        started=host.start_time(pid),
        merges=merges(host.run(binary, "--version")),
    )


def _binary(host: Host, pid: int) -> str:
    """The program file. After an upgrade of the package it is the new one, which the next restart will run."""
    link = str(host.path(f"/proc/{pid}").joinpath("exe").readlink())
    binary = link.removesuffix(_DELETED)
    if binary != link and not host.path(binary).exists():
        raise NodeError(
            "ContainerdReplaced", f"containerd was replaced on disk: {binary}, which runs, is gone; restart containerd"
        )
    return binary


def _config_argument(command: list[str]) -> str | None:
    for position, word in enumerate(command):
        name, equals, value = word.partition("=")
        if name in {"-c", "--config", "-config"}:
            return value if equals else next(iter(command[position + 1 :]), None)
    return None


def merges(answer: str) -> bool:
    """Whether this version adds imported tables to the others: from `containerd --version`."""
    return _major_version(answer) >= 2


def _major_version(answer: str) -> int:
    """From `containerd github.com/containerd/containerd v1.7.24 <commit>`; distributions leave out the v."""
    for word in answer.split():
        major = word.removeprefix("v").partition(".")[0]
        if major.isdigit() and "." in word:
            return int(major)
    raise NodeError("ContainerdNotFound", f"cannot read containerd's version from {answer.strip()!r}")


def read(host: Host, main: str) -> list[ConfigFile]:
    """The configuration's files in containerd's own order: the main one, then imports, breadth first."""
    files: list[ConfigFile] = []
    pending = [main]
    while pending:
        path = pending.pop(0)
        if any(path == file.path for file in files):
            continue
        try:
            content = tomllib.loads(host.path(path).read_text())
        except FileNotFoundError as error:
            if files:
                raise NodeError("BadContainerdConfig", f"{path} does not exist, but containerd imports it") from error
            raise NodeError(
                "NoContainerdConfig",
                "containerd runs without a configuration file: write one with "
                f"`containerd config default > {main}`, so that it can import Reaper's",
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise NodeError("BadContainerdConfig", f"cannot read containerd's configuration {path}: {error}") from error
        files.append(ConfigFile(path, content))
        for pattern in _import_patterns(path, content):
            pending += _expand(host, pattern)
    return files


def _import_patterns(path: str, content: Mapping[str, Any]) -> list[str]:
    """What a file imports, as absolute paths that may hold `*`."""
    return [posixpath.normpath(posixpath.join(posixpath.dirname(path), entry)) for entry in content.get("imports", [])]


def _expand(host: Host, pattern: str) -> list[str]:
    if "*" not in pattern:
        return [pattern]
    folder, name = posixpath.split(pattern)
    if "*" in folder:
        raise NodeError("BadContainerdConfig", f"an import of containerd has * in a folder's name: {pattern}")
    return [posixpath.join(folder, found) for found in sorted(path.name for path in host.path(folder).glob(name))]


def imports(files: list[ConfigFile], path: str) -> bool:
    """Whether containerd reads a file at `path`, be it there now or not.

    An import of exactly that file does not count: without the file containerd would not start.
    """
    patterns = (pattern for file in files for pattern in _import_patterns(file.path, file.content))
    folder = posixpath.dirname(path)
    return any("*" in p and posixpath.dirname(p) == folder and fnmatch.fnmatchcase(path, p) for p in patterns)


def version(files: list[ConfigFile]) -> int:
    """The version of the main file; a drop-in must not have a higher one."""
    main = files[0]
    found = main.content.get("version", 1)
    if found not in CRI_PLUGIN:
        raise NodeError(
            "UnknownConfigVersion",
            f"{main.path} on the node has configuration version {found}: "
            f"Reaper knows {', '.join(map(str, CRI_PLUGIN))}",
        )
    return int(found)


def resolved_plugins(host: Host, daemon: Daemon) -> dict[str, Any]:
    """What containerd would work with if it started now: every file read, merged and checked by itself."""
    try:
        dump = host.run(daemon.binary, "--config", daemon.config, "config", "dump")
        plugins = tomllib.loads(dump).get("plugins", {})
    except CommandError as error:
        raise NodeError("BadContainerdConfig", f"containerd refuses its configuration: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise NodeError(
            "BadContainerdConfig", f"containerd's own dump of its configuration is no TOML: {error}"
        ) from error
    return dict(plugins)


def handlers(plugins: Mapping[str, Any]) -> dict[str, Any]:
    """The runtime handlers in a resolved configuration."""
    found: dict[str, Any] = {}
    for plugin in dict.fromkeys(CRI_PLUGIN.values()):
        found |= plugins.get(plugin, {}).get("containerd", {}).get("runtimes", {})
    return found


def ctr(host: Host, socket: str, *arguments: str, stdin: bytes = b"", timeout: float = 60) -> str:
    """Run containerd's own client against the running daemon."""
    return host.run("ctr", "--address", socket, *arguments, stdin=stdin, timeout=timeout)
