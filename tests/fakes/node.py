"""A folder that looks like a node, and just enough containerd and API server for the installer."""

from __future__ import annotations

import copy
import json
import time
import tomllib
from typing import TYPE_CHECKING, Any

from reaper_node import containerd, placeholder, toml
from reaper_node.errors import ApiError, CommandError
from reaper_node.host import ChrootHost, Process

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator
    from pathlib import Path

KUBEADM = """\
version = 2
imports = ["/etc/containerd/conf.d/*.toml"]
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = true
"""
PID = 100
MOUNTS = "1 0 0:1 / / rw - overlay overlay rw\n"


class FakeNode(ChrootHost):
    """The programs of a node: systemctl, containerd, ctr and what is installed in /opt/reaper."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root))
        self.version = "2.3.4"
        self.started = time.time() - 1000
        self.restarts = 0
        self.image = ""
        self.namespace = "k8s.io"  # where these two are
        self.containers: list[str] = []
        self.tasks: list[str] = []
        self.running: list[Process] = [Process(PID, "/usr/bin/containerd")]
        self.broken: dict[str, str] = {}
        self.broken_by_drop_in: dict[str, str] = {}
        self.defaults: dict[str, Any] = {}
        self.calls: list[str] = []
        self.write("/etc/containerd/config.toml", KUBEADM)
        self.write(f"/proc/{PID}/cmdline", "/usr/bin/containerd\0")
        self.overlays: dict[str, float | None] = {}  # when each was made
        self.overlays_in_use: set[str] = set()
        self.said_of_overlays: str | None = None  # in place of them
        self.write("/proc/1/mountinfo", MOUNTS)
        self.runs("/usr/bin/containerd")
        (root / "opt").mkdir()
        (root / "run").mkdir()

    def write(self, path: str, text: str) -> None:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def runs(self, binary: str) -> None:
        """What the kernel says of containerd's program file."""
        link = self.root / f"proc/{PID}/exe"
        link.unlink(missing_ok=True)
        link.symlink_to(binary)

    def link(self, path: str, destination: str) -> None:
        """Make an empty folder, or nothing, a link to a new folder."""
        link = self.root / path.lstrip("/")
        if link.exists():
            link.rmdir()
        (self.root / destination.lstrip("/")).mkdir(parents=True)
        link.symlink_to(destination)

    def read(self, path: str) -> str:
        return self.path(path).read_text()

    def run(self, *command: str, stdin: bytes = b"", timeout: float = 60) -> str:
        shown = " ".join(command)
        self.calls.append(shown)
        drop_in = self.path("/etc/containerd/conf.d/reaper.toml")
        for part, complaint in (self.broken | (self.broken_by_drop_in if drop_in.exists() else {})).items():
            if part in shown:
                raise CommandError(shown, 1, "", complaint)
        match command:
            case ("systemctl", "show", *_):
                return f"{PID}\n"
            case ("systemctl", "restart", _):
                self.restarts += 1
                self.started = time.time()
                return ""
            case ("/usr/bin/containerd", "--version"):
                return f"containerd example/containerd v{self.version} 0123abc\n"
            case ("/usr/bin/containerd", "--config", config, "config", "dump"):
                return toml.dumps({"plugins": self.resolved_plugins(config)})
            case ("ctr", "--address", _, *words):
                namespace, words = (words[1], words[2:]) if words[0] == "--namespace" else ("", words)
                return self.ctr(words, here=namespace == self.namespace)
            case (_, "overlay", *words):
                return self.overlay(words)
            case (program, "-v"):
                assert self.path(program).stat().st_mode & 0o111, program
                return "containerd-shim-reaper-v2 0\n"
        raise AssertionError(f"the fake node has no program for: {shown}")

    def overlay(self, words: list[str]) -> str:
        if words == ["list", "--no-sizes", "-o", "json"]:
            if self.said_of_overlays is not None:
                return self.said_of_overlays
            return json.dumps([self._overlay(name, made) for name, made in self.overlays.items()])
        action, name = words
        assert action == "reset"
        self._reset_overlays(name)
        return ""

    def _overlay(self, name: str, made: float | None) -> dict[str, Any]:
        return {"name": name, "inUse": name in self.overlays_in_use, "made": made and _rfc3339(made)}

    def _reset_overlays(self, name: str) -> None:
        if name == "--all":
            self.write("/proc/1/mountinfo", MOUNTS)
            self.overlays = {}
        elif name in self.overlays:
            del self.overlays[name]
        else:
            raise CommandError("reaper-runtime", 1, "", f"there is no overlay {name}")

    def ctr(self, words: list[str], *, here: bool) -> str:
        match words:
            case ["version"]:
                return f"Server:\n  Version: v{self.version}\n"
            case ["plugins", "ls"]:
                return "TYPE ID PLATFORMS STATUS\nio.containerd.grpc.v1 cri - ok\n"
            case ["images", *rest]:
                return self.ctr_images(rest)
            case ["containers", "ls"]:
                return "CONTAINER IMAGE RUNTIME\n" + "\n".join(self.containers if here else [])
            case ["containers", "info", name]:
                assert here
                labels = {"io.kubernetes.pod.namespace": "default", "io.kubernetes.pod.name": f"pod-of-{name}"}
                return json.dumps({"ID": name, "Labels": labels if self.namespace == "k8s.io" else None})
            case ["tasks", "ls"]:
                return "TASK PID STATUS\n" + "\n".join(f"{name} 1 RUNNING" for name in (self.tasks if here else []))
            case ["namespaces", "ls", "-q"]:
                return "default\nk8s.io\n"
            case ["run", *_]:
                raise CommandError("ctr run", 42, "a-host-process\n", "")
        raise CommandError("ctr", 1, "", "not found")

    def ctr_images(self, words: list[str]) -> str:
        match words:
            case ["ls", _]:
                return f"REF TYPE DIGEST SIZE PLATFORMS LABELS\n{self.image}\n"
            case ["import", "-"]:
                digest = placeholder.archive("amd64")[1]
                self.image = f"{placeholder.REFERENCE} type {digest} 1 KiB linux/amd64 -"
            case ["label", _, label]:
                self.image = self.image.rpartition(" ")[0] + f" {label}"
            case ["rm", _]:
                self.image = ""
            case _:
                raise AssertionError(f"the fake ctr does not know: images {words}")
        return ""

    def resolved_plugins(self, config: str) -> dict[str, Any]:
        """containerd's own merging: key by key since 2.0, a plugin's whole table before."""
        plugins: dict[str, Any] = copy.deepcopy(self.defaults)
        for file in containerd.read(self, config):
            for name, table in file.content.get("plugins", {}).items():
                if self.version.startswith("1."):
                    plugins[name] = copy.deepcopy(table)
                else:
                    merge(plugins.setdefault(name, {}), table)
        return plugins

    def processes(self) -> Iterator[Process]:
        yield from self.running

    def start_time(self, pid: int) -> float:
        assert pid == PID
        return self.started

    def kill(self, pid: int, number: signal.Signals) -> None:
        self.running = [process for process in self.running if process.pid != pid]


