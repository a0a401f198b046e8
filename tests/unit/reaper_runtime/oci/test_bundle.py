"""config.json: what is taken from it, and that whatever is wrong with it is an InvalidBundle with a sentence."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_runtime.errors import InvalidBundle
from reaper_runtime.oci import bundle, process
from tests.fakes.runtime import open_fds, write_bundle, write_sandbox

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {"args": ["/bin/true"]}


def _load(path: Path, config: object) -> bundle.Bundle:
    data = config if isinstance(config, bytes) else json.dumps(config).encode()
    (path / "config.json").write_bytes(data)
    return bundle.load(str(path))


def test_a_process_is_read(tmp_path: Path) -> None:
    process = {
        "args": ["/bin/echo", "a b", ""],
        "env": ["A=1", "B=x=y", "C=", "A=2"],
        "cwd": "/tmp",
        "user": {"uid": 1000, "gid": 1001, "umask": 0o077, "additionalGids": [1, 2]},
        "terminal": True,
        "noNewPrivileges": True,
        "oomScoreAdj": -998,
        "rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": (1 << 64) - 1}],
    }
    found = _load(tmp_path, {"process": process, "annotations": {"a": "b"}})
    assert (found.path, found.annotations, found.is_sandbox) == (str(tmp_path), {"a": "b"}, False)
    got = found.process
    assert got is not None
    assert got.args == ("/bin/echo", "a b", "")
    assert got.env == {"A": "2", "B": "x=y", "C": ""}
    assert (got.cwd, got.terminal, got.no_new_privileges, got.oom_score_adj) == ("/tmp", True, True, -998)
    assert (got.user.uid, got.user.gid, got.user.groups, got.user.umask) == (1000, 1001, (1, 2), 0o077)
    assert got.rlimits == (("RLIMIT_CORE", 0, (1 << 64) - 1),)


def test_what_is_left_out_has_the_usual_value(tmp_path: Path) -> None:
    got = _load(tmp_path, {"process": GOOD}).process
    assert got is not None
    assert (got.env, got.cwd, got.terminal, got.oom_score_adj, got.rlimits) == ({}, "/", False, None, ())
    assert (got.user.uid, got.user.gid, got.user.groups, got.user.umask) == (0, 0, (), None)


def test_a_sandbox_needs_no_process(tmp_path: Path) -> None:
    found = bundle.load(write_sandbox(tmp_path))
    assert (found.is_sandbox, found.process) == (True, None)


def test_a_program_called_pause_is_no_sandbox(tmp_path: Path) -> None:
    """The original takes any program with that word in its path for one, and never runs it."""
    assert not bundle.load(write_bundle(tmp_path, "/opt/pause/bin/pause")).is_sandbox


def test_a_read_only_root_is_seen(tmp_path: Path) -> None:
    assert not _load(tmp_path, {"process": GOOD}).read_only
    assert _load(tmp_path, {"process": GOOD, "root": {"readonly": True}}).read_only


@pytest.mark.parametrize(
    ("namespaces", "network"),
    [
        ([], None),
        ([{"type": "mount"}, {"type": "network", "path": "/var/run/netns/cni-1"}], "/var/run/netns/cni-1"),
        ([{"type": "network"}], ""),
    ],
)
def test_the_network_is_the_nodes_unless_the_pod_has_one(tmp_path: Path, namespaces: Any, network: str | None) -> None:
    assert _load(tmp_path, {"process": GOOD, "linux": {"namespaces": namespaces}}).network == network


def _process(**fields: object) -> dict[str, object]:
    return {"process": {**GOOD, **fields}}


BAD: list[tuple[object, str]] = [
    (b"", "is not JSON"),
    (b"{", "is not JSON"),
    (b"\xff\xfe\xfd", "is not JSON"),
    (b"[" * 200_000, "is not JSON"),
    (b"9" * 5000, "is not JSON"),
    ([], "must hold a JSON object"),
    (None, "must hold a JSON object"),
    ("text", "must hold a JSON object"),
    ({}, "has no process"),
    ({"process": None}, "process must be an object"),
    ({"process": []}, "process must be an object"),
    ({"process": {}}, r"process\.args"),
    ({"process": {"args": []}}, r"process\.args"),
    ({"process": {"args": [""]}}, r"process\.args"),
    ({"process": {"args": "true"}}, r"process\.args"),
    ({"process": {"args": ["a", 1]}}, r"process\.args"),
    ({"process": {"args": ["a", "b\0c"]}}, r"process\.args"),
    ({"process": {"args": ["\ud800"]}}, r"process\.args"),
    (_process(cwd="tmp"), r"process\.cwd must be an absolute path, not 'tmp'"),
    (_process(cwd=1), r"process\.cwd"),
    (_process(cwd="/a\0b"), r"process\.cwd"),
    (_process(env="A=1"), r"process\.env must be a list"),
    (_process(env=["A"]), r"process\.env has the entry 'A'"),
    (_process(env=["=1"]), r"process\.env has the entry '=1'"),
    (_process(env=[1]), r"process\.env has the entry 1"),
    (_process(env=["A=\0"]), r"process\.env has the entry"),
    (_process(env=["A=\udfff"]), r"process\.env has the entry"),
    (_process(user=[1]), r"process\.user must be an object"),
    (_process(user={"uid": -1}), r"process\.user\.uid must be a number"),
    (_process(user={"uid": (1 << 32) - 1}), r"process\.user\.uid must be a number"),
    (_process(user={"uid": "0"}), r"process\.user\.uid must be a number"),
    (_process(user={"uid": True}), r"process\.user\.uid must be a number"),
    (_process(user={"gid": (1 << 32) - 1}), r"process\.user\.gid must be a number"),
    (_process(user={"gid": 1.5}), r"process\.user\.gid must be a number"),
    (_process(user={"additionalGids": 5}), r"additionalGids must be a list"),
    (_process(user={"additionalGids": ["x"]}), r"additionalGids must be a number"),
    (_process(user={"additionalGids": [(1 << 32) - 1]}), r"additionalGids must be a number"),
    (_process(user={"umask": "022"}), r"umask must be a number"),
    (_process(oomScoreAdj=1001), r"oomScoreAdj must be a number from -1000 to 1000"),
    (_process(oomScoreAdj="1"), "oomScoreAdj"),
    (_process(oomScoreAdj=True), "oomScoreAdj"),
    (_process(rlimits=[{}]), "rlimits has the entry"),
    (_process(rlimits=["x"]), "rlimits has the entry"),
    (_process(rlimits={"type": "RLIMIT_CORE"}), "rlimits has the entry"),
    (_process(rlimits=[{"type": "RLIMIT_CORE", "soft": "a", "hard": 1}]), "rlimits has the entry"),
    (_process(rlimits=[{"type": "RLIMIT_CORE", "soft": -1, "hard": 1}]), "64-bit"),
    (_process(rlimits=[{"type": "RLIMIT_CORE", "soft": 0, "hard": 1 << 64}]), "64-bit"),
    (b'{"process":{"args":["a"],"rlimits":[{"type":"RLIMIT_CORE","soft":Infinity,"hard":1}]}}', "64-bit"),
    ({**_process(), "annotations": ["a"]}, "annotations must be an object of strings"),
    ({**_process(), "annotations": {"a": 1}}, "annotations must be an object of strings"),
    ({**_process(), "mounts": [{}]}, "mounts has the entry"),
    ({**_process(), "mounts": "x"}, "mounts must be a list"),
    ({**_process(), "mounts": [{"destination": 5}]}, "mounts has the entry"),
    ({**_process(), "root": "x"}, "root must be an object"),
    ({**_process(), "linux": []}, "linux must be an object"),
    ({**_process(), "linux": {"namespaces": ["network"]}}, "linux.namespaces must be a list of objects"),
    ({**_process(), "linux": {"namespaces": [{"type": "network", "path": 5}]}}, "path of the network namespace"),
]


@pytest.mark.parametrize(("config", "reason"), BAD, ids=range(len(BAD)))
def test_a_bad_config_is_an_error_that_names_file_and_field(tmp_path: Path, config: object, reason: str) -> None:
    with pytest.raises(InvalidBundle, match=reason) as raised:
        _load(tmp_path, config)
    assert str(tmp_path / "config.json") in str(raised.value)


def test_a_missing_bundle_is_a_sentence() -> None:
    with pytest.raises(InvalidBundle) as raised:
        bundle.load("/no/such/bundle")
    assert str(raised.value) == ("there is no bundle at /no/such/bundle: /no/such/bundle/config.json does not exist")


def test_a_path_with_nul_is_a_sentence() -> None:
    with pytest.raises(InvalidBundle, match="is not a path"):
        bundle.load("/a\0b")


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "config.json").symlink_to("/etc/passwd")
    with pytest.raises(InvalidBundle, match="cannot be read"):
        bundle.load(str(tmp_path))


def test_a_folder_in_place_of_the_file_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    before = open_fds()
    with pytest.raises(InvalidBundle, match="cannot be read: Is a directory"):
        bundle.load(str(tmp_path))
    assert open_fds() == before


def test_a_fifo_in_place_of_the_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(InvalidBundle, match="is not JSON"):
        bundle.load(str(tmp_path))


def test_a_file_beyond_the_limit_is_not_parsed(tmp_path: Path) -> None:
    with (tmp_path / "config.json").open("wb") as file:
        file.truncate(bundle.MAX_CONFIG + 1)
    with pytest.raises(InvalidBundle, match="is larger than 16 MiB"):
        bundle.load(str(tmp_path))


@pytest.mark.parametrize("of_container", [False, True])
@pytest.mark.parametrize("said", [{}, {"noNewPrivileges": None}, {"noNewPrivileges": False}, {"noNewPrivileges": True}])
def test_an_exec_that_leaves_no_new_privileges_out_has_the_containers(
    *, of_container: bool, said: dict[str, bool | None]
) -> None:
    container = process.parse_process({"args": ["a"], "noNewPrivileges": of_container}, "x")
    spec = process.parse_exec(json.dumps({"args": ["a"], **said}).encode(), "x", container)
    answer = said.get("noNewPrivileges")
    assert spec.no_new_privileges is (of_container if answer is None else answer)


@pytest.mark.parametrize("said", [{}, {"user": None, "capabilities": None}])
def test_an_exec_that_leaves_user_and_capabilities_out_has_the_containers(said: dict[str, None]) -> None:
    rights = {"user": {"uid": 7, "gid": 8}, "capabilities": {"bounding": []}}
    container = process.parse_process({"args": ["a"], **rights}, "x")
    spec = process.parse_exec(json.dumps({"args": ["a"], **said}).encode(), "x", container)
    assert (spec.user, spec.capabilities) == (container.user, container.capabilities)
    assert spec.capabilities is not None


LIMITS = {
    "rlimits": [{"type": "RLIMIT_CORE", "soft": 1, "hard": 2}],
    "oomScoreAdj": 7,
    "scheduler": {"policy": "SCHED_BATCH", "nice": 3},
    "ioPriority": {"class": "IOPRIO_CLASS_IDLE", "priority": 0},
}


def _limits(spec: process.ProcessSpec) -> tuple[object, ...]:
    assert spec.scheduler is not None
    return spec.rlimits, spec.oom_score_adj, (spec.scheduler.policy, spec.scheduler.nice), spec.io_priority


@pytest.mark.parametrize("said", [{}, dict.fromkeys(LIMITS)])
def test_an_exec_that_leaves_its_limits_out_has_the_containers(said: dict[str, None]) -> None:
    """Else it would have the shim's: an oom score just above containerd's, and mostly no limit."""
    container = process.parse_process({"args": ["a"], **LIMITS}, "x")
    spec = process.parse_exec(json.dumps({"args": ["a"], **said}).encode(), "x", container)
    assert _limits(spec) == _limits(container)


def test_an_exec_that_says_its_limits_has_them() -> None:
    container = process.parse_process({"args": ["a"], **LIMITS}, "x")
    other = {
        "rlimits": [{"type": "RLIMIT_NPROC", "soft": 3, "hard": 4}],
        "oomScoreAdj": 0,
        "scheduler": {"policy": "SCHED_IDLE"},
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 0},
    }
    spec = process.parse_exec(json.dumps({"args": ["a"], **other}).encode(), "x", container)
    assert _limits(spec) == _limits(process.parse_process({"args": ["a"], **other}, "x"))


def test_an_exec_spec_is_read_like_a_process() -> None:
    assert process.parse_exec(b'{"args":["a"]}', "x", None).args == ("a",)
    for bad in (b"", b"[]", b"{}"):
        with pytest.raises(InvalidBundle, match=r"^x"):
            process.parse_exec(bad, "x", None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "annotations": JSON,
        "mounts": JSON
        | st.lists(st.fixed_dictionaries({}, optional={"destination": JSON, "source": JSON, "options": JSON})),
        "process": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "args": JSON | st.lists(st.text(), min_size=1),
                "env": JSON | st.lists(st.text()),
                "cwd": JSON | st.just("/"),
                "user": JSON
                | st.fixed_dictionaries({}, optional={"uid": JSON, "gid": JSON, "umask": JSON, "additionalGids": JSON}),
                "oomScoreAdj": JSON,
                "rlimits": JSON | st.lists(st.fixed_dictionaries({"type": JSON, "soft": JSON, "hard": JSON})),
            },
        ),
    },
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundle")


@given(config=CONFIGS | JSON)
def test_any_json_is_a_bundle_or_an_invalid_bundle(folder: Path, config: object) -> None:
    try:
        _load(folder, config)
    except InvalidBundle as error:
        assert str(error)  # noqa: PT017  # most inputs are no error


@given(data=st.binary(max_size=100))
def test_any_bytes_are_a_bundle_or_an_invalid_bundle(folder: Path, data: bytes) -> None:
    try:
        _load(folder, data)
    except InvalidBundle as error:
        assert str(error)  # noqa: PT017  # most inputs are no error


def test_the_bundle_of_the_fakes_is_a_good_one(tmp_path: Path) -> None:
    assert bundle.load(write_bundle(tmp_path, "/bin/true")).process is not None
