"""The image behind `image: placeholder`: kubelet wants an image, the runtime does not.

Made here, byte for byte the same each time, rather than pulled: it holds nothing but a
configuration and one empty layer. containerd refuses an image without a command, hence the
Entrypoint, which is never run.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import platform
import tarfile
from typing import TYPE_CHECKING, Any

from reaper_node.containerd import ctr
from reaper_node.errors import NodeError

if TYPE_CHECKING:
    from reaper_node.host import Host

log = logging.getLogger(__name__)

REFERENCE = "docker.io/library/placeholder:latest"
PINNED = "io.cri-containerd.pinned=pinned"  # keeps kubelet's image garbage collection away
NAMESPACE = "k8s.io"

_OCI = "application/vnd.oci.image"
_ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
}
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def architecture(machine: str) -> str:
    """The name that images use for what uname calls `machine`."""
    try:
        return _ARCHITECTURES[machine]
    except KeyError:
        raise NodeError("UnknownArchitecture", f"this node's architecture {machine} has no known image name") from None


def archive(arch: str) -> tuple[bytes, str]:
    """The image as an OCI archive, and its digest."""
    blobs: list[bytes] = []

    def add(media_type: str, content: bytes) -> dict[str, Any]:
        blobs.append(content)
        return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}

    layer = bytes(1024)  # an empty tar: two blocks of zeros
    config = {
        "architecture": arch,
        "os": "linux",
        "config": {"Entrypoint": ["/placeholder"], "Env": [f"PATH={_PATH}"], "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": add(f"{_OCI}.config.v1+json", _json(config)),
        "layers": [add(f"{_OCI}.layer.v1.tar", layer)],
    }
    entry = add(f"{_OCI}.manifest.v1+json", _json(manifest))
    digest = str(entry["digest"])
    entry["annotations"] = {
        "io.containerd.image.name": REFERENCE,
        "org.opencontainers.image.ref.name": "latest",
    }
    index = {"schemaVersion": 2, "mediaType": f"{_OCI}.index.v1+json", "manifests": [entry]}
    files = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index)}
    files |= {f"blobs/sha256/{_digest(blob).removeprefix('sha256:')}": blob for blob in blobs}
    return _tar(files), digest


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)  # owner 0, time 0: the same bytes each time
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def ensure(host: Host, socket: str) -> bool:
    """Import the image where it is missing, another one, or not pinned; whether it was."""
    content, digest = archive(architecture(platform.machine()))
    line = _listed(host, socket)
    if digest in line and PINNED in line:
        return False
    ctr(host, socket, "--namespace", NAMESPACE, "images", "import", "-", stdin=content)
    ctr(host, socket, "--namespace", NAMESPACE, "images", "label", REFERENCE, PINNED)
    line = _listed(host, socket)
    if digest not in line:
        raise NodeError("ImageNotImported", f"containerd took {REFERENCE} but does not list it as {digest}: {line!r}")
    log.info("imported image %s", REFERENCE)
    return True


def remove(host: Host, socket: str) -> None:
    """Take the image away, if it is there."""
    if _listed(host, socket):
        ctr(host, socket, "--namespace", NAMESPACE, "images", "rm", REFERENCE)
        log.info("removed image %s", REFERENCE)


def _listed(host: Host, socket: str) -> str:
    table = ctr(host, socket, "--namespace", NAMESPACE, "images", "ls", f"name=={REFERENCE}")
    return next((line for line in table.splitlines() if line.split()[:1] == [REFERENCE]), "")
