"""The image that kubelet wants and nobody runs."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any

import pytest

from reaper_node import placeholder
from reaper_node.errors import NodeError


def files(content: bytes) -> dict[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        for entry in tar:
            file = tar.extractfile(entry)
            assert file is not None
            found[entry.name] = file.read()
    return found


def blob(found: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    content = found[f"blobs/sha256/{descriptor['digest'].removeprefix('sha256:')}"]
    assert len(content) == descriptor["size"]
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == descriptor["digest"]
    return content


def test_is_a_whole_oci_image() -> None:
    content, digest = placeholder.archive("amd64")

    found = files(content)
    entry = json.loads(found["index.json"])["manifests"][0]
    manifest = json.loads(blob(found, entry))
    config = json.loads(blob(found, manifest["config"]))
    layer = blob(found, manifest["layers"][0])
    assert entry["digest"] == digest
    assert entry["annotations"]["io.containerd.image.name"] == "docker.io/library/placeholder:latest"
    assert config["config"]["Entrypoint"] == ["/placeholder"]
    assert (config["os"], config["architecture"]) == ("linux", "amd64")
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert files(layer) == {}
    assert len(found) == 5
    assert len(content) < 20_000


def test_is_the_same_each_time_and_differs_by_architecture() -> None:
    assert placeholder.archive("amd64") == placeholder.archive("amd64")
    assert placeholder.archive("amd64")[1] != placeholder.archive("arm64")[1]


def test_names_architectures_as_images_do() -> None:
    assert placeholder.architecture("x86_64") == "amd64"
    with pytest.raises(NodeError, match="pdp11"):
        placeholder.architecture("pdp11")
