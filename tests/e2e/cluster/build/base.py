"""The Debian system under the node image: one tar archive, made by mmdebstrap from the packages' own archive."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.errors import ClusterError, CommandFailed
from cluster.host.cache import key

if TYPE_CHECKING:
    from cluster.host import Host

# What kind's own node image has, less what only other storage and other network plug-ins use.
PACKAGES = (
    "bash",
    "ca-certificates",
    "conntrack",
    "curl",
    "dbus",
    "e2fsprogs",
    "ebtables",
    "ethtool",
    "findutils",
    "iproute2",
    "iptables",
    "iputils-ping",
    "jq",
    "kmod",
    "libseccomp2",
    "mount",
    "netbase",
    "nftables",
    "pigz",
    "procps",
    "runc",
    "socat",
    "systemd",
    "util-linux",
)
_UNWANTED = ("doc", "info", "locale", "man")


def archive_slot(host: Host, suite: str) -> Path:
    return host.cache.slot(f"base-{suite}-{key(suite, host.machine.architecture, *PACKAGES, *_UNWANTED)}")


def base_archive(host: Host, suite: str) -> Path:
    """The cached archive; of the packages' versions of the day it was made."""
    slot = archive_slot(host, suite)
    if not slot.exists():
        host.packages.ensure("the base system of a node", {"mmdebstrap": "mmdebstrap"})
        step = host.console.step(f"collecting Debian {suite} packages", beside="base system")
        with step, host.cache.filling(slot) as scratch:
            _bootstrap(host, suite, scratch)
    return slot / "base.tar"


def _bootstrap(host: Host, suite: str, scratch: Path) -> None:
    excludes = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _UNWANTED]
    include = f"--include={','.join(PACKAGES)}"
    sources = own_sources(suite, Path("/etc/apt"))
    working = scratch / "tmp"
    working.mkdir()
    command = ["mmdebstrap", "--quiet", "--variant=minbase", *excludes, include, suite, str(scratch / "base.tar")]
    try:
        # Its scratch space beside the result, so that a run that is killed leaves nothing in /tmp.
        host.runner.run([*command, *map(str, sources)], env={"TMPDIR": str(working)})
    except CommandFailed as error:
        sentence = f"{error}; check that `apt-get update` works on this machine and try again"
        raise ClusterError(sentence, error.detail) from error
    working.rmdir()


def own_sources(suite: str, folder: Path) -> list[Path]:
    """This machine's own package sources where they are for the same suite: it may have a mirror of its own.

    None on another distribution or suite, for which mmdebstrap knows Debian's own archive.
    """
    candidates = (folder / "sources.list.d" / "debian.sources", folder / "sources.list")
    wanted = re.compile(rf"^(Suites:|deb\s).*\b{suite}\b", re.MULTILINE)
    return [path for path in candidates if path.is_file() and wanted.search(path.read_text())][:1]
