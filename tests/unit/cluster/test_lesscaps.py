from __future__ import annotations

from cluster.docker.lesscaps import NAMES, limit, specification
from cluster.host.machine import CAP_SYS_RESOURCE


def test_the_specification_is_found_where_runc_is_told_of_it() -> None:
    assert specification(["--root", "/r", "create", "--bundle", "/b", "id"]) == "/b/config.json"
    assert specification(["run", "-b", "/b", "id"]) == "/b/config.json"
    assert specification(["--log", "/l", "exec", "--process", "/p.json", "--detach", "id"]) == "/p.json"
    assert specification(["exec", "-p", "/p.json", "id"]) == "/p.json"
    assert specification(["state", "id"]) is None
    assert specification(["create", "id"]) is None


def test_only_capabilities_in_the_bounding_set_are_left() -> None:
    assert NAMES[CAP_SYS_RESOURCE] == "SYS_RESOURCE"
    everything = [f"CAP_{name}" for name in NAMES]
    spec: dict[str, object] = {"process": {"capabilities": {"bounding": everything, "ambient": ["CAP_SYS_RESOURCE"]}}}
    limit(spec, (1 << len(NAMES)) - 1 - (1 << CAP_SYS_RESOURCE))
    rest = [name for name in everything if name != "CAP_SYS_RESOURCE"]
    assert spec == {"process": {"capabilities": {"bounding": rest, "ambient": []}}}


def test_an_execs_file_holds_the_process_alone() -> None:
    process: dict[str, object] = {"capabilities": {"bounding": ["CAP_CHOWN", "CAP_KILL"]}}
    limit(process, 0b1)
    assert process == {"capabilities": {"bounding": ["CAP_CHOWN"]}}


def test_a_specification_without_capabilities_stays_as_it_is() -> None:
    spec: dict[str, object] = {"process": {"cwd": "/"}}
    limit(spec, 0)
    assert spec == {"process": {"cwd": "/"}}
