"""Build build/runtime/: the runtime with an interpreter and a C library of its own.

The result runs from any folder, on any Linux distribution of the same architecture, with or without a Python:
its programs are short shell scripts that hand over to the loader in the bundle, by paths relative to themselves.
"""

from __future__ import annotations

import compileall
import hashlib
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from debian import cache_directory, extract
from reaper_runtime.shim.launch import RUN_DIRECTORY

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "build" / "runtime"
SOURCE = ROOT / "runtime" / "reaper_runtime"
PYTHON = "python3.11"
PACKAGES = ("python3.11-minimal", "libpython3.11-stdlib", "libssl3", "libffi8")

# Parts of the standard library that nothing on a node uses; a third of its size.
UNUSED = (
    "__phello__", "config-3.11-*", "ctypes/test", "curses", "dbm", "distutils", "ensurepip", "idlelib", "lib2to3",
    "lib-dynload/_codecs_*", "lib-dynload/_ctypes_test*", "lib-dynload/_curses*", "lib-dynload/_dbm*",
    "lib-dynload/_sqlite3*", "lib-dynload/_test*", "lib-dynload/_xx*", "lib-dynload/nis*", "lib-dynload/ossaudiodev*",
    "lib-dynload/readline*", "lib-dynload/xxlimited*", "lib-dynload/_crypt*", "pydoc.py", "pydoc_data", "sqlite3",
    "sitecustomize.py", "test", "tkinter", "turtle.py", "turtledemo", "unittest", "venv", "wsgiref", "xmlrpc",
)  # fmt: skip

# `cd` would leave the bundle's directory, which containerd made current; ${0%/*} costs no process.
LAUNCHER = """#!/bin/sh
# Written by tools/build_runtime.py. Runs with the interpreter and the C library beside it.
{first}self=$0
[ -h "$self" ] && self=$(readlink -f "$self")
root=${{self%/*}}/..
exec "$root/lib/{loader}" --inhibit-cache --library-path "$root/lib" "$root/bin/{python}" {arguments} "$@"
"""

# Only built-ins of the shell, and date. What reaper_runtime/shim/delete.py would find to do is looked for: with any of
# it, or anything odd, that has its turn. The answer is as its own, a containerd.task.v3.DeleteResponse with exit_status
# 137 and exited_at: containerd tells that as the time of the end where it still knows the task.
DELETE = r"""# `delete` where nothing is left, which containerd waits for after each container: without an interpreter.
nothing_is_left() {
    last='' namespace='' id='' bundle=.
    for word; do
        case $last in -namespace) namespace=$word ;; -id) id=$word ;; -bundle) bundle=$word ;; esac
        last=$word
    done
    [ "$last" = delete ] || return 1
    for name in "$namespace" "$id"; do
        case $name in '' | [!A-Za-z0-9]* | *[!A-Za-z0-9._+-]*) return 1 ;; esac
    done
    for left in RUN/state/"$namespace"/"$id" RUN/state/"$namespace"/*/"$id" RUN/state/"$namespace"/*/"$id~" \
        RUN/tasks/"$namespace@$id" RUN/tasks/"$namespace@$id~"; do
        [ -e "$left" ] && return 1
    done
    [ -e "$bundle/address" ] || return 0
    read -r address <"$bundle/address"
    [ ! -e "${address#unix://}" ]
}
answer() {
    seconds=$(date +%s) && [ "$seconds" -gt 0 ] || return 1
    varint='' length=2
    while [ "$seconds" -gt 127 ]; do
        byte=$((seconds & 127 | 128)) seconds=$((seconds >> 7)) length=$((length + 1))
        varint=$varint\\$((byte >> 6))$((byte >> 3 & 7))$((byte & 7))
    done
    printf "\020\211\001\032\00$length\010$varint\\$((seconds >> 6))$((seconds >> 3 & 7))$((seconds & 7))"
}
nothing_is_left "$@" && answer && exit
"""


def main() -> None:
    """Build the bundle, unless it is there already, made of the same sources."""
    build = version()
    if (OUTPUT / "VERSION").is_file() and (OUTPUT / "VERSION").read_text().strip() == build:
        print(f"build/runtime is up to date ({build})")
        return
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="runtime-", dir=OUTPUT.parent) as scratch:
        tree = Path(scratch) / "bundle"
        shutil.copytree(interpreter(), tree, symlinks=True)
        add_runtime(tree, build)
        (tree / "VERSION").write_text(f"{build}\n")
        tree.chmod(0o755)
        if OUTPUT.exists():
            shutil.rmtree(OUTPUT)
        tree.replace(OUTPUT)
    subprocess.run([OUTPUT / "bin" / "containerd-shim-reaper-v2", "-v"], check=True)
    size = sum(file.lstat().st_size for file in OUTPUT.rglob("*"))
    print(f"build/runtime is ready: {size / 1e6:.0f} MB")


