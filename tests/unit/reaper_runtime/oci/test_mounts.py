"""The mounts of a config.json: what a host process may want, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_runtime.errors import FailedPrecondition, InvalidBundle
from reaper_runtime.host import mounts as host
from reaper_runtime.oci import mounts

STANDARD: list[dict[str, Any]] = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
    {"destination": "/dev/pts", "type": "devpts", "source": "devpts"},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm"},
    {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue"},
    {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
    {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup"},
    {"destination": "/run", "type": "tmpfs", "source": "tmpfs"},
]


def bind(destination: str = "/data", source: str = "/srv", *options: str, **more: Any) -> dict[str, Any]:
    return {"destination": destination, "source": source, "type": "bind", "options": list(options), **more}


def test_what_makes_a_root_file_system_is_the_nodes() -> None:
    assert mounts.parse(STANDARD, "here") == ()


def test_a_bind_keeps_its_flags() -> None:
    (found,) = mounts.parse([bind("/data/", "/srv", "rbind", "rprivate", "ro", "nosuid")], "here")
    assert (found.destination, found.source, found.recursive) == ("/data", "/srv", True)
    assert found.flags == host.MS_RDONLY | host.MS_NOSUID


def test_a_bind_is_one_also_without_a_type() -> None:
    entry = {"destination": "/data", "source": "/srv", "type": "none", "options": ["bind"]}
    (found,) = mounts.parse([entry], "here")
    assert (found.source, found.recursive) == ("/srv", False)


def test_a_bind_over_a_standard_path_is_a_volume() -> None:
    (found,) = mounts.parse([*STANDARD, bind("/dev/shm", "/var/lib/kubelet/pods/x/shm")], "here")
    assert found.destination == "/dev/shm"


def test_a_tmpfs_keeps_its_options() -> None:
    entry = {"destination": "/cache", "type": "tmpfs", "source": "tmpfs", "options": ["noexec", "size=1m", "mode=700"]}
    (found,) = mounts.parse([entry], "here")
    assert (found.source, found.options, found.flags) == ("", "size=1m,mode=700", host.MS_NOEXEC)


def test_files_of_the_sandbox_are_known() -> None:
    path = "/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/abc/hostname"
    (found,) = mounts.parse([bind("/etc/hostname", path)], "here")
    assert found.of_sandbox
    assert not mounts.parse([bind()], "here")[0].of_sandbox


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("x", "has the entry 'x', which has no destination"),
        ({"destination": ""}, "has no destination"),
        ({"destination": "/a\0b"}, "has no destination"),
        (bind("data"), "mount destination 'data' must be an absolute path"),
        (bind("/data", "srv"), "has the source 'srv', not an absolute path"),
        ({"destination": "/data", "type": "bind"}, "has the source None, not an absolute path"),
        ({**bind(), "options": 5}, "the options of the mount /data must be a list of strings"),
        ({**bind(), "options": [5]}, "the options of the mount /data must be a list of strings"),
    ],
)
def test_a_wrong_entry_is_an_error_that_names_it(entry: Any, reason: str) -> None:
    with pytest.raises(InvalidBundle, match=reason) as raised:
        mounts.parse([entry], "bundle/config.json")
    assert str(raised.value).startswith("bundle/config.json: ")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (bind("/data", "/srv", "rshared"), "mount /data has the option 'rshared': .*Bidirectional"),
        (bind("/data", "/srv", "idmap"), "mount /data has the option 'idmap': a host process has the node's own users"),
        (bind("/data", "/srv", "frobnicate"), "mount /data has the option 'frobnicate', which cannot be honoured"),
        ({"destination": "/data", "type": "nfs", "source": "a:/b"}, "mount /data is of type 'nfs'"),
    ],
)
def test_what_cannot_be_honoured_is_refused(entry: Any, reason: str) -> None:
    with pytest.raises(FailedPrecondition, match=reason):
        mounts.parse([entry], "here")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["destination", "source", "type", "options"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(JSON)
def test_whatever_is_in_it_it_is_parsed_or_refused_in_words(entries: Any) -> None:
    try:
        found = mounts.parse(entries, "here")
    except (InvalidBundle, FailedPrecondition):
        return
    assert all(mount.destination.startswith("/") for mount in found)
