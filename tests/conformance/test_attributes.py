"""What config.json says of a process beyond its command: capabilities, scheduling, and whose an exec is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.ttrpc import RpcError

if TYPE_CHECKING:
    from tests.conformance.shim import Output, Shim

FAILED_PRECONDITION, INVALID_ARGUMENT = 9, 3
STATUS = ("/bin/cat", "/proc/self/status")
# Bits of capabilities(7)
CHOWN, NET_BIND, NET_RAW = 0, 10, 13
SOME = ["CAP_CHOWN", "CAP_NET_RAW"]
ROOT_SETS = {"bounding": SOME, "effective": SOME, "permitted": SOME}
BIND = ["CAP_NET_BIND_SERVICE"]
AMBIENT = {"bounding": BIND, "effective": BIND, "permitted": BIND, "inheritable": BIND, "ambient": BIND}


def _sets(output: Output) -> dict[str, int]:
    lines = (line.split() for line in output.text().splitlines())
    return {line[0][3:-1]: int(line[1], 16) for line in lines if line and line[0].startswith("Cap")}


@pytest.mark.parametrize(
    ("capabilities", "uid", "expected"),
    [
        (ROOT_SETS, 0, {"Bnd": 1 << CHOWN | 1 << NET_RAW, "Eff": 1 << CHOWN | 1 << NET_RAW, "Amb": 0}),
        ({}, 0, {"Bnd": 0, "Eff": 0, "Prm": 0, "Inh": 0, "Amb": 0}),
        (ROOT_SETS, 1000, {"Bnd": 1 << CHOWN | 1 << NET_RAW, "Eff": 0, "Prm": 0, "Amb": 0}),
        (AMBIENT, 1000, dict.fromkeys(("Bnd", "Eff", "Prm", "Inh", "Amb"), 1 << NET_BIND)),
    ],
    ids=["root with two", "root with none", "a user without ambient", "a user with ambient"],
)
def test_capabilities_are_those_of_the_spec(
    shim: Shim, capabilities: dict[str, Any], uid: int, expected: dict[str, int]
) -> None:
    """OCI runtime-spec, config.md, "Linux Process": capabilities; capabilities(7) for what a user keeps."""
    task = shim.create("c", *STATUS, capabilities=capabilities, user={"uid": uid, "gid": uid})
    task.start()
    assert task.wait() == 0
    task.delete()
    found = _sets(task.stdout)
    assert {name: found[name] for name in expected} == expected


def test_an_exec_has_its_own_user_and_capabilities(shim: Shim) -> None:
    """The spec in an ExecProcessRequest is a whole Process of the OCI runtime-spec (api/runtime/task/v3/shim.proto)."""
    task = shim.create("c", "/bin/sleep", "300", capabilities=ROOT_SETS)
    task.start()
    output = task.exec("x", *STATUS, user={"uid": 1234, "gid": 2345}, capabilities=AMBIENT)
    task.start("x")
    assert task.wait("x") == 0
    task.delete("x")
    text = output.text()
    assert "Uid:\t1234\t1234\t1234\t1234" in text
    assert "Gid:\t2345\t2345\t2345\t2345" in text
    assert _sets(output)["Bnd"] == 1 << NET_BIND


def test_containerds_default_set_is_nobodys_wish(reaper: Shim) -> None:
    """docs/runtime.md, "Applied": a Pod that says nothing keeps what root of the node has."""
    unasked = [
        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
        "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
        "CAP_AUDIT_WRITE",
    ]  # fmt: skip
    task = reaper.create("c", *STATUS, capabilities=dict.fromkeys(("bounding", "effective", "permitted"), unasked))
    task.start()
    task.wait()
    task.delete()
    assert _sets(task.stdout)["Bnd"] & 1 << 21, "CAP_SYS_ADMIN stays: it is a process of the node"


def test_home_is_the_users(reaper: Shim) -> None:
    """docs/runtime.md, "Field by field": HOME comes from the node's /etc/passwd if it is not set."""
    task = reaper.create("c", "/bin/sh", "-c", "echo $HOME", user={"uid": 1, "gid": 1})
    task.start()
    task.wait()
    task.delete()
    assert task.stdout.text() == "/usr/sbin\n"


