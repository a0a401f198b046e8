from __future__ import annotations

import hashlib
import json
import tarfile
from typing import TYPE_CHECKING, Any

from cluster.build.archives import Image, image_config, write_docker_archive, write_oci_archive
from cluster.build.layers import File, write_layer

if TYPE_CHECKING:
    from pathlib import Path


def contents(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {member.name: (stream.read() if (stream := tar.extractfile(member)) else b"") for member in tar}


def test_an_oci_archive_holds_each_image_and_each_shared_layer_once(tmp_path: Path) -> None:
    low = write_layer({"/low": File(b"low")}, tmp_path / "low")
    high = write_layer({"/high": File(b"high")}, tmp_path / "high")
    images = [
        Image("example.org/a:1", (low, high), {"Entrypoint": ["/high"]}),
        Image("example.org/b:2", (low,), {"User": "1:1"}),
    ]
    write_oci_archive(images, "arm64", tmp_path / "archive")
    files = contents(tmp_path / "archive")

    blobs = {name: content for name, content in files.items() if name.startswith("blobs/")}
    assert len(blobs) == 2 + 2 + 2  # layers, configurations, manifests
    assert all(name == f"blobs/sha256/{hashlib.sha256(content).hexdigest()}" for name, content in blobs.items())

    def blob(descriptor: dict[str, Any]) -> bytes:
        content = files[f"blobs/{descriptor['digest'].replace(':', '/')}"]
        assert len(content) == descriptor["size"]
        return content

    first, second = json.loads(files["index.json"])["manifests"]
    assert first["annotations"]["io.containerd.image.name"] == "example.org/a:1"
    assert second["annotations"]["org.opencontainers.image.ref.name"] == "2"
    manifest = json.loads(blob(first))
    assert [layer["digest"] for layer in manifest["layers"]] == [low.digest, high.digest]
    config = json.loads(blob(manifest["config"]))
    assert config["rootfs"]["diff_ids"] == [low.diff_id, high.diff_id]
    assert (config["architecture"], config["config"]) == ("arm64", {"Entrypoint": ["/high"]})


def test_a_docker_archive_names_its_configuration_by_digest(tmp_path: Path) -> None:
    (tmp_path / "layer").write_bytes(b"layer")
    config = image_config({"StopSignal": "SIGRTMIN+3"}, "amd64", ["sha256:0"])
    write_docker_archive("reaper/node:1", config, tmp_path / "layer", tmp_path / "archive")
    files = contents(tmp_path / "archive")
    (manifest,) = json.loads(files["manifest.json"])
    assert manifest["RepoTags"] == ["reaper/node:1"]
    assert manifest["Config"] == f"{hashlib.sha256(config).hexdigest()}.json"
    assert files[manifest["Config"]] == config
    assert files[manifest["Layers"][0]] == b"layer"
