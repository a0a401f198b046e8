"""Write locks/*.txt: exact versions with hashes of every Python package, for `make lock`.

`locks/dev.txt` is what a developer's environment holds, `locks/operator.txt` what the operator's
image holds; the second is a subset of the first. The files name no index: whoever installs
brings their own. uv does the resolving, from a throwaway environment, at a pinned version.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path
from typing import Any

UV = "uv==0.13.9"
PYTHON = "3.11"  # the oldest that is supported: what resolves there resolves later too
ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# Made by `make lock` from pyproject.toml: do not edit.
"""


def requirements(pyproject: dict[str, Any], extras: set[str], *, development: bool) -> list[str]:
    """What pyproject.toml asks for under `extras`, with references to itself replaced by what they mean."""
    project = pyproject["project"]
    optional: dict[str, list[str]] = project["optional-dependencies"]
    found: set[str] = set(project["dependencies"])
    wanted, seen = set(extras), set()
    lines: list[str] = []
    if development:
        lines += pyproject["dependency-groups"]["dev"] + pyproject["build-system"]["requires"]
    while wanted or lines:
        if not lines:
            extra = wanted.pop()
            seen.add(extra)
            lines += optional[extra]
            continue
        line = lines.pop()
        itself = re.fullmatch(rf"{re.escape(project['name'])}\[(.*)\]", line)
        if itself:
            wanted |= {name.strip() for name in itself[1].split(",")} - seen
        else:
            found.add(line)
    return sorted(found)


def compile_lock(uv: Path, wanted: list[str], target: Path, constraints: Path | None, *, upgrade: bool) -> None:
    """Resolve `wanted` into `target`; what is locked there stays as it is unless `upgrade` is asked for."""
    command = [str(uv), "pip", "compile", "-", "--output-file", str(target), "--python-version", PYTHON]
    command += ["--universal", "--generate-hashes", "--no-annotate", "--no-header", "--no-config", "--quiet"]
    command += ["--no-emit-index-url", "--no-emit-find-links"]
    command += ["--upgrade"] if upgrade else []
    command += ["--constraint", str(constraints)] if constraints else []
    done = subprocess.run(command, input="\n".join(wanted), text=True, capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"cannot resolve the requirements for {target}:\n{done.stderr}")
    target.write_text(HEADER + target.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions, not the locked ones")
    upgrade = parser.parse_args().upgrade
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    everything = set(pyproject["project"]["optional-dependencies"])
    locks = ROOT / "locks"
    locks.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="reaper-lock-") as scratch:
        print(f"installing {UV} in a throwaway environment", flush=True)
        venv.create(scratch, with_pip=True)
        uv = Path(scratch, "bin", "uv")
        subprocess.run([Path(scratch, "bin", "pip"), "install", "--quiet", UV], check=True)
        print("locks/dev.txt", flush=True)
        development = requirements(pyproject, everything, development=True)
        compile_lock(uv, development, locks / "dev.txt", None, upgrade=upgrade)
        print("locks/operator.txt", flush=True)
        operator = requirements(pyproject, {"operator", "operator-tracing", "operator-webhooks"}, development=False)
        compile_lock(uv, operator, locks / "operator.txt", locks / "dev.txt", upgrade=upgrade)


if __name__ == "__main__":
    main()
