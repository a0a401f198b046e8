"""OCI runtime-spec 1.2, runtime.md: the operations, in every state. Each test names its section."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.cgroups import directories
from tests.conformance.processes import alive, command_line, eventually, parent

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.oci.runtime import OciRuntime

SLEEP = ("sleep", "300")


def test_create_makes_everything_and_does_not_run_the_program(oci: OciRuntime) -> None:
    """ "Create": the program MUST NOT be run; "State": ociVersion, id, status, pid, bundle, annotations."""
    oci.create("sh", "-c", f"touch {oci.folder}/ran; exec sleep 300")
    state = oci.state()
    assert (state["id"], state["status"], state["bundle"]) == ("c", "created", str(oci.folder / "bundle"))
    assert state["annotations"] == {"org.example.key": "value"}
    assert state["ociVersion"].startswith("1.")
    assert alive(state["pid"])
    assert not (oci.folder / "ran").exists()


def test_start_runs_the_program(oci: OciRuntime) -> None:
    """ "Start": this operation MUST run the user-specified program."""
    oci.create("sh", "-c", "echo ran; exec sleep 300")
    output = oci.folder / "out1"
    oci.ok("start", "c")
    oci.until(output, "ran")
    assert oci.status() == "running"


def test_a_change_of_the_bundle_after_create_has_no_effect(oci: OciRuntime) -> None:
    """ "Create": any changes made to config.json after this operation will not have an effect."""
    oci.create("sh", "-c", "echo first; exec sleep 300")
    output = oci.folder / "out1"
    oci.bundle("sh", "-c", "echo second")
    oci.ok("start", "c")
    oci.until(output, "first")


def test_delete_takes_the_container_and_its_id_can_be_used_again(oci: OciRuntime) -> None:
    """ "Delete": once a container is deleted its ID MAY be used by a subsequent container."""
    for _ in range(2):
        oci.create("true")
        oci.ok("start", "c")
        oci.becomes("stopped")
        assert oci.state()["pid"] == 0
        oci.ok("delete", "c")
        assert list(oci.root.iterdir()) == []


@pytest.mark.parametrize("verb", ["start", "state", "kill", "delete", "exec"])
def test_a_container_that_does_not_exist_is_an_error(oci: OciRuntime, verb: str) -> None:
    """Each operation: attempting it on a container that does not exist MUST generate an error."""
    done = oci.command(verb, "none", *(["true"] if verb == "exec" else []))
    assert done.code == (255 if verb == "exec" else 1)
    assert "does not exist" in done.err


@pytest.mark.parametrize("verb", ["create", "start", "state", "kill", "delete"])
def test_a_missing_id_is_an_error(oci: OciRuntime, verb: str) -> None:
    """Each operation: it MUST generate an error if it is not provided the container ID."""
    assert oci.refused(verb)


def test_delete_with_force_does_not_mind_that_there_is_nothing(oci: OciRuntime) -> None:
    """runc's `delete --force`: callers run it to be sure."""
    oci.ok("delete", "--force", "none")


def test_a_duplicate_id_is_an_error_and_harms_nobody(oci: OciRuntime) -> None:
    """ "Create": if the ID is not unique, an error MUST be generated and a new container MUST NOT be created."""
    oci.create(*SLEEP)
    pid = oci.state()["pid"]
    assert "exist" in oci.refused("create", "--bundle", str(oci.bundle(*SLEEP, name="other")), "c")
    assert (oci.state()["pid"], oci.status(), alive(pid)) == (pid, "created", True)


@pytest.mark.parametrize("name", ["../c", "a/b", "", ".", "a b", "é"])
def test_an_id_that_is_no_name_is_an_error(oci: OciRuntime, name: str) -> None:
    """ "Create": … or is not valid in any other way."""
    assert oci.refused("create", "--bundle", str(oci.bundle(*SLEEP)), name)
    assert not oci.root.exists() or list(oci.root.iterdir()) == []


def test_a_bundle_that_is_none_is_an_error_and_leaves_nothing(oci: OciRuntime) -> None:
    """ "Lifecycle" 2: if the runtime is unable to create the environment, it MUST generate an error."""
    assert "config.json" in oci.refused("create", "--bundle", str(oci.folder), "c")
    assert not oci.root.exists() or list(oci.root.iterdir()) == []