@pytest.mark.parametrize("umask", [0o000, 0o027, 0o077])
def test_umask_is_that_of_the_spec(shim: Shim, umask: int) -> None:
    """OCI runtime-spec, config.md, "POSIX-platform User": umask."""
    task = shim.create("c", *STATUS, user={"uid": 0, "gid": 0, "umask": umask})
    task.start()
    assert task.wait() == 0
    assert f"Umask:\t{umask:04o}\n" in task.stdout.text()


def test_an_exec_has_its_own_umask(reaper: Shim) -> None:
    """The same of an exec's process. Debian's runc gives 0022 to any exec, whatever its process says."""
    task = reaper.create("c", "/bin/sleep", "300", user={"uid": 0, "gid": 0, "umask": 0o027})
    task.start()
    output = task.exec("x", *STATUS, user={"uid": 0, "gid": 0, "umask": 0o077})
    task.start("x")
    assert task.wait("x") == 0
    assert "Umask:\t0077\n" in output.text()


def test_a_file_has_the_umasks_mode(shim: Shim) -> None:
    """What the umask is for: umask(2), a new file's mode."""
    script = "echo > /tmp/umask-$$; stat -c %a /tmp/umask-$$"
    task = shim.create("c", "/bin/sh", "-c", script, user={"uid": 0, "gid": 0, "umask": 0o137})
    task.start()
    assert task.wait() == 0
    assert task.stdout.text() == "640\n"


def test_rlimits_are_those_of_the_spec(shim: Shim) -> None:
    """OCI runtime-spec, config.md, "POSIX process": rlimits, soft and hard, of a container."""
    rlimits = [
        {"type": "RLIMIT_FSIZE", "soft": 1 << 20, "hard": 2 << 20},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        {"type": "RLIMIT_NPROC", "soft": 5000, "hard": 6000},
        {"type": "RLIMIT_STACK", "soft": 4 << 20, "hard": 8 << 20},
    ]
    task = shim.create("c", "/bin/cat", "/proc/self/limits", rlimits=rlimits)
    task.start()
    assert task.wait() == 0
    found = {line[:26].strip(): tuple(line[26:].split()[:2]) for line in task.stdout.text().splitlines()}
    expected = {
        "Max file size": (str(1 << 20), str(2 << 20)),
        "Max core file size": ("0", "0"),
        "Max processes": ("5000", "6000"),
        "Max stack size": (str(4 << 20), str(8 << 20)),
    }
    assert {name: found[name] for name in expected} == expected


def test_an_exec_has_its_own_rlimits(shim: Shim) -> None:
    """The same of the process in an ExecProcessRequest (api/runtime/task/v3/shim.proto)."""
    task = shim.create("c", "/bin/sleep", "300", rlimits=[{"type": "RLIMIT_CORE", "soft": 512, "hard": 1024}])
    task.start()
    limits = [{"type": "RLIMIT_CORE", "soft": 2048, "hard": 4096}]  # of files, runc's own Go has the soft one its way
    output = task.exec("x", "/bin/sh", "-c", "ulimit -Sc; ulimit -Hc", rlimits=limits)  # in blocks of 512 bytes
    task.start("x")
    assert task.wait("x") == 0
    assert output.text() == "4\n8\n"


BATCH = {"policy": "SCHED_BATCH", "nice": 5}
LIMITED: dict[str, Any] = {
    "oomScoreAdj": 345,
    "rlimits": [{"type": "RLIMIT_CORE", "soft": 512, "hard": 1024}],
    "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 6},
}
_READ_LIMITS = "cat /proc/self/oom_score_adj; ulimit -Sc; ulimit -Hc; ionice 2>/dev/null || echo unknown"


