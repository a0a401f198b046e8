"""linux.cgroupsPath: the forms of kubelet's two drivers, and what is neither."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_runtime.errors import InvalidBundle
from reaper_runtime.host.cgroup.path import resolve

if TYPE_CHECKING:
    from uuid import UUID


@pytest.mark.parametrize(
    ("given_path", "expected"),
    [
        ("/kubepods/besteffort/pod1/c1", "kubepods/besteffort/pod1/c1"),
        ("k8s.io/c1", "k8s.io/c1"),
        (
            "kubepods-besteffort-pod1_2.slice:cri-containerd:c1",
            "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1_2.slice/cri-containerd-c1.scope",
        ),
        ("kubepods.slice:cri-containerd:c1", "kubepods.slice/cri-containerd-c1.scope"),
        (":docker:c1", "system.slice/docker-c1.scope"),
        ("a.slice::c1", "a.slice/c1.scope"),
        ("-.slice:cri-containerd:c1", "cri-containerd-c1.scope"),
    ],
)
def test_the_forms(given_path: str, expected: str) -> None:
    assert resolve(given_path) == expected


@pytest.mark.parametrize(
    "bad",
    [
        "", "/", "//", "/a/../b", "../a", "/a//b", "/a/./b", "a\0b", "a-.slice:x:y", "--.slice:x:y", "-a.slice:x:y",
        "a--b.slice:x:y", ".slice:x:y", "a:b:c",
    ],
)  # fmt: skip
def test_what_is_refused(bad: str) -> None:
    with pytest.raises(InvalidBundle, match="cgroupsPath"):
        resolve(bad)


@given(st.text(alphabet="ab./:-\0", max_size=12))
def test_it_never_leaves_the_hierarchy(text: str) -> None:
    try:
        parts = resolve(text).split("/")
    except InvalidBundle:
        return
    assert not {"", ".", ".."} & set(parts)


parts = st.lists(st.text("abc019_.\\", min_size=1, max_size=8), min_size=1, max_size=6)
identifiers = st.text("abcdef0123456789", min_size=1, max_size=64)


@given(parts=parts, name=identifiers)
def test_each_slice_is_in_the_one_that_its_name_begins_with(parts: list[str], name: str) -> None:
    *slices, scope = resolve(f"{'-'.join(parts)}.slice:cri-containerd:{name}").split("/")
    assert scope == f"cri-containerd-{name}.scope"
    stems = [each.removesuffix(".slice") for each in slices]
    assert stems[0] == parts[0]
    assert [inner.removeprefix(f"{outer}-") for outer, inner in pairwise(stems)] == parts[1:]


@given(uid=st.uuids(), qos=st.sampled_from(["", "burstable", "besteffort"]), name=identifiers)
def test_kubelets_slices_are_where_kubelet_made_them(uid: UUID, qos: str, name: str) -> None:
    """As its CgroupName.ToSystemd and libcontainer's ExpandSlice: the pod's UID has _ in the place of -."""
    above = ["kubepods", *([qos] if qos else [])]
    pod = f"{'-'.join(above)}-pod{str(uid).replace('-', '_')}.slice"
    expected = ["kubepods.slice", *([f"kubepods-{qos}.slice"] if qos else []), pod, f"cri-containerd-{name}.scope"]
    assert resolve(f"{pod}:cri-containerd:{name}") == "/".join(expected)
