"""A file system of the node whose server is gone: no container waits for it."""

from __future__ import annotations

import os
import select
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from reaper_runtime.host import libc, mounts
from reaper_runtime.rootfs import Rootfs
from tests.fakes.disks import LATER, mounted_later
from tests.fakes.rootfs import Overlays, inside, run
from tests.fakes.runtime import needs_root

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = needs_root

_MNT_FORCE = 1  # umount(2)


class DeadFileSystem(NamedTuple):
    """FUSE, with a server that reads no request and answers none."""

    path: Path
    server: int

    def was_asked(self) -> bool:
        """Whether anybody waits for an answer, or did."""
        return bool(select.select([self.server], [], [], 0)[0])


def _initialize(server: int) -> None:
    """Answer FUSE_INIT, as the kernel's fuse.h has it: before that, no other request is sent, and none can be seen."""
    _, opcode, unique = struct.unpack_from("=IIQ", os.read(server, 1 << 16))
    assert opcode == 26
    os.write(server, struct.pack("=IiQ IIIIHHI", 40, 0, unique, 7, 19, 0, 0, 0, 0, 4096))


@pytest.fixture
def dead() -> Iterator[DeadFileSystem]:
    """Aborted before the test's time is up: whoever waits for it, which not even SIGKILL ends, gets an error."""
    path = Path("/srv/reaper-test-dead")
    try:
        server = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        pytest.skip("no /dev/fuse")
    path.mkdir(parents=True)
    libc.mount("dead", str(path), "fuse", 0, f"fd={server},rootmode=40000,user_id=0,group_id=0")
    _initialize(server)
    reader, writer = os.pipe()
    guard = os.fork()
    if guard == 0:
        try:
            os.close(writer)
            select.select([reader], [], [], 40)
            libc.unmount(str(path), _MNT_FORCE)
        finally:
            os._exit(0)
    os.close(reader)
    yield DeadFileSystem(path, server)
    os.close(writer)  # the test is over
    os.waitpid(guard, 0)
    os.close(server)
    if str(path) in mounts.table():
        libc.unmount(str(path), mounts.MNT_DETACH)
    path.rmdir()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_dead_file_system_holds_up_no_container(
    make_overlay: Overlays, dead: DeadFileSystem, *, read_only: bool
) -> None:
    """As a network file system whose server is gone would; one in which paths are to be hidden is not shown at all."""
    for hidden, shown in (((), "1"), ((f"{dead.path}/keys/*",), "0")):
        rootfs = Rootfs(make_overlay(f"hides-{len(hidden)}", hidden=hidden), read_only=read_only)
        output, _ = inside(rootfs, f"grep -c ' {dead.path} ro,.* fuse ' /proc/self/mountinfo")
        rootfs.close()
        assert output == f"{shown}\n"
    assert not dead.was_asked()


def test_a_link_into_a_dead_file_system_holds_up_no_container(make_overlay: Overlays, dead: DeadFileSystem) -> None:
    """The overlay shows it, a container made a link into it, and the node mounts something in the link's place."""
    run(make_overlay(), f"ln -s {dead.path}/data {LATER}")
    with mounted_later():
        assert run(make_overlay(), f"readlink {LATER}") == (f"{dead.path}/data\n", 0)
    assert not dead.was_asked()


def test_whoever_asks_a_dead_file_system_is_seen(dead: DeadFileSystem) -> None:
    with subprocess.Popen(["stat", dead.path / "data"], stderr=subprocess.DEVNULL) as asker:
        assert select.select([dead.server], [], [], 40)[0]
        assert dead.was_asked()
        libc.unmount(str(dead.path), _MNT_FORCE | mounts.MNT_DETACH)
        assert asker.wait() == 1
