"""What becomes of each field of config.json: the code and docs/runtime.md say the same, and nothing is silent."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from reaper_runtime.errors import FailedPrecondition
from reaper_runtime.oci import bundle, fields

DOCS = Path(__file__).parents[4] / "docs" / "runtime.md"


def test_the_documentation_has_the_same_table() -> None:
    section = DOCS.read_text().partition("## Field by field")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([^|]+)` \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)
    assert rows == [(field.name, field.verdict, field.why) for field in fields.FIELDS]


def _config(path: str, value: Any) -> dict[str, Any]:
    config: dict[str, Any] = {"process": {"args": ["/bin/true"], "cwd": "/"}}
    *parents, last = path.split(".")
    place = config
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    return config


ASKED = {
    "process.execCPUAffinity": {"initial": "0"},
    "process.apparmorProfile": "mine",
    "process.selinuxLabel": "system_u:system_r:container_t:s0",
    "linux.namespaces": [{"type": "pid"}, {"type": "user"}],
    "linux.uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
    "linux.gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
    "linux.timeOffsets": {"boottime": {"secs": 1}},
    "linux.sysctl": {"net.core.somaxconn": "1"},
    "linux.intelRdt": {"closID": "x"},
    "linux.memoryPolicy": {"mode": "MPOL_BIND"},
    "linux.netDevices": {"eth1": {}},
    "linux.seccomp": {"defaultAction": "SCMP_ACT_ERRNO"},
    "linux.maskedPaths": ["/etc/shadow"],
    "linux.readonlyPaths": ["/etc"],
}


def test_each_field_that_is_not_honoured_has_an_example_here() -> None:
    assert set(ASKED) == {field.name for field in fields.FIELDS if field.verdict in (fields.WARNED, fields.REFUSED)}


@pytest.mark.parametrize("name", ASKED)
def test_what_is_asked_for_is_found(name: str) -> None:
    (found,) = fields.unsupported(_config(name, ASKED[name]))
    assert found.name == name
    if found.verdict == fields.REFUSED:
        with pytest.raises(FailedPrecondition, match=f"^container c asks .* cannot have: {name}: "):
            fields.check((found,), "container c")
        return
    assert fields.check((found,), "container c") == f"container c: not applied to a host process: {name}"
    with pytest.raises(FailedPrecondition, match=rf"REAPER_UNSUPPORTED=refuse.*{name}"):
        fields.check((found,), "container c", refuse=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("process.apparmorProfile", "cri-containerd.apparmor.d"),
        ("process.apparmorProfile", "unconfined"),
        ("linux.maskedPaths", ["/proc/kcore", "/sys/firmware"]),
        ("linux.readonlyPaths", ["/proc/sys"]),
        ("linux.sysctl", {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}),
        ("linux.namespaces", [{"type": "pid"}, {"type": "ipc"}, {"type": "network", "path": "/x"}]),
        ("linux.seccomp", None),
        ("linux.uidMappings", []),
        ("linux.sysctl", "nonsense"),
        ("hostname", "pod"),
    ],
)
def test_what_containerd_gives_to_everybody_is_no_wish(name: str, value: Any) -> None:
    found = fields.unsupported(_config(name, value))
    assert found == ()
    assert fields.check(found, "container c", refuse=True) == ""


def test_a_bundle_knows_them(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(_config("linux.seccomp", {"x": 1})))
    assert [field.name for field in bundle.load(str(tmp_path)).unsupported] == ["linux.seccomp"]


@pytest.mark.parametrize("image", ["", "placeholder", "docker.io/library/placeholder:latest", "sha256:12ab"])
def test_no_image_that_somebody_may_count_on(image: str) -> None:
    assert fields.ignored_image({"io.kubernetes.cri.image-name": image}, "container c") == ""
    assert fields.ignored_image({}, "container c") == ""


def test_the_plans_words_about_an_image() -> None:
    assert fields.ignored_image({"io.kubernetes.cri.image-name": "busybox"}, "container c") == (
        "container c: Container image 'busybox' is ignored by Reaper. "
        "Ensure the binary exists on the host at the specified path."
    )


def test_only_sysctls_are_told_to_the_sandbox_alone() -> None:
    assert [field.name for field in fields.of_the_pod(fields.FIELDS)] == ["linux.sysctl"]
