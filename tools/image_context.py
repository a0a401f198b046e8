"""What goes into the images: build contexts made of Debian packages, locked wheels and our own code."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import TYPE_CHECKING

from build_runtime import interpreter
from debian import DebianError, cache_directory, extract

if TYPE_CHECKING:
    from collections.abc import Sequence

PYTHON = "python3.11"
VERSION = "3.11"
# Wheels for a C library no newer than Debian bookworm's, whatever machine builds.
_GLIBC = ("manylinux_2_36", "manylinux_2_35", "manylinux_2_34", "manylinux_2_31", "manylinux_2_28", "manylinux_2_17",
          "manylinux2014", "manylinux_2_12", "manylinux2010", "manylinux_2_5", "manylinux1")  # fmt: skip
# What some packages ship and nothing here imports; kubernetes/aio is a second, asynchronous client of 68 MB.
_UNUSED = ("bin", "share", "**/tests", "**/test", "kubernetes/aio", "multidict/_testcapi*")
_DEBIAN = ("python3.11-minimal", "libpython3.11-stdlib", "libssl3", "libstdc++6", "ca-certificates")
_UNUSED_MODULES = (
    "config-3.11-*", "ctypes/test", "curses", "dbm", "distutils", "ensurepip", "idlelib", "lib-dynload/_codecs_*",
    "lib-dynload/*test*", "lib-dynload/_curses*", "lib-dynload/_dbm*", "lib-dynload/_sqlite3*", "lib-dynload/*xx*",
    "lib-dynload/nis*", "lib-dynload/ossaudiodev*", "lib-dynload/readline*", "lib2to3", "pydoc_data",
    "sitecustomize.py", "sqlite3", "test", "tkinter", "turtle.py", "turtledemo", "venv",
)  # fmt: skip
_USER = 65532


def fill_operator(root: Path, context: Path) -> None:
    """python/: a root file system with Debian's Python; packages/: what is locked; reaper/: our own."""
    packages = operator_packages(root)
    shutil.copytree(packages, context / "packages", symlinks=True)
    _python_root(context / "python", packages)
    for package in (root / "api" / "reaper_api", root / "operator" / "reaper_operator"):
        _copy_package(package, context / "reaper")
    compile_tree(context / "reaper")


def fill_node(root: Path, context: Path) -> None:
    """bundle/: the runtime; agent/: the installer; shell/: a shell for the bundle's launchers."""
    shutil.copytree(root / "build" / "runtime", context / "bundle", symlinks=True)
    _copy_package(root / "node" / "reaper_node", context / "agent")
    compile_tree(context / "agent")
    with tempfile.TemporaryDirectory() as scratch:
        extract(["busybox-static"], Path(scratch))
        binaries = context / "shell" / "bin"
        binaries.mkdir(parents=True)
        shutil.copy2(Path(scratch, "bin", "busybox"), binaries / "busybox")
    (binaries / "sh").symlink_to("busybox")


def _python_root(root: Path, packages: Path) -> None:
    """Debian's Python at its own paths, the libraries that it and `packages` need, certificates, a user's name."""
    machine = f"{platform.machine()}-linux-gnu"
    library, modules = root / "lib" / machine, root / "usr" / "lib" / PYTHON
    library.mkdir(parents=True)
    (root / "usr" / "bin").mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        debian = Path(scratch)
        extract(_DEBIAN, debian)
        shutil.copy2(debian / "usr" / "bin" / PYTHON, root / "usr" / "bin" / PYTHON)
        shutil.copytree(debian / "usr" / "lib" / PYTHON, modules, ignore_dangling_symlinks=True)
        _remove(modules, _UNUSED_MODULES)
        # The path of the loader that is written into every program for this architecture.
        loader = next(debian.glob("lib*/ld-linux*"))
        home = root / loader.parent.name
        home.mkdir(exist_ok=True)
        shutil.copy2(loader.resolve(), home / loader.name)
        for binary in (root / "usr" / "bin" / PYTHON, *modules.rglob("*.so"), *packages.rglob("*.so")):
            _add_libraries(binary, library, debian, loader)
        _certificates(debian, root)
    compile_tree(modules)
    etc = root / "etc"
    (etc / "passwd").write_text(f"root:x:0:0::/:/sbin/nologin\nreaper:x:{_USER}:{_USER}::/:/sbin/nologin\n")
    (etc / "group").write_text(f"root:x:0:\nreaper:x:{_USER}:\n")


