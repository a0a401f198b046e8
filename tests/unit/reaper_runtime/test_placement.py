"""Which overlay, which network and which working directory a container gets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime import overlay
from reaper_runtime.annotations import Annotations
from reaper_runtime.config import Config
from reaper_runtime.errors import FailedPrecondition, InvalidArgument
from reaper_runtime.oci.bundle import Bundle
from reaper_runtime.placement import KUBERNETES_NAMESPACE, Placement
from reaper_runtime.rootfs import Rootfs
from tests.fakes.runtime import spec

if TYPE_CHECKING:
    from pathlib import Path


def _rootfs(config: Config, bundle: Bundle, pod_network: str | None = None, **wanted: Any) -> Rootfs:
    made = Placement(config, "k8s.io").rootfs(bundle, Annotations(**wanted), pod_network)
    made.close()
    return made


@pytest.mark.parametrize(
    ("isolation", "namespace", "asked", "name"),
    [
        ("namespace", "team-a", "", "team-a"),
        ("namespace", "team-a", "x", "team-a@x"),
        ("namespace", None, "", "@containerd.k8s.io"),
        ("namespace", None, "x", "@containerd.k8s.io@x"),
        ("node", "team-a", "x", "@node"),
        ("none", "team-a", "x", None),
    ],
)
def test_the_overlay_is_that_of_the_namespace_or_the_node(
    isolation: str, namespace: str | None, asked: str, name: str | None
) -> None:
    bundle = Bundle("/b", {} if namespace is None else {KUBERNETES_NAMESPACE: namespace})
    placement = Placement(Config(overlay_isolation=isolation), "k8s.io")
    found = placement._overlay(bundle, Annotations(overlay_name=asked))
    assert (None if found is None else found.name) == name


def test_a_namespace_is_no_path() -> None:
    bundle = Bundle("/b", {KUBERNETES_NAMESPACE: "../../etc"})
    with pytest.raises(InvalidArgument, match=r"namespace '../../etc' is not valid"):
        _rootfs(Config(), bundle)


@pytest.mark.parametrize(
    ("pods", "bundles", "network"),
    [
        ("/run/netns/pod", "/proc/1/ns/net", "/run/netns/pod"),  # containerd's path for containers is by the shim's pid
        (None, None, ""),
        (None, "/run/netns/own", "/run/netns/own"),
    ],
)
def test_the_network_is_the_pods_where_it_is_asked_for(pods: str | None, bundles: str | None, network: str) -> None:
    bundle = Bundle("/b", {}, network=bundles)
    assert _rootfs(Config(overlay_isolation="none"), bundle, pods, network="pod")._network == network
    assert _rootfs(Config(overlay_isolation="none"), bundle, pods)._network == ""


def test_a_network_that_would_have_to_be_made_is_refused() -> None:
    with pytest.raises(FailedPrecondition, match=r"reaper\.runtime/network: pod: /b names no network namespace"):
        _rootfs(Config(overlay_isolation="none"), Bundle("/b", {}, network=""), network="pod")


def test_the_working_directory_is_the_processs() -> None:
    config = Config(overlay_isolation="none")
    assert _rootfs(config, Bundle("/b", {}, spec("/bin/true", cwd="/work")))._working_directory == "/work"
    assert _rootfs(config, Bundle("/b", {}))._working_directory == "/"


def test_a_lock_that_cannot_be_had_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("in the way")
    with pytest.raises(FailedPrecondition, match=r"the lock of overlay a cannot be had on node .*: .*/locks"):
        Rootfs(overlay.Overlay("a", str(tmp_path), str(tmp_path / "locks")))