def test_a_program_that_is_not_there_is_named(oci: OciRuntime) -> None:
    """ "Lifecycle" 8: whichever of create and start finds it, `run` fails, and nothing is left."""
    done = oci.command("run", "--bundle", str(oci.bundle("/no/such/program")), "c")
    assert done.code == 1
    assert "/no/such/program" in done.err
    assert list(oci.root.iterdir()) == []


def test_the_pid_file_holds_the_pid(oci: OciRuntime) -> None:
    """runc's --pid-file."""
    pid_file = oci.folder / "pid"
    oci.ok("create", "--bundle", str(oci.bundle(*SLEEP)), "--pid-file", str(pid_file), "c")
    assert pid_file.read_text() == str(oci.state()["pid"])


def test_delete_with_force_kills_what_runs(oci: OciRuntime) -> None:
    """runc's `delete --force`."""
    oci.create(*SLEEP)
    oci.ok("start", "c")
    pid = oci.state()["pid"]
    oci.ok("delete", "--force", "c")
    assert (alive(pid), oci.status()) == (False, "")


def test_list_names_the_containers(oci: OciRuntime) -> None:
    """runc's `list`, in its three forms."""
    oci.create(*SLEEP, name="one")
    oci.create(*SLEEP, name="two")
    oci.ok("start", "two")
    listed = json.loads(oci.ok("list", "--format", "json"))
    assert [(c["id"], c["status"], c["pid"] > 0, c["owner"]) for c in listed] == [
        ("one", "created", True, "root"),
        ("two", "running", True, "root"),
    ]
    assert oci.ok("list", "-q").split() == ["one", "two"]
    table = oci.ok("list", "--format", "table").splitlines()
    assert table[0].split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert [line.split()[0] for line in table[1:]] == ["one", "two"]


VERBS = ("create", "start", "kill", "delete", "delete --force", "state")
# OCI runtime-spec 1.2, runtime.md, "Operations": the state that each verb leads to; what is not here is an error
# that MUST have no effect. "" is a container that does not exist.
MODEL = {
    ("", "create"): "created",
    ("", "delete --force"): "",
    ("created", "start"): "running",
    ("created", "kill"): "stopped",
    ("created", "delete --force"): "",
    ("running", "kill"): "stopped",
    ("running", "delete --force"): "",
    ("stopped", "delete"): "",
    ("stopped", "delete --force"): "",
    **{(state, "state"): state for state in ("created", "running", "stopped")},
}
# runc deletes what was never started; the specification forbids it: only a stopped container can be deleted.
RUNC = {**MODEL, ("created", "delete"): ""}


def _apply(oci: OciRuntime, verb: str) -> bool:
    words = {
        "create": ("create", "--bundle", str(oci.folder / "bundle"), "c"),
        "kill": ("kill", "c", "KILL"),
        "delete --force": ("delete", "--force", "c"),
    }
    return oci.command(*words.get(verb, (verb, "c"))).code == 0


@pytest.mark.timeout(180)
@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(VERBS), min_size=1, max_size=8))
def test_any_sequence_of_operations_does_as_the_model_says(oci: OciRuntime, verbs: list[str]) -> None:
    """ "Operations": every verb in every state that a sequence reaches."""
    model = RUNC if oci.name == "runc" else MODEL
    oci.bundle(*SLEEP)
    state = ""
    for verb in verbs:
        allowed = (state, verb) in model
        assert _apply(oci, verb) == allowed, (state, verb)
        state = model.get((state, verb), state)
        oci.becomes(state)
    oci.command("delete", "--force", "c")


@pytest.mark.parametrize("state", ["", "created", "running", "stopped"])
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_in_every_state(oci: OciRuntime, state: str, verb: str) -> None:
    """ "Operations": the whole table."""
    model = RUNC if oci.name == "runc" else MODEL
    oci.bundle(*SLEEP)
    for step in {"": (), "created": ("create",), "running": ("create", "start"), "stopped": ("create", "kill")}[state]:
        assert _apply(oci, step)
    oci.becomes(state)
    assert _apply(oci, verb) == ((state, verb) in model)
    oci.becomes(model.get((state, verb), state))


