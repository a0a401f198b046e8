"""The OCI bundle that a task comes to: the config.json that containerd would write for its Pod. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reaper_api.vocabulary import ANNOTATION_OVERLAY
from reaper_cli.local.expansion import expand

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reaper_api.task import TaskSpec
    from reaper_cli.local.files import Mounted

# What the placeholder image adds to the environment of a container.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NAMESPACE = "io.kubernetes.cri.sandbox-namespace"


def config(
    spec: TaskSpec, variables: Mapping[str, str], volumes: Sequence[Mounted], *, namespace: str, host: str
) -> dict[str, Any]:
    """config.json (OCI runtime-spec 1.2)."""
    known = {"PATH": PATH, "HOSTNAME": host, **variables}
    annotations = {_NAMESPACE: namespace}
    if spec.overlay is not None:
        annotations[ANNOTATION_OVERLAY] = spec.overlay.name
    return {
        "ociVersion": "1.2.0",
        "process": {
            "args": [expand(word, variables) for word in (*spec.command, *spec.args)],
            "cwd": spec.working_dir or "/",
            "env": [f"{name}={value}" for name, value in known.items()],
            "terminal": spec.terminal,
            "user": _user(spec),
        },
        "root": {"path": "rootfs"},
        "annotations": annotations,
        "mounts": [_mount(volume) for volume in volumes],
    }


def _user(spec: TaskSpec) -> dict[str, Any]:
    if spec.user is None:
        return {"uid": 0, "gid": 0}
    groups = list(spec.user.supplemental_groups)
    return {"uid": spec.user.uid, "gid": spec.user.gid, **({"additionalGids": groups} if groups else {})}


def _mount(volume: Mounted) -> dict[str, Any]:
    options = ["rbind", "rprivate", "ro" if volume.read_only else "rw"]
    return {"destination": volume.destination, "type": "bind", "source": volume.source, "options": options}