def merge(into: dict[str, Any], table: dict[str, Any]) -> None:
    for key, value in table.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = copy.deepcopy(value)


class FakeCluster:
    """Nodes, Events and DaemonSets in memory."""

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {"labels": {}, "annotations": {}}
        self.events: list[dict[str, Any]] = []
        self.daemon_sets: dict[str, dict[str, Any]] = {}
        self.pod_list: list[dict[str, Any]] = []
        self.namespace_list: dict[str, float] = {}
        self.writes = 0
        self.down = False

    def node(self, name: str) -> dict[str, Any]:
        self._answer()
        return {"metadata": {"name": name, **copy.deepcopy(self.metadata)}}

    def patch_node(self, name: str, metadata: dict[str, Any]) -> None:
        self._answer()
        self.writes += 1
        for field, changes in metadata.items():
            for key, value in changes.items():
                if value is None:
                    self.metadata[field].pop(key, None)
                else:
                    self.metadata[field][key] = value

    def create_event(self, event: dict[str, Any]) -> None:
        self._answer()
        self.events.append(event)

    def daemon_set(self, namespace: str, name: str) -> dict[str, Any]:
        self._answer()
        try:
            return copy.deepcopy(self.daemon_sets[name])
        except KeyError:
            raise ApiError(f"GET {name}", 404, "not found") from None

    def patch_daemon_set(self, namespace: str, name: str, patch: dict[str, Any]) -> None:
        self._answer()
        container = self.daemon_sets[name]["spec"]["template"]["spec"]["containers"][0]
        container["args"] = patch["spec"]["template"]["spec"]["containers"][0]["args"]
        strategy = dict(patch["spec"]["updateStrategy"])
        assert strategy.pop("$patch") == "replace"
        self.daemon_sets[name]["spec"]["updateStrategy"] = strategy
        self.daemon_sets[name]["metadata"]["generation"] += 1

    def pods(self, namespace: str, selector: str) -> list[dict[str, Any]]:
        self._answer()
        return self.pod_list

    def namespaces(self) -> dict[str, float]:
        self._answer()
        return dict(self.namespace_list)

    def _answer(self) -> None:
        if self.down:
            raise ApiError("GET /", 0, "connection refused")


def _rfc3339(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def make_bundle(folder: Path, version: str) -> None:
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    (folder / "VERSION").write_text(f"{version}\n")
    shim = folder / "bin" / "containerd-shim-reaper-v2"
    shim.write_text(f"#!/bin/sh\n# {version}\n")
    shim.chmod(0o755)


def runtimes(node: FakeNode) -> dict[str, Any]:
    return containerd.handlers(tomllib.loads(toml.dumps(node.resolved_plugins("/etc/containerd/config.toml"))))
