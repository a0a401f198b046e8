"""What may be imported: by commands that containerd waits for, as each module takes time, which every pod takes longer;
and by the fork server, as each takes memory in every shim (docs/decisions/0002)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUNTIME = Path(__file__).parents[2] / "runtime"
ALWAYS = {"abc", "builtins", "codecs", "io", "marshal", "sys", "time", "zipimport"}
ALWAYS |= {"genericpath", "os", "os.path", "posix", "posixpath", "stat"}  # os and what it needs
OURS = {
    "start": {"errors", "shim", "shim.cli", "shim.launch", "shim.start"},
    "delete": {
        "errors",
        "host",
        "host.procfs",
        "host.cgroup",
        "host.cgroup.directory",
        "host.file",
        "names",
        "shim",
        "shim.cli",
        "shim.delete",
        "state",
        "task",
        "wire",
        "wire.messages",
        "wire.protobuf",
    },
    "-info": {"errors", "shim", "shim.cli", "wire", "wire.starting", "wire.protobuf"},
    "-v": {"errors", "shim", "shim.cli"},
}
STANDARD = {"start": {"fcntl"}, "delete": {"select"}, "-info": set[str](), "-v": set[str]()}
# Each costs more than all of `start`: re, json and enum bring collections, keyword, operator, functools with them.
HEAVY = {"re", "json", "socket", "enum", "subprocess", "typing", "collections", "signal", "dataclasses", "argparse"}
RUN = {
    "start": "from reaper_runtime.shim import start, launch",
    "delete": "cli.run(cli.parse(['-namespace', 'unit-test', '-id', 'none', '-bundle', '/', 'delete']), '1')",
    "-info": "cli.run(cli.parse(['-info']), '1-a')",
    "-v": "cli.run(cli.parse(['-v']), '1-a')",
}


def _imported(statement: str) -> set[str]:
    """The modules that are there after a statement, in an interpreter as the runtime's own: without site."""
    code = f"import sys; sys.path.insert(0, {str(RUNTIME)!r}); from reaper_runtime.shim import cli; {statement}; "
    code += "sys.stdout.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("command", sorted(RUN))
def test_a_command_imports_nothing_heavy(command: str) -> None:
    assert _imported(RUN[command]) & HEAVY == set()


@pytest.mark.parametrize("command", sorted(RUN))
def test_a_command_imports_only_what_it_is_allowed(command: str) -> None:
    found = {name for name in _imported(RUN[command]) if not name.startswith(("_", "encodings"))}
    ours = {name.removeprefix("reaper_runtime.") for name in found if name.startswith("reaper_runtime.")}
    assert ours <= OURS[command]
    assert {name for name in found if not name.startswith("reaper_runtime")} <= ALWAYS | STANDARD[command]


def test_the_fork_server_imports_nothing_that_makes_its_shims_larger() -> None:
    assert _imported("import reaper_runtime.zygote") & (HEAVY - {"collections"}) == set()
