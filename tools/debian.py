"""Debian packages as plain files: downloaded, unpacked, never configured.

The runtime bundle and the operator image are made of Debian's own Python, because that is
the interpreter the distribution builds, patches and can be asked about. No maintainer script
runs, so nothing here needs a chroot, and the same files come out on Debian and on Ubuntu.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SUITE = "bookworm"

# What mmdebstrap itself puts beside the packages' files: device nodes, apt's state, the host's name.
_NOT_FROM_PACKAGES = (
    "./dev",
    "./etc/apt",
    "./etc/fstab",
    "./etc/hostname",
    "./etc/resolv.conf",
    "./tmp",
    "./var",
)


class DebianError(Exception):
    """Packages could not be had; the message says which and what to do."""


def cache_directory() -> Path:
    """Where what is built from registries is kept, outside any checkout."""
    explicit = os.environ.get("REAPER_CACHE")
    if explicit:
        return Path(explicit)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reaper"


def extract(packages: Sequence[str], destination: Path, suite: str = SUITE) -> None:
    """Unpack `packages` and all they depend on into `destination`, made if it is missing.

    Ownership becomes the caller's and nothing is executed, so this works as root or not.
    The download is cached by suite, architecture and package names: remove the cache folder's
    `debian/` to get newer versions.
    """
    archive = fetch(packages, suite)
    destination.mkdir(parents=True, exist_ok=True)
    excluded = [f"--exclude={path}" for path in _NOT_FROM_PACKAGES]
    command = ["tar", "-C", str(destination), "--no-same-owner", "--anchored", *excluded, "-xf", str(archive)]
    _run(command, f"cannot unpack {archive}: remove it and try again")


def fetch(packages: Sequence[str], suite: str = SUITE) -> Path:
    """The cached tar archive of `packages` with their dependencies, downloaded if it is not there."""
    archive = cache_directory() / "debian" / f"{_key(packages, suite)}.tar"
    if archive.exists():
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    _require_mmdebstrap()
    print(f"downloading Debian {suite} packages: {', '.join(sorted(packages))}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="partial-", dir=archive.parent) as scratch:
        partial = Path(scratch) / "packages.tar"
        # chrootless: nothing to enter, nothing to mount, no user namespace, the same as root or not.
        command = ["mmdebstrap", "--mode=chrootless", "--variant=extract", "--format=tar"]
        if (
            suite != SUITE
        ):  # unstable's lists expire, on a mirror that is behind too; signatures are checked all the same
            command.append('--aptopt=Acquire::Check-Valid-Until "false"')
        command += [f"--include={','.join(sorted(packages))}", suite, str(partial)]
        _run(command, f"cannot download Debian packages {', '.join(sorted(packages))}")
        # A rename in one file system: another process sees the whole archive or none.
        partial.replace(archive)
    return archive


def architecture() -> str:
    """The name dpkg gives this machine's architecture, such as amd64."""
    command = ["dpkg", "--print-architecture"]
    return _run(command, "cannot ask dpkg for the architecture: is this Debian or Ubuntu?").strip()


def _key(packages: Sequence[str], suite: str) -> str:
    names = sorted(set(packages))
    if not names:
        raise DebianError("no packages were named")
    digest = hashlib.sha256("\n".join([suite, architecture(), *names]).encode()).hexdigest()
    return f"{suite}-{architecture()}-{names[0]}-{digest[:16]}"


def _require_mmdebstrap() -> None:
    if shutil.which("mmdebstrap"):
        return
    print("mmdebstrap is missing: installing it with apt-get", file=sys.stderr, flush=True)
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    advice = "cannot install mmdebstrap: install the package mmdebstrap yourself and try again"
    _run([*as_root, "apt-get", "-qq", "update"], advice)
    _run([*as_root, "apt-get", "-qq", "install", "--yes", "mmdebstrap", "debian-archive-keyring"], advice)


def _run(command: Sequence[str], consequence: str) -> str:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    except FileNotFoundError as error:
        raise DebianError(f"{consequence} ({command[0]} is not installed)") from error
    if done.returncode != 0:
        raise DebianError(f"{consequence}\n$ {' '.join(command)}\n{done.stderr.strip()}")
    return done.stdout
