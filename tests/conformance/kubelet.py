"""The cgroups that kubelet makes for a Pod, by both of its drivers, and what it tells the runtime of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.conformance.cgroups import directories

if TYPE_CHECKING:
    from collections.abc import Iterator

CGROUP_OF_POD = {"reaper.runtime/cgroup": "pod"}


class PodCgroup(NamedTuple):
    """Paths below the mount points. cgroups_path: linux.cgroupsPath of the Pod's container `c`."""

    cgroups_path: str
    pod: str
    container: str

    def bundle(self, **resources: Any) -> dict[str, Any]:
        """What is in config.json for a container with these limits."""
        linux = {"cgroupsPath": self.cgroups_path, "resources": resources}
        return {"annotations": CGROUP_OF_POD, "linux": linux}

    def files(self, *names: str) -> list[Path]:
        """The container's control files of these names, in all hierarchies."""
        return [file for file in directories(f"{self.container}/*") if file.name in names]

    def inside(self) -> list[Path]:
        """The cgroups in the Pod's."""
        return [entry for place in directories(self.pod) for entry in place.iterdir() if entry.is_dir()]

    def unit(self, *properties: str) -> dict[str, str]:
        """What systemd says of these properties of the container's scope."""
        name = Path(self.container).name
        shown = _run("systemctl", "show", name, *(f"--property={one}" for one in properties))
        return dict(line.split("=", 1) for line in shown.splitlines())

    def stop(self) -> None:
        """Have systemd stop the container's scope."""
        _run("systemctl", "stop", Path(self.container).name)

    def remove(self) -> None:
        """Remove the Pod's cgroup and the one above it, as kubelet does with nothing in it."""
        for place in directories(self.pod):
            place.rmdir()
            place.parent.rmdir()


def of_cgroupfs() -> PodCgroup:
    """kubernetes, pkg/kubelet/cm/cgroup_manager_linux.go: ToCgroupfs."""
    pod = f"reaper-conformance-{os.getpid()}/pod1"
    return PodCgroup(f"/{pod}/c", pod, f"{pod}/c")


def of_systemd(name: str = "c") -> PodCgroup:
    """kubernetes, pkg/kubelet/cm/cgroup_manager_linux.go: ToSystemd; the scope, for this id, is containerd's."""
    stem = f"reaperconformance{os.getpid()}"
    pod = f"{stem}.slice/{stem}-pod1.slice"
    return PodCgroup(f"{stem}-pod1.slice:cri-containerd:{name}", pod, f"{pod}/cri-containerd-{name}.scope")


DRIVERS = {"cgroupfs": of_cgroupfs, "systemd": of_systemd}


def systemd_runs() -> bool:
    """sd_booted(3), and with what is needed to ask it."""
    return Path("/run/systemd/system").is_dir() and shutil.which("busctl") is not None


def slice_of_systemd(memory: int) -> Iterator[PodCgroup]:
    """A Pod's slice made by systemd itself, as kubelet has it made (opencontainers/cgroups, systemd/v2.go, Apply)."""
    made = of_systemd()
    name = Path(made.pod).name
    switches = ("CPUAccounting", "IOAccounting", "MemoryAccounting", "TasksAccounting")
    properties = [word for switch in switches for word in (switch, "b", "true")]
    properties += ["DefaultDependencies", "b", "false", "MemoryMax", "t", str(memory)]
    manager = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager")
    _run("busctl", "call", *manager, "StartTransientUnit", "ssa(sv)a(sa(sv))", name, "replace", "6", *properties, "0")
    yield made
    _run("systemctl", "stop", name, f"{name.partition('-')[0]}.slice")


def resize(pod: PodCgroup, *properties: str) -> None:
    """Change the Pod's slice, as kubelet does when a Pod is resized in place."""
    _run("systemctl", "set-property", "--runtime", Path(pod.pod).name, *properties)


def reload_units() -> None:
    """As every package that brings a unit has it done."""
    _run("systemctl", "daemon-reload")


def _run(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