def test_oom_score_and_limits_are_those_of_the_spec_also_in_an_exec_that_leaves_them_out(shim: Shim) -> None:
    """OCI runtime-spec, config.md, "POSIX process", "Linux Process": rlimits, oomScoreAdj, ioPriority.

    Debian's runc gives such an exec the score only: of rlimits its own, and it is older than ioPriority.
    """
    task = shim.create("c", "/bin/sh", "-c", f"{_READ_LIMITS}; exec sleep 300", **LIMITED)
    task.start()
    task.stdout.wait_for(b"1\n2\n")
    output = task.exec("x", "/bin/sh", "-c", _READ_LIMITS)
    task.start("x")
    assert task.wait("x") == 0
    lines = output.text().splitlines()
    assert lines[0] == "345"
    if shim.runtime.name == "reaper":
        assert lines == ["345", "1", "2", "best-effort: prio 6"]
        task.stdout.wait_for(output.text().encode())


def test_an_exec_has_its_own_oom_score(reaper: Shim) -> None:
    """An ExecProcessRequest has a whole Process. runc gives its exec the container's score, whatever that says."""
    task = reaper.create("c", "/bin/sleep", "300", **LIMITED)
    task.start()
    output = task.exec("x", "/bin/cat", "/proc/self/oom_score_adj", oomScoreAdj=678)
    task.start("x")
    assert task.wait("x") == 0
    assert output.text() == "678\n"


def test_the_scheduler_is_that_of_the_spec_also_in_an_exec_that_leaves_it_out(reaper: Shim) -> None:
    """OCI runtime-spec, config.md, "Linux Process": scheduler; read back as proc(5) has it. Debian's runc is older."""
    read = ("/bin/cat", "/proc/self/stat")
    task = reaper.create("c", "/bin/sh", "-c", "cat /proc/self/stat; exec sleep 300", scheduler=BATCH)
    task.start()
    output = task.exec("x", *read)
    task.start("x")
    assert task.wait("x") == 0
    task.stdout.wait_for(b"\n")
    for text in (task.stdout.data.decode(), output.text()):
        fields = text.rpartition(")")[2].split()
        assert (fields[16], fields[38]) == ("5", "3")  # nice and policy: fields 19 and 41 of proc(5)


@pytest.mark.parametrize(
    ("bundle", "code", "words"),
    [
        ({"capabilities": {"bounding": ["CAP_NO_SUCH"]}}, INVALID_ARGUMENT, "CAP_NO_SUCH"),
        ({"linux": {"sysctl": {"kernel.hostname": "x"}}}, FAILED_PRECONDITION, "linux.sysctl"),
        ({"linux": {"timeOffsets": {"monotonic": {"secs": 1}}}}, FAILED_PRECONDITION, "linux.timeOffsets"),
        ({"oomScoreAdj": 1001}, INVALID_ARGUMENT, "oomScoreAdj"),
    ],
    ids=["unknown capability", "sysctl", "time offsets", "oom score"],
)
def test_what_cannot_be_honoured_is_refused(reaper: Shim, bundle: dict[str, Any], code: int, words: str) -> None:
    """docs/runtime.md, "Field by field": what is refused, and says which field."""
    reaper.create("first", "/bin/true")  # the shim runs: it is Create that refuses
    with pytest.raises(RpcError, match=words) as refused:
        reaper.create("c", "/bin/true", annotations={"io.kubernetes.cri.sandbox-id": "first"}, **bundle)
    assert refused.value.code == code


def test_what_is_ignored_is_warned_about_once(reaper: Shim) -> None:
    """docs/runtime.md, "Field by field": ignored, with a warning."""
    reaper.create("first", "/bin/true")
    seccomp = {"defaultAction": "SCMP_ACT_ERRNO"}
    reaper.create("c", "/bin/true", linux={"seccomp": seccomp}).start()
    reaper.logs["first"].wait_for(b"linux.seccomp")
    assert reaper.logs["first"].data.count(b"linux.seccomp") == 1
