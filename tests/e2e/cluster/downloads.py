"""The official downloads of kubectl, kind and helm, where they can be reached."""

from __future__ import annotations

import hashlib
import io
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster.errors import ClusterError

if TYPE_CHECKING:
    from cluster.versions import Versions

_CONNECT = 5.0  # seconds; behind a firewall that drops packets this is what trying costs


@dataclass(frozen=True)
class Download:
    """A program and the address of its checksum, published beside it."""

    address: str
    checksum: str
    member: str = ""  # the program's path inside an archive


Fetch = Callable[[str], "bytes | None"]  # the content at an address, or None where it cannot be had


def fetch(address: str) -> bytes | None:
    try:
        with urllib.request.urlopen(address, timeout=_CONNECT) as answer:  # noqa: S310 - ours, all https
            content: bytes = answer.read()
            return content
    except (urllib.error.URLError, TimeoutError, OSError):
        return None


def downloads(versions: Versions, platform: str) -> dict[str, Download]:
    """`platform` as in `linux-amd64`."""
    kubectl = f"https://dl.k8s.io/release/{versions.kubernetes}/bin/{platform.replace('-', '/')}/kubectl"
    kind = f"https://kind.sigs.k8s.io/dl/{versions.kind}/kind-{platform}"
    helm = f"https://get.helm.sh/helm-{versions.helm}-{platform}.tar.gz"
    return {
        "kubectl": Download(kubectl, f"{kubectl}.sha256"),
        "kind": Download(kind, f"{kind}.sha256sum"),
        "helm": Download(helm, f"{helm}.sha256sum", member=f"{platform}/helm"),
    }


def program(download: Download, fetch: Fetch) -> bytes | None:
    """The program, checked; None where its address cannot be reached."""
    checksum = fetch(download.checksum)
    content = fetch(download.address) if checksum else None
    if checksum is None or content is None:
        return None
    if hashlib.sha256(content).hexdigest() != checksum.decode().split()[0]:
        raise ClusterError(f"{download.address} is damaged: its checksum is not the one published; try again")
    if not download.member:
        return content
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        member = archive.extractfile(download.member)
        if member is None:
            raise ClusterError(f"{download.address} has no {download.member} in it")
        return member.read()
