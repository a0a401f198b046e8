"""Hooks (OCI runtime-spec 1.2, config.md "POSIX-platform Hooks"; runtime.md "Lifecycle" 3 to 13)."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conformance.oci.runtime import OciRuntime

SLEEP = ("sleep", "300")
AT_CREATE = ("prestart", "createRuntime")
BEFORE_START = (*AT_CREATE, "createContainer")
ALL = (*BEFORE_START, "startContainer", "poststart", "poststop")


def _shell(script: str, **more: Any) -> dict[str, Any]:
    return {"path": "/bin/sh", "args": ["sh", "-c", script], **more}


def _lines(oci: OciRuntime) -> list[str]:
    path = oci.folder / "trace"
    return path.read_text().split() if path.exists() else []


def _tracing(oci: OciRuntime, *kinds: str) -> dict[str, Any]:
    return {kind: [_shell(f"echo {kind} >> {oci.folder}/trace")] for kind in kinds}


def test_hooks_run_in_the_order_of_the_lifecycle(oci: OciRuntime) -> None:
    """runtime.md "Lifecycle" 3 to 13.

    createContainer and startContainer of runc see its root file system only; runc 1.1 has run poststart at create.
    """
    inside = ("createContainer", "startContainer", "poststart")
    seen = tuple(kind for kind in ALL if oci.name == "reaper" or kind not in inside)
    oci.create(*SLEEP, hooks=_tracing(oci, *seen))
    assert _lines(oci) == [kind for kind in seen if kind in BEFORE_START]
    oci.ok("start", "c")
    assert _lines(oci) == [kind for kind in seen if kind != "poststop"]
    oci.ok("kill", "c", "KILL")
    oci.becomes("stopped")
    oci.ok("delete", "c")
    assert _lines(oci) == list(seen)


def test_several_hooks_of_a_kind_run_in_order(oci: OciRuntime) -> None:
    """config.md: hooks MUST be called in the listed order."""
    oci.create(*SLEEP, hooks={"createRuntime": [_shell(f"echo {n} >> {oci.folder}/trace") for n in range(4)]})
    assert _lines(oci) == ["0", "1", "2", "3"]


def test_the_state_comes_on_standard_input(oci: OciRuntime) -> None:
    """config.md: the state of the container MUST be passed to hooks over stdin."""
    kinds = ("prestart", "createRuntime", "poststart", "poststop")
    oci.create(*SLEEP, hooks={kind: [_shell(f"cat > {oci.folder}/{kind}")] for kind in kinds})
    pid = oci.state()["pid"]
    oci.ok("start", "c")
    oci.ok("delete", "--force", "c")
    states = {kind: json.loads((oci.folder / kind).read_text()) for kind in kinds}
    assert {kind: state["status"] for kind, state in states.items()} == {
        "prestart": "creating",
        "createRuntime": "creating",
        "poststart": "running" if oci.name == "reaper" else "created",  # runc 1.1 runs it at create
        "poststop": "stopped",
    }
    for kind, state in states.items():
        assert (state["id"], state["bundle"]) == ("c", str(oci.folder / "bundle"))
        assert state["annotations"] == {"org.example.key": "value"}
        assert state.get("pid", 0) == (0 if kind == "poststop" else pid)


def test_a_hook_gets_its_arguments_and_environment_and_no_other(oci: OciRuntime) -> None:
    """config.md: args as in execv(3), env as in environ(7)."""
    script = f'echo "$0" "$1" "$NAME" "$LEAKED" > {oci.folder}/trace'
    hook = {"path": "/bin/sh", "args": ["sh", "-c", script, "zero", "one"], "env": ["NAME=value"]}
    bundle = oci.bundle(*SLEEP, hooks={"createRuntime": [hook]})
    oci.ok("create", "--bundle", str(bundle), "c", env={**os.environ, "LEAKED": "x"})
    assert _lines(oci) == ["zero", "one", "value"]


@pytest.mark.parametrize("kind", BEFORE_START)
def test_a_hook_that_fails_at_create_destroys_the_container(oci: OciRuntime, kind: str) -> None:
    """runtime.md "Lifecycle" 3 to 5: generate an error, stop the container, continue at step 12."""
    path = "/bin/false" if kind != "createContainer" or oci.name == "reaper" else "/no/such/hook"
    hooks = {**_tracing(oci, "poststop"), kind: [{"path": path}]}
    assert oci.refused("create", "--bundle", str(oci.bundle(*SLEEP, hooks=hooks)), "c")
    assert oci.status() == ""
    assert list(oci.root.iterdir()) == []


def test_the_failure_of_a_hook_says_which_and_why(ours: OciRuntime) -> None:
    """In one sentence."""
    hooks = {"prestart": [{"path": "/bin/true"}, _shell("echo no network >&2; exit 3")]}
    said = ours.refused("create", "--bundle", str(ours.bundle(*SLEEP, hooks=hooks)), "c")
    assert said == "reaper-runtime: prestart hook 1 (/bin/sh) failed with exit code 3: no network\n"


def test_after_a_failure_at_create_poststop_hooks_run(ours: OciRuntime) -> None:
    """runtime.md "Lifecycle" 13. runc runs none when the container was never complete."""
    hooks = {**_tracing(ours, "poststop"), "createRuntime": [{"path": "/bin/false"}]}
    ours.refused("create", "--bundle", str(ours.bundle(*SLEEP, hooks=hooks)), "c")
    assert _lines(ours) == ["poststop"]


@pytest.mark.parametrize("kind", ["startContainer", "poststart"])
def test_a_hook_that_fails_at_start_stops_the_container(ours: OciRuntime, kind: str) -> None:
    """runtime.md "Lifecycle" 7 and 9: generate an error, stop the container. runc 1.1 runs poststart at create."""
    ours.create(*SLEEP, hooks={kind: [{"path": "/bin/false"}]})
    assert f"{kind} hook 0 (/bin/false) failed with exit code 1" in ours.refused("start", "c")
    assert ours.status() == "stopped"
    ours.ok("delete", "c")


def test_a_failed_startcontainer_hook_keeps_the_program_from_running(ours: OciRuntime) -> None:
    """runtime.md "Lifecycle" 7 comes before 8."""
    ours.create("touch", f"{ours.folder}/ran", hooks={"startContainer": [{"path": "/bin/false"}]})
    ours.refused("start", "c")
    assert not (ours.folder / "ran").exists()


def test_a_hook_that_fails_at_delete_is_a_warning(oci: OciRuntime) -> None:
    """runtime.md "Lifecycle" 13: log a warning, but the remaining hooks and lifecycle continue.

    runc 1.1 leaves the remaining hooks out.
    """
    after = _shell(f"echo after >> {oci.folder}/trace")
    oci.create("true", hooks={"poststop": [{"path": "/bin/false"}, after]})
    oci.ok("start", "c")
    oci.becomes("stopped")
    oci.ok("delete", "c")
    assert (_lines(oci), oci.status()) == (["after"] if oci.name == "reaper" else [], "")


def test_a_warning_reaches_the_log_of_create(ours: OciRuntime) -> None:
    """The supervisor writes it where `create` was told to log."""
    bundle = ours.bundle("true", hooks={"poststop": [{"path": "/bin/false"}]})
    log = ours.folder / "log"
    ours.ok("--log", str(log), "--log-format", "json", "create", "--bundle", str(bundle), "c")
    ours.ok("start", "c")
    ours.becomes("stopped")
    ours.ok("delete", "c")
    entry = json.loads(log.read_text())
    assert (entry["level"], entry["msg"]) == ("warning", "poststop hook 0 (/bin/false) failed with exit code 1")


def test_a_hook_that_takes_too_long_is_killed(oci: OciRuntime) -> None:
    """config.md: timeout is the number of seconds before aborting the hook."""
    hooks = {"createRuntime": [_shell("exec sleep 300", timeout=1)]}
    assert oci.refused("create", "--bundle", str(oci.bundle(*SLEEP, hooks=hooks)), "c")
    assert oci.status() == ""


@pytest.mark.parametrize(
    ("hooks", "reason"),
    [
        ({"prestart": [{"path": "bin/true"}]}, "prestart[0].path must be an absolute path"),
        ({"poststop": [{"args": ["x"]}]}, "poststop[0].path must be an absolute path"),
        ({"poststop": [{"path": "/bin/true", "timeout": 0}]}, "timeout must be a number of seconds above 0"),
        ({"poststop": [{"path": "/bin/true", "env": ["x"]}]}, "poststop[0].env must be a list of NAME=value"),
        ({"poststop": [{"path": "/bin/true", "args": "x"}]}, "poststop[0].args must be a list of strings"),
        ({"poststop": {"path": "/bin/true"}}, "poststop must be a list"),
    ],
)
def test_a_hook_that_is_none_is_refused_at_create(ours: OciRuntime, hooks: dict[str, Any], reason: str) -> None:
    """config.md: path is REQUIRED and absolute, timeout is greater than zero."""
    assert reason in ours.refused("create", "--bundle", str(ours.bundle(*SLEEP, hooks=hooks)), "c")
