"""ROOT/<id>/: the directory of a container of the OCI commands, with its state, its supervisor's sockets, its records.

state.json is written as a whole or not at all, by the supervisor alone, whenever the status changes. While the
supervisor lives its memory is the truth; afterwards /proc is, by pid and start time.
"""

import json
import os
import shutil
import time
from _sha256 import sha256  # type: ignore[import-not-found]  # hashlib would load OpenSSL

from reaper_runtime.errors import AlreadyExists, FailedPrecondition, NotFound
from reaper_runtime.host import procfs
from reaper_runtime.host.cgroup import directory
from reaper_runtime.names import check_id
from reaper_runtime.state import PodState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

OCI_VERSION = "1.2.0"
CREATING, CREATED, RUNNING, STOPPED = "creating", "created", "running", "stopped"
TASK, DESCRIPTORS = "task.sock", "descriptors.sock"


class State:
    """What is known of a container: the state of the runtime specification, and what tells its process apart."""

    __slots__ = ("annotations", "bundle", "created", "id", "owner", "pid", "start_time", "status")

    def __init__(
        self,
        *,
        id: str,  # noqa: A002  # its name in the specification
        bundle: str,
        status: str = CREATING,
        pid: int = 0,
        start_time: int = 0,
        annotations: dict[str, str] | None = None,
        created: str = "",
        owner: str = "",
    ) -> None:
        self.id = id
        self.bundle = bundle
        self.status = status
        self.pid = pid
        self.start_time = start_time
        self.annotations = annotations or {}
        self.created = created or _now()
        self.owner = owner

    def document(self) -> "dict[str, Any]":
        """The state as the runtime specification has it ("State"), for hooks and for `state`, with runc's additions."""
        return {
            "ociVersion": OCI_VERSION,
            "id": self.id,
            "status": self.status,
            "pid": 0 if self.status == STOPPED else self.pid,
            "bundle": self.bundle,
            "rootfs": "/",
            "created": self.created,
            "owner": self.owner,
            "annotations": self.annotations,
        }


class Home:
    """The directory of one container."""

    def __init__(self, root: str, name: str) -> None:
        """Raises InvalidArgument for an id that is not safe as a file name."""
        self.name = check_id(name)
        self.path = os.path.join(os.path.abspath(root), name)
        of_root = sha256(os.path.realpath(root).encode(errors="surrogateescape")).hexdigest()[:12]
        # The same id below another root is another container: their cgroups must not be one.
        self.records = PodState(f"oci-{of_root}", name, path=os.path.join(self.path, "processes"))

    def make(self) -> None:
        """Take the id; raises AlreadyExists, or FailedPrecondition where the directory cannot be made."""
        try:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            os.mkdir(self.path, 0o700)
        except FileExistsError:
            raise AlreadyExists(f"container {self.name} exists already: delete it, or choose another id") from None
        except OSError as error:
            raise FailedPrecondition(f"{self.path} cannot be made: {error.strerror}") from error

    def remove(self) -> None:
        """Give the id back. Harmless when done before."""
        shutil.rmtree(self.path, ignore_errors=True)

    def write(self, state: State) -> None:
        """Record a state, atomically. Raises OSError."""
        target = os.path.join(self.path, "state.json")
        with open(f"{target}~", "w") as file:
            json.dump({**state.document(), "pid": state.pid, "startTime": state.start_time}, file)
        os.rename(f"{target}~", target)

    def read(self) -> State:
        """What was last recorded; raises NotFound, or FailedPrecondition when nothing whole was."""
        if not os.path.isdir(self.path):
            raise NotFound(f"container {self.name} does not exist")
        try:
            with open(os.path.join(self.path, "state.json")) as file:
                data = json.load(file)
            return State(
                id=self.name,
                bundle=data["bundle"],
                status=data["status"],
                pid=data["pid"],
                start_time=data["startTime"],
                annotations=data["annotations"],
                created=data["created"],
                owner=data["owner"],
            )
        except (OSError, ValueError, KeyError, TypeError):
            raise FailedPrecondition(
                f"container {self.name} has no state: its creation goes on, or was killed; delete --force removes it"
            ) from None

    def pids(self) -> list[int]:
        """The processes that are left of a container whose supervisor is gone: by its cgroup and by their sessions."""
        records = list(self.records.records())
        tracked = (pid for record in records for path in record.cgroups[:1] for pid in directory.members(path))
        members = (p.pid for r in records for p in procfs.session_members(r.pid, r.start_time))
        return sorted({*tracked, *members})

    def socket(self, name: str) -> str:
        """A path to one of the supervisor's sockets that is short enough for a socket's address (unix(7)).

        The directory is kept open as long as this process lives.
        """
        fd = os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{fd}/{name}"


def without_supervisor(state: State) -> State:
    """The state of a container whose supervisor is gone: what /proc says of its process, never a guess."""
    if not (state.pid and procfs.is_alive(state.pid, state.start_time)):
        state.status = STOPPED
    return state


def homes(root: str) -> "Iterator[Home]":
    """All containers below a root, by their ids."""
    try:
        names = sorted(os.listdir(root))
    except FileNotFoundError:
        return
    for name in names:
        if os.path.isdir(os.path.join(root, name)):
            yield Home(root, name)


def _now() -> str:
    at = time.time_ns()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // 10**9)) + f".{at % 10**9:09d}Z"