def _add_libraries(binary: Path, library: Path, debian: Path, loader: Path) -> None:
    """Copy what a program or an extension module links to, directly or not, from the Debian packages."""
    command = [str(loader), "--inhibit-cache", "--library-path", str(library), "--list", str(binary)]
    listed = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    lines = (line.split(" => ") for line in listed.splitlines() if " => " in line)
    # What is found elsewhere is this machine's own, which the image will not have. The loader is named by its path.
    for name in (words[0].strip() for words in lines if not words[1].startswith(str(library))):
        if "/" in name:
            continue
        found = next((path for path in debian.glob(f"**/*-linux-gnu/{name}")), None)
        if found is None:
            raise DebianError(f"{binary.name} needs {name}, which none of the image's Debian packages has")
        shutil.copy2(found, library / name)


def _certificates(debian: Path, root: Path) -> None:
    """The one file that Debian's maintainer script would make of many."""
    target = root / "etc" / "ssl" / "certs" / "ca-certificates.crt"
    target.parent.mkdir(parents=True)
    files = sorted((debian / "usr" / "share" / "ca-certificates").rglob("*.crt"))
    target.write_bytes(b"".join(file.read_bytes() for file in files))


def _remove(tree: Path, patterns: Sequence[str]) -> None:
    for pattern in patterns:
        for path in list(tree.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _copy_package(source: Path, target: Path) -> None:
    shutil.copytree(source, target / source.name, ignore=shutil.ignore_patterns("__pycache__"))


def operator_packages(root: Path) -> Path:
    """The locked packages, installed, trimmed and compiled; from the cache where that was done before."""
    lock = root / "locks" / "operator.txt"
    recipe = hashlib.sha256(lock.read_bytes() + Path(__file__).read_bytes() + platform.machine().encode())
    cached = cache_directory() / f"packages-operator-{recipe.hexdigest()[:16]}"
    if cached.is_dir():
        return cached
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="partial-", dir=cached.parent) as scratch:
        tree = Path(scratch) / "packages"
        _pip_install(lock, tree, Path(scratch))
        _remove(tree, _UNUSED)
        compile_tree(tree)
        tree.chmod(0o755)
        tree.replace(cached)
    return cached


def _pip_install(lock: Path, target: Path, scratch: Path) -> None:
    print(f"installing {lock.name} for the image", file=sys.stderr, flush=True)
    python = Path(sys.executable)
    if importlib.util.find_spec("pip") is None:
        venv.create(scratch / "pip", with_pip=True)
        python = scratch / "pip" / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--no-deps", "--require-hashes", "--requirement", str(lock), "--target", str(target)]
    command += ["--only-binary=:all:", "--python-version", VERSION, "--implementation", "cp"]
    command += [word for glibc in _GLIBC for word in ("--platform", f"{glibc}_{platform.machine()}")]
    run(command, f"cannot install {lock.name}")


def compile_tree(tree: Path) -> None:
    """Byte code by the interpreter that will run it, never checked against its source: times change in an image."""
    source = interpreter()
    loader = next((source / "lib").glob("ld-linux*"))
    python = [str(loader), "--library-path", str(source / "lib"), str(source / "bin" / PYTHON), "-I", "-S"]
    command = [*python, "-m", "compileall", "-q", "-s", str(tree), "--invalidation-mode", "unchecked-hash", str(tree)]
    run(command, f"cannot compile {tree}")


def run(command: Sequence[str], consequence: str) -> None:
    """Run a program, quietly unless it fails."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise DebianError(f"{consequence}\n$ {' '.join(command)}\n{done.stdout}{done.stderr}")