def test_the_supervisor_is_killed_and_the_state_is_what_proc_says(ours: OciRuntime) -> None:
    """ "State": the status is never guessed. Ours alone: runc has no supervisor."""
    ours.create(*SLEEP)
    ours.ok("start", "c")
    pid = ours.state()["pid"]
    supervisor = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(supervisor, signal.SIGKILL)
    assert (ours.status(), ours.state()["pid"]) == ("running", pid)
    assert "supervisor of container c is gone" in ours.refused("start", "c")
    assert "supervisor of container c is gone" in ours.refused("delete", "c")
    ours.ok("kill", "c", "KILL")
    ours.becomes("stopped")
    assert "is stopped" in ours.refused("kill", "c")
    ours.ok("delete", "c")
    assert ours.status() == ""


def test_delete_with_force_clears_up_after_a_supervisor_that_was_killed(ours: OciRuntime) -> None:
    """ "Lifecycle" 12: the container MUST be destroyed."""
    ours.create("sh", "-c", "sleep 300 & exec sleep 300")
    ours.ok("start", "c")
    pid = ours.state()["pid"]
    os.kill(int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]), signal.SIGKILL)
    ours.ok("delete", "--force", "c")
    assert (alive(pid), ours.status()) == (False, "")


def test_many_containers_do_not_know_each_other(make_oci: Callable[[str], OciRuntime]) -> None:
    """ "Scope of a container": by its id, below its root."""
    one, two = make_oci("reaper"), make_oci("reaper")
    one.create(*SLEEP)
    assert two.status() == ""
    two.create(*SLEEP)
    two.ok("delete", "--force", "c")
    assert one.status() == "created"


DAEMON = "setsid sh -c 'sleep 300 >/dev/null 2>&1 &'; exec sleep 300"  # it has left its session, and its parent


def _daemon(oci: OciRuntime, name: str = "c") -> tuple[int, int]:
    """The pids of a container's process, and of the daemon that it starts."""
    oci.create("sh", "-c", DAEMON, name=name)
    oci.ok("start", name)
    pid = oci.state(name)["pid"]
    eventually(lambda: command_line(pid) == "sleep 300" and len(_pids(oci, name)) == 2)
    (daemon,) = set(_pids(oci, name)) - {pid}
    return pid, daemon


def _pids(oci: OciRuntime, name: str = "c") -> list[int]:
    return sorted(json.loads(oci.ok("ps", "--format", "json", name)))


def test_the_same_id_below_another_root_is_another_container(make_oci: Callable[[str], OciRuntime]) -> None:
    """ "Scope of a container": the end of one is none of the other's business."""
    one, two = make_oci("reaper"), make_oci("reaper")
    kept, gone = _daemon(one), _daemon(two)
    two.ok("delete", "--force", "c")
    assert [alive(pid) for pid in (*gone, *kept)] == [False, False, True, True]


def test_delete_without_a_supervisor_reaches_daemons_too(ours: OciRuntime) -> None:
    """ "Lifecycle" 12: the container MUST be destroyed."""
    pids = _daemon(ours)
    os.kill(parent(pids[0]), signal.SIGKILL)
    assert _pids(ours) == sorted(pids)
    ours.ok("delete", "--force", "c")
    assert not any(alive(pid) for pid in pids)


def test_kill_all_without_a_supervisor_reaches_daemons_too(ours: OciRuntime) -> None:
    """runc's --all."""
    pids = _daemon(ours)
    os.kill(parent(pids[0]), signal.SIGKILL)
    ours.ok("kill", "--all", "c", "KILL")
    eventually(lambda: not any(alive(pid) for pid in pids))


@pytest.mark.parametrize("killed", [False, True])
def test_delete_leaves_no_cgroup(ours: OciRuntime, *, killed: bool) -> None:
    """Neither the container's nor those above it."""
    pid, _ = _daemon(ours)
    place = next(line for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines() if "/reaper/" in line)
    above = place.partition("/reaper/")[2].split("/")[0]
    assert directories(f"reaper/{above}")
    if killed:
        os.kill(parent(pid), signal.SIGKILL)
    ours.ok("delete", "--force", "c")
    assert directories(f"reaper/{above}") == []
