"""Image archives: several images in one OCI layout, and one image as `docker load` has always read it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cluster.build.layers import Layer

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class Image:
    """An image to be: its full reference, its layers from the bottom up, how it is run."""

    reference: str
    layers: tuple[Layer, ...]
    config: Mapping[str, Any]


def image_config(config: Mapping[str, Any], architecture: str, diff_ids: Iterable[str]) -> bytes:
    """An image's configuration, whose digest is the image's id."""
    whole = {
        "architecture": architecture,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
    }
    return json.dumps(whole, sort_keys=True).encode()


def write_oci_archive(images: Iterable[Image], architecture: str, path: Path) -> None:
    """All images in one archive; a layer that several share is in it once."""
    small: dict[str, bytes] = {}
    large: dict[str, Path] = {}
    index = []
    for image in images:
        config = image_config(image.config, architecture, (layer.diff_id for layer in image.layers))
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": {"mediaType": _CONFIG, **_descriptor(config)},
                "layers": [{"mediaType": _LAYER, "digest": layer.digest, "size": layer.size} for layer in image.layers],
            },
            sort_keys=True,
        ).encode()
        small |= {_digest(config): config, _digest(manifest): manifest}
        large |= {layer.digest: layer.content for layer in image.layers}
        names = {
            "io.containerd.image.name": image.reference,
            "org.opencontainers.image.ref.name": image.reference.rpartition(":")[2],
        }
        index.append({"mediaType": _MANIFEST, **_descriptor(manifest), "annotations": names})
    with tarfile.open(path, "w") as tar:
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        _add(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": index}, sort_keys=True).encode())
        for digest, content in sorted(small.items()):
            _add(tar, _blob(digest), content)
        for digest, file in sorted(large.items()):
            _add_file(tar, _blob(digest), file)


def write_docker_archive(reference: str, config: bytes, layer: Path, path: Path) -> None:
    """One image of one uncompressed layer, for every `docker load` since 1.10."""
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [reference], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as tar:
        _add(tar, "manifest.json", json.dumps(manifest).encode())
        _add(tar, name, config)
        _add_file(tar, "layer.tar", layer)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _descriptor(content: bytes) -> dict[str, object]:
    return {"digest": _digest(content), "size": len(content)}


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o644
    tar.addfile(info, io.BytesIO(content))


def _add_file(tar: tarfile.TarFile, name: str, file: Path) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = file.stat().st_size, 0o644
    with file.open("rb") as source:
        tar.addfile(info, source)