def version() -> str:
    """Version and content: 0.1.0-1a2b3c4d. Two builds that differ never share a fork server or a folder."""
    scope: dict[str, str] = {}
    exec((SOURCE / "__init__.py").read_text(), scope)  # noqa: S102  # our own two lines
    digest = hashlib.sha256()
    for file in [Path(__file__), *sorted(SOURCE.rglob("*.py"))]:
        digest.update(file.read_bytes())
    return f"{scope['__version__']}-{digest.hexdigest()[:8]}"


def interpreter() -> Path:
    """The trimmed and compiled Debian Python of this recipe, from the cache or made now."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    cached = cache_directory() / f"interpreter-{PYTHON}-{recipe}"
    if cached.is_dir():
        return cached
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="partial-", dir=cached.parent) as scratch:
        debian, tree = Path(scratch) / "debian", Path(scratch) / "tree"
        extract(PACKAGES, debian)
        arrange(debian, tree)
        compile_tree(tree / "lib" / PYTHON)
        tree.chmod(0o755)
        tree.replace(cached)
    return cached


def arrange(debian: Path, tree: Path) -> None:
    """Debian's paths to ours: bin/python3.11, lib/python3.11/, and the libraries that they need in lib/."""
    library = tree / "lib" / PYTHON
    shutil.copytree(debian / "usr" / "lib" / PYTHON, library, symlinks=False, ignore_dangling_symlinks=True)
    for pattern in UNUSED:
        for path in library.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
    (tree / "bin").mkdir()
    shutil.copy2(debian / "usr" / "bin" / PYTHON, tree / "bin" / PYTHON)
    loader = next((debian / "lib64").glob("ld-linux*.so.*"), None) or next((debian / "lib").glob("ld-linux*.so.*"))
    shutil.copy2(loader.resolve(), tree / "lib" / loader.name)
    for file in [tree / "bin" / PYTHON, *library.glob("lib-dynload/*.so")]:
        for needed in needed_libraries(debian, tree / "lib" / loader.name, file):
            if needed.name != loader.name:
                shutil.copy2(needed.resolve(), tree / "lib" / needed.name)


def needed_libraries(debian: Path, loader: Path, file: Path) -> list[Path]:
    """What the loader would load for this file, found in the unpacked packages."""
    folders = [path for base in ("lib", "usr/lib") for path in debian.glob(f"{base}/*-linux-gnu") if path.is_dir()]
    search = ":".join(map(str, folders))
    output = subprocess.run(
        [loader, "--inhibit-cache", "--library-path", search, "--list", file],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    words = (line.split() for line in output.splitlines())
    return [Path(parts[2]) for parts in words if len(parts) > 2 and parts[1] == "=>"]


def compile_tree(folder: Path) -> None:
    """Byte code beside each module, never checked against its source: the files' times change when they are copied."""
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(folder, quiet=1, stripdir=str(folder), invalidation_mode=unchecked):
        sys.exit(f"{folder} does not compile")


def add_runtime(tree: Path, build: str) -> None:
    """Our package beside the standard library, where -I -S still finds it, and the programs."""
    package = tree / "lib" / PYTHON / SOURCE.name
    shutil.copytree(SOURCE, package, ignore=shutil.ignore_patterns("__pycache__", "py.typed"))
    compile_tree(package)
    programs = {
        "bin/containerd-shim-reaper-v2": f"""-I -S -B -c 'from reaper_runtime.shim.cli import main; main("{build}")'""",
        "bin/reaper-runtime": f"""-I -S -B -c 'from reaper_runtime.cli import main; main("{build}")'""",
        "libexec/reaper-zygote": f"""-I -S -B -c 'from reaper_runtime.zygote import main; main("{build}")'""",
        "bin/python3": "",
    }
    loader = next((tree / "lib").glob("ld-linux*.so.*")).name
    for name, arguments in programs.items():
        path = tree / name
        path.parent.mkdir(exist_ok=True)
        first = DELETE.replace("RUN", RUN_DIRECTORY) if name == "bin/containerd-shim-reaper-v2" else ""
        path.write_text(LAUNCHER.format(loader=loader, python=PYTHON, arguments=arguments, first=first))
        path.chmod(0o755)


if __name__ == "__main__":
    os.umask(0o022)
    main()
